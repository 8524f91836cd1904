package io.autocircuit.cli;

import io.autocircuit.files.DataException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The processes of a sweep: this one, and helpers that it starts with the same command.
 *
 * @param count how many there are, this one included
 * @param helper whether this is one of the helpers
 * @param command the words of the command line, without those that say how to compute
 * @param threads how many threads each process has
 * @param memory native memory of each process, in bytes
 */
record SweepWorkers(int count, boolean helper, List<String> command, int threads, long memory) {
  /** This process alone. */
  static final SweepWorkers NONE = new SweepWorkers(1, false, List.of(), 1, Long.MAX_VALUE);

  /** The word that makes a process a helper. */
  static final String HELPER = "--helper";

  private static final long PATIENCE_S = 10;

  boolean isHelper() {
    return helper;
  }

  /** Helpers that run. */
  record Running(List<Process> processes) implements AutoCloseable {
    boolean isEmpty() {
      return processes.isEmpty();
    }

    /** Waits for helpers that are at their end, and ends others. */
    @Override
    public void close() {
      for (Process p : processes) {
        try {
          if (!p.waitFor(PATIENCE_S, TimeUnit.SECONDS)) {
            p.destroy();
          }
        } catch (InterruptedException e) {
          p.destroy();
          Thread.currentThread().interrupt();
        }
      }
    }
  }

  /**
   * Starts the helpers.
   *
   * @param cells how many cells are left, as many processes as which make sense
   * @throws DataException if one cannot be started
   */
  Running start(int cells) {
    List<Process> processes = new ArrayList<>();
    for (int i = 1; i < Math.min(count, cells); i++) {
      List<String> words = new ArrayList<>();
      words.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
      words.addAll(
          ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
              .filter(a -> !a.startsWith("-agentlib") && !a.startsWith("-javaagent"))
              .filter(a -> !a.startsWith(ClassArchive.MAKE)) // one process makes it
              .filter(a -> !a.equals("-D" + Start.STARTED + "=" + Start.MAKES))
              .toList());
      words.add("-cp");
      words.add(System.getProperty("java.class.path"));
      words.add(Main.class.getName());
      words.addAll(command);
      words.addAll(List.of(HELPER, "--threads", "" + threads, "--memory", "" + memory));
      try {
        Process p = new ProcessBuilder(words).inheritIO().start();
        Runtime.getRuntime().addShutdownHook(new Thread(p::destroy));
        processes.add(p);
      } catch (IOException e) {
        new Running(processes).close();
        throw new DataException(
            "workers="
                + count
                + ": a process cannot be started: "
                + e.getMessage()
                + "; give --workers 1",
            e);
      }
    }
    return new Running(processes);
  }
}
