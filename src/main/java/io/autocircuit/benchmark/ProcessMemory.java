package io.autocircuit.benchmark;

import io.autocircuit.tensor.NativeTuning;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Resident memory of this process, by the account of Linux; 0 on other systems. */
final class ProcessMemory {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final int UNIT = 1024;

  private ProcessMemory() {}

  /**
   * How much more memory than now some work takes at its peak.
   *
   * @param work is run once
   * @return bytes; 0 where the system does not tell
   */
  static long peakOf(Runnable work) {
    System.gc(); // else what Java holds now and not later is taken off
    NativeTuning.returnFreedMemory();
    boolean reset = resetPeak();
    long before = resident();
    work.run();
    return reset ? Math.max(0, peak() - before) : 0;
  }

  /** Bytes that are resident now. */
  static long resident() {
    return status("VmRSS:");
  }

  /** Bytes that were resident at the peak since {@link #resetPeak}. */
  static long peak() {
    return status("VmHWM:");
  }

  /**
   * Writing 5 resets the peak of resident memory to what is resident now.
   *
   * @return whether it could be; else the peak is that of all that came before
   */
  static boolean resetPeak() {
    try {
      Files.writeString(Path.of("/proc/self/clear_refs"), "5");
      return true;
    } catch (IOException notLinuxOrNotAllowed) {
      return false;
    }
  }

  private static long status(String field) {
    try (Stream<String> lines = Files.lines(STATUS)) {
      return lines
              .filter(l -> l.startsWith(field))
              .mapToLong(l -> Long.parseLong(l.replaceAll("\\D", "")))
              .findFirst()
              .orElse(0)
          * UNIT;
    } catch (IOException notLinux) {
      return 0;
    }
  }
}
