package io.autocircuit.kernels;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Programs that tests of the kernels start: compilers, and what they made. */
final class Programs {
  private static final int SHOWN = 4000;

  private Programs() {}

  /** Whether a program is there and ends with 0; what it prints is thrown away. */
  static boolean run(String... command) throws InterruptedException {
    try {
      return new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) {
      return false;
    }
  }

  /** The beginning of what a program printed, for a message. */
  static String printed(Path log) {
    try {
      String text = Files.readString(log);
      return text.substring(0, Math.min(text.length(), SHOWN));
    } catch (IOException e) {
      return e.toString();
    }
  }
}
