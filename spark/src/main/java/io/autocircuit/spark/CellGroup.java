package io.autocircuit.spark;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * Cells of one model and prompts that one task runs, one after another.
 *
 * @param cells at least one
 * @param seconds what they take by the estimate
 */
record CellGroup(ArrayList<SentCell> cells, double seconds) implements Serializable {

  /**
   * Cuts cells into groups. The groups of a model follow each other, so that an executor which
   * takes one after another loads few models; the model that takes longest comes first, and the
   * longest of its groups, so that what is begun last is short.
   *
   * @param models the cells of each model
   * @param cost seconds of a cell
   * @param longest how many seconds a group of several cells may take
   * @return the groups; equally long ones in the order of the cells
   */
  static List<CellGroup> cut(
      List<? extends List<SentCell>> models, ToDoubleFunction<SentCell> cost, double longest) {
    return models.stream()
        .map(model -> one(model, cost, longest))
        .sorted(
            Comparator.comparingDouble(
                    (List<CellGroup> model) -> model.stream().mapToDouble(CellGroup::seconds).sum())
                .reversed())
        .flatMap(List::stream)
        .toList();
  }

  private static List<CellGroup> one(
      List<SentCell> model, ToDoubleFunction<SentCell> cost, double longest) {
    List<CellGroup> groups = new ArrayList<>();
    ArrayList<SentCell> some = new ArrayList<>();
    double seconds = 0;
    for (SentCell cell : model) {
      double more = cost.applyAsDouble(cell);
      if (!some.isEmpty() && seconds + more > longest) {
        groups.add(new CellGroup(some, seconds));
        some = new ArrayList<>();
        seconds = 0;
      }
      some.add(cell);
      seconds += more;
    }
    if (!some.isEmpty()) {
      groups.add(new CellGroup(some, seconds));
    }
    groups.sort(Comparator.comparingDouble(CellGroup::seconds).reversed());
    return groups;
  }
}
