package io.autocircuit.experiment;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.patch.Circuit;
import io.autocircuit.task.OfficialCircuit;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;

/** Which edges a run's algorithm keeps out of the circuits that it looks for. */
public sealed interface AvoidedEdges {
  /** What stands for the run's known circuit where a file could be named. */
  String OFFICIAL = "official";

  /**
   * The edges.
   *
   * @param graph the graph that they belong to
   * @param official the run's known circuit; empty for none
   * @return at least one edge
   * @throws io.autocircuit.files.DataException if a file cannot be used
   * @throws IllegalArgumentException if the known circuit is meant and there is none
   */
  Circuit read(ComputationGraph graph, Optional<Circuit> official);

  /**
   * As it is now.
   *
   * @return with the fingerprint of a file
   * @throws io.autocircuit.files.DataException if the file cannot be read
   */
  AvoidedEdges pinned();

  /**
   * For people: what is avoided.
   *
   * @return {@code official}, or the name of the file, and how many of its edges
   */
  String text();

  /** The run's known circuit. */
  record Official() implements AvoidedEdges {
    @Override
    public Circuit read(ComputationGraph graph, Optional<Circuit> official) {
      return official.orElseThrow(
          () ->
              new IllegalArgumentException(
                  "--avoid=official needs an official circuit; give one, or a file of edges"));
    }

    @Override
    public AvoidedEdges pinned() {
      return this;
    }

    @Override
    public String text() {
      return OFFICIAL;
    }
  }

  /**
   * A file of edges.
   *
   * @param file see {@link OfficialCircuit}; {@code edges.json} of a result directory is one
   * @param first how many entries of its list are read; empty for all
   */
  record Stored(StoredFile file, Optional<Integer> first) implements AvoidedEdges {
    /**
     * Checks the number.
     *
     * @param file a file of edges
     * @param first how many entries of its list are read; empty for all
     * @throws IllegalArgumentException if it is not positive
     */
    public Stored {
      Objects.requireNonNull(file, "file");
      first.ifPresent(
          n -> {
            if (n < 1) {
              throw new IllegalArgumentException(
                  "avoided edges=" + n + " must be 1 or more; give the first so many of the file");
            }
          });
    }

    @Override
    public Circuit read(ComputationGraph graph, Optional<Circuit> official) {
      return OfficialCircuit.read(file.path(), graph, first.orElse(Integer.MAX_VALUE));
    }

    @Override
    public AvoidedEdges pinned() {
      return new Stored(file.pinned(), first);
    }

    @Override
    public String text() {
      return file.path().getFileName() + first.map(n -> ", first " + n).orElse("");
    }
  }

  /**
   * What somebody names.
   *
   * @param name {@value #OFFICIAL}, or the path of a file
   * @param first how many entries of the file are read; empty for all
   * @return the edges; a file is not read yet
   * @throws IllegalArgumentException if a number is given for the known circuit, or is not positive
   */
  static AvoidedEdges of(String name, Optional<Integer> first) {
    if (!name.equals(OFFICIAL)) {
      return new Stored(StoredFile.at(Path.of(name)), first);
    }
    if (first.isPresent()) {
      throw new IllegalArgumentException(
          "avoided edges="
              + first.get()
              + " goes with a file; leave it out, as all edges of the official circuit are"
              + " avoided");
    }
    return new Official();
  }
}
