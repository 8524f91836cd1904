package io.autocircuit.benchmark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Busy processes compute when they are told to, and end with whoever started them. */
@Tag("slow")
class BusyProcessesTest {
  private static final long SECONDS = 60;

  /** Starts two, says which, and waits to be killed. */
  public static final class Starter {
    private Starter() {}

    /** No words. */
    public static void main(String[] words) throws InterruptedException {
      BusyProcesses others = BusyProcesses.start(2);
      others.compute();
      others.handles().forEach(h -> System.out.println(h.pid()));
      System.out.println("-");
      Thread.sleep(TimeUnit.SECONDS.toMillis(SECONDS));
    }
  }

  private static Duration worked(ProcessHandle process) {
    return process.info().totalCpuDuration().orElse(Duration.ZERO);
  }

  @Test
  void theyComputeAndRest() throws Exception {
    ProcessHandle process;
    try (BusyProcesses others = BusyProcesses.start(1)) {
      process = others.handles().get(0);
      assertTrue(process.info().totalCpuDuration().isPresent(), "no processor times here");
      others.compute();
      Duration before = worked(process);
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
      while (worked(process).minus(before).toMillis() < 100) {
        assertTrue(System.nanoTime() < deadline, "it does not compute");
        Thread.sleep(10);
      }
      others.rest();
      Duration resting = worked(process);
      Thread.sleep(200);
      long idle = worked(process).minus(resting).toMillis();
      assertTrue(idle <= 50, () -> "it worked " + idle + " of 200 ms while it was to rest");
      others.compute();
    }
    assertFalse(process.isAlive());
  }

  @Test
  void theyEndWithAProcessThatIsKilled() throws Exception {
    Process starter =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElse("java"),
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                Starter.class.getName())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    List<ProcessHandle> busy;
    try (BufferedReader lines = starter.inputReader()) {
      Stream<String> pids = lines.lines().takeWhile(l -> !l.equals("-"));
      busy = pids.map(l -> ProcessHandle.of(Long.parseLong(l)).orElseThrow()).toList();
      assertEquals(2, busy.size());
      assertTrue(busy.stream().allMatch(ProcessHandle::isAlive));
    } finally {
      starter.destroyForcibly(); // as kill -9: nothing of it runs any more
    }
    for (ProcessHandle process : busy) {
      process.onExit().get(SECONDS, TimeUnit.SECONDS);
    }
  }

  @Test
  void whatCannotBeStartedIsRefused() {
    for (int count : new int[] {0, -1, 100_000}) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> BusyProcesses.start(count))
              .getMessage();
      assertTrue(message.startsWith("busy=" + count + " is out of range"), message);
    }
  }

  @Test
  void anEndedProcessIsReported() throws Exception {
    try (BusyProcesses others = BusyProcesses.start(1)) {
      ProcessHandle process = others.handles().get(0);
      process.destroyForcibly();
      process.onExit().get(SECONDS, TimeUnit.SECONDS);
      String message =
          assertThrows(java.io.UncheckedIOException.class, others::compute).getMessage();
      assertTrue(message.contains("has ended"), message);
    }
  }
}
