package io.autocircuit.benchmark;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Processes that compute without pause when they are told to: the other work on a shared machine.
 * Each takes one core, at this process's priority; it reads and writes nothing, so caches and
 * memory stay ours. They end with this process, also when it is killed.
 */
public final class BusyProcesses implements AutoCloseable {
  /** More than any machine needs. */
  private static final int MOST = 4096;

  private static final long SECONDS = 10;

  private final List<Process> processes = new ArrayList<>();

  private BusyProcesses() {}

  /**
   * Starts them, at rest.
   *
   * @param count how many, at least 1
   * @return what ends them when it is closed
   * @throws IllegalArgumentException if the count is out of range
   * @throws UncheckedIOException if one cannot be started
   */
  public static BusyProcesses start(int count) {
    if (count < 1 || count > MOST) {
      throw new IllegalArgumentException(
          "busy=" + count + " is out of range; start 1 to " + MOST + " processes");
    }
    BusyProcesses all = new BusyProcesses();
    try {
      for (int i = 0; i < count; i++) {
        all.processes.add(command().start());
      }
      all.compute(); // their own start is over then
      all.rest();
      return all;
    } catch (IOException e) {
      all.close();
      throw new UncheckedIOException(
          "busy=" + count + ": a process did not start; is java at " + java() + "?", e);
    } catch (UncheckedIOException e) {
      all.close();
      throw e;
    }
  }

  /**
   * Returns when all compute.
   *
   * @throws UncheckedIOException if one has ended
   */
  public void compute() {
    say(BusyLoop.COMPUTE);
  }

  /**
   * Returns when none computes.
   *
   * @throws UncheckedIOException if one has ended
   */
  public void rest() {
    say(BusyLoop.REST);
  }

  /** Tells all, then waits for the answer of each. */
  private void say(int word) {
    try {
      for (Process process : processes) {
        process.getOutputStream().write(word);
        process.getOutputStream().flush();
      }
      for (Process process : processes) {
        int answer = process.getInputStream().read();
        if (answer != word) {
          throw new IOException("answer=" + answer + ", expected=" + word);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(
          "a busy process has ended (" + e.getMessage() + "); measure again", e);
    }
  }

  private static Path java() {
    return Path.of(System.getProperty("java.home"), "bin", "java");
  }

  private static ProcessBuilder command() {
    return new ProcessBuilder(
            java().toString(),
            "-Xmx16m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            ourselves(),
            BusyLoop.class.getName())
        .redirectError(ProcessBuilder.Redirect.DISCARD);
  }

  /** The jar or folder that holds this class. */
  private static String ourselves() {
    try {
      return Path.of(BusyLoop.class.getProtectionDomain().getCodeSource().getLocation().toURI())
          .toString();
    } catch (URISyntaxException e) {
      throw new IllegalStateException("the place of this library is no file", e);
    }
  }

  /**
   * The processes.
   *
   * @return a handle of each, in no order
   */
  public List<ProcessHandle> handles() {
    return processes.stream().map(Process::toHandle).toList();
  }

  /** Ends all of them and waits until they have ended. */
  @Override
  public void close() {
    processes.forEach(Process::destroyForcibly);
    boolean interrupted = false;
    for (Process process : processes) {
      try {
        process.waitFor(SECONDS, TimeUnit.SECONDS);
      } catch (InterruptedException e) {
        interrupted = true; // they were told to end and do without us
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
