package io.autocircuit.experiment;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/** What a store records of the machine. */
final class ThisMachine {
  private ThisMachine() {}

  /** The name of this host; of a container, its own. */
  static String host() {
    return line(Path.of("/proc/sys/kernel/hostname"))
        .or(() -> Optional.ofNullable(System.getenv("HOSTNAME")))
        .or(() -> Optional.ofNullable(System.getenv("COMPUTERNAME")))
        .filter(name -> !name.isBlank())
        .orElse("localhost");
  }

  static String system() {
    return System.getProperty("os.name")
        + " "
        + System.getProperty("os.version")
        + " "
        + System.getProperty("os.arch");
  }

  /** The name of the processor; of its kind where the system does not tell. */
  static String processor() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(l -> l.toLowerCase(Locale.ROOT).startsWith("model name"))
          .map(l -> l.substring(l.indexOf(':') + 1).strip())
          .findFirst()
          .orElse(System.getProperty("os.arch"));
    } catch (IOException | java.io.UncheckedIOException e) {
      return System.getProperty("os.arch");
    }
  }

  private static Optional<String> line(Path file) {
    try {
      return Optional.of(Files.readString(file).strip());
    } catch (IOException e) {
      return Optional.empty();
    }
  }
}
