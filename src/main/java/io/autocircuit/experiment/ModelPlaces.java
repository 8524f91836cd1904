package io.autocircuit.experiment;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Runs whose models have other directories: those of models that are named, say. */
public final class ModelPlaces {
  private ModelPlaces() {}

  /**
   * A run with another directory of its model.
   *
   * @param spec any run
   * @param place gives it for the one that the run names
   * @return the run; unchanged where its model has no directory
   */
  public static RunSpec located(RunSpec spec, UnaryOperator<Path> place) {
    return spec.model() instanceof ModelSource.Directory named
        ? spec.withModel(new ModelSource.Directory(place.apply(named.path()), named.contents()))
        : spec;
  }

  /**
   * Cells with the directories of models that are named; each name is looked for once.
   *
   * @param cells any cells
   * @param folder where relative paths of theirs begin
   * @param find gives the directory of a name; or the same, where it is none
   * @return the cells; directories that exist stay
   */
  public static List<Cell> located(List<Cell> cells, Path folder, UnaryOperator<Path> find) {
    Map<Path, Path> known = new HashMap<>();
    return cells.stream()
        .map(
            c ->
                new Cell(
                    c.task(),
                    c.algorithm(),
                    c.label(),
                    c.coordinates(),
                    c.spec()
                        .map(
                            s ->
                                located(
                                    s,
                                    path ->
                                        known.computeIfAbsent(path, p -> one(p, folder, find)))),
                    c.refusal()))
        .toList();
  }

  /** A name was made a path from the folder; where it is one of a model, that of the model. */
  private static Path one(Path given, Path folder, UnaryOperator<Path> find) {
    if (Files.exists(given)) {
      return given;
    }
    Path named =
        given.startsWith(folder) && !given.equals(folder) ? folder.relativize(given) : given;
    Path found = find.apply(named);
    return found.equals(named) ? given : found;
  }
}
