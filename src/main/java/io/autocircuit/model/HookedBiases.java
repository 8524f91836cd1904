package io.autocircuit.model;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * The biases of a dictionary of TransformerLens, which stores all of them. A bias that no block has
 * is taken for zero, with a notice; one that some blocks have and others lack is an error.
 */
final class HookedBiases {
  private final StoredWeights w;
  private final List<String> missing = new ArrayList<>();
  private final Set<String> present = new LinkedHashSet<>();

  HookedBiases(StoredWeights w) {
    this.w = w;
  }

  /** Takes one of that name and shape, if it is there. */
  void take(String name, long... shape) {
    if (w.has(name)) {
      present.add(kind(name));
      w.put(name, w.take(name, shape));
    } else {
      missing.add(name);
    }
  }

  /**
   * Looks at what was missing.
   *
   * @throws io.autocircuit.files.DataException if only some blocks lack a bias
   */
  void check(ConfigReader c) {
    List<String> lost = missing.stream().filter(n -> present.contains(kind(n))).toList();
    if (!lost.isEmpty()) {
      throw w.error(
          "tensors are missing that other blocks have: "
              + StoredWeights.listed(lost)
              + "; get the weights again");
    }
    Set<String> absent = new LinkedHashSet<>();
    missing.forEach(n -> absent.add(kind(n)));
    if (!absent.isEmpty()) {
      c.notice(
          "the weights have no "
              + String.join(", ", absent)
              + ", which TransformerLens always stores: zeros are used; if the model has them, get"
              + " the weights again");
    }
  }

  private static String kind(String name) {
    return name.replaceFirst("^blocks\\.\\d+\\.", "");
  }
}
