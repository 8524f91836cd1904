package io.autocircuit.experiment;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.patch.Circuit;
import io.autocircuit.task.InductionTask;
import io.autocircuit.task.KnownCircuit;
import io.autocircuit.task.OfficialCircuit;
import io.autocircuit.task.TaskProvider;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;

/** Where the known circuit of a run comes from, which its scores are compared with. */
public sealed interface OfficialSource {
  /** What stands for no circuit where a task would have one. */
  String NONE = "none";

  /**
   * The circuit.
   *
   * @param prompts the run's prompts, whose task knows circuits
   * @param graph the graph that its edges belong to
   * @param words positions of the prompts' words by name, BOS counted; empty for prompts without
   * @return the circuit, of at least one edge
   * @throws io.autocircuit.files.DataException if a file cannot be used
   * @throws IllegalArgumentException if the task knows no such circuit, or not on such a graph
   */
  Circuit read(PromptSource prompts, ComputationGraph graph, SortedMap<String, Integer> words);

  /**
   * As it is now.
   *
   * @return with the fingerprint of a file
   * @throws io.autocircuit.files.DataException if the file cannot be read
   */
  OfficialSource pinned();

  /**
   * A file.
   *
   * @param file see {@link OfficialCircuit}
   */
  record Stored(StoredFile file) implements OfficialSource {
    @Override
    public Circuit read(
        PromptSource prompts, ComputationGraph graph, SortedMap<String, Integer> words) {
      return OfficialCircuit.read(file.path(), graph);
    }

    @Override
    public OfficialSource pinned() {
      return new Stored(file.pinned());
    }
  }

  /**
   * A circuit that the run's task knows.
   *
   * @param circuit its key
   */
  record Known(String circuit) implements OfficialSource {
    /**
     * Checks that there is a key.
     *
     * @param circuit its key
     */
    public Known {
      Objects.requireNonNull(circuit, "circuit");
    }

    @Override
    public Circuit read(
        PromptSource prompts, ComputationGraph graph, SortedMap<String, Integer> words) {
      List<KnownCircuit> all = circuits(prompts);
      KnownCircuit known =
          all.stream()
              .filter(c -> c.key().equals(circuit))
              .findFirst()
              .orElseThrow(() -> unknown(circuit, all));
      return Circuit.of(graph, known.in(graph, words));
    }

    @Override
    public OfficialSource pinned() {
      return this;
    }
  }

  private static IllegalArgumentException unknown(String circuit, List<KnownCircuit> all) {
    return all.isEmpty()
        ? new IllegalArgumentException(
            "circuit=" + circuit + ": the task of these prompts knows no circuit; leave it away")
        : new UnknownNameException(
            "circuit", circuit, all.stream().map(KnownCircuit::key).toList());
  }

  /**
   * The circuits that the task of some prompts knows.
   *
   * @param prompts the prompts
   * @return the usual one first; none for a file or random prompts
   */
  static List<KnownCircuit> circuits(PromptSource prompts) {
    if (prompts instanceof PromptSource.OfTask t) {
      return t.task().entry().circuits(t.task().settings());
    }
    if (prompts instanceof PromptSource.Embedded) {
      TaskProvider induction = new InductionTask();
      return induction.circuits(io.autocircuit.catalogue.Settings.none());
    }
    return List.of();
  }

  /**
   * A file that has not been read yet.
   *
   * @param file see {@link OfficialCircuit}
   * @return the source
   */
  static OfficialSource at(Path file) {
    return new Stored(StoredFile.at(file));
  }
}
