package io.autocircuit.spark;

import io.autocircuit.experiment.Cell;
import io.autocircuit.experiment.RunSpec;
import java.io.Serializable;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A cell as it travels to an executor.
 *
 * @param task the name of its task
 * @param algorithm the key of its algorithm
 * @param label what tells its algorithm from the others of the experiment
 * @param coordinates what selects it
 * @param spec its run with the hashes of all files, as JSON
 */
record SentCell(
    String task, String algorithm, String label, TreeMap<String, String> coordinates, String spec)
    implements Serializable {

  static SentCell of(Cell cell) {
    return new SentCell(
        cell.task(),
        cell.algorithm(),
        cell.label(),
        new TreeMap<>(cell.coordinates()),
        cell.spec().orElseThrow().json());
  }

  /** The cell with its run. */
  Cell cell(RunSpec run) {
    return new Cell(task, algorithm, label, coordinates, Optional.of(run), Optional.empty());
  }

  RunSpec run() {
    return RunSpec.parse(spec, "a cell of the experiment");
  }
}
