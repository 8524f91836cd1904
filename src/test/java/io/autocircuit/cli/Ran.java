package io.autocircuit.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What a command line did.
 *
 * @param code its exit code
 * @param out standard output
 * @param err standard error
 */
record Ran(int code, String out, String err) {
  /** No test asks the hub itself. */
  private static final Map<String, String> NO_NETWORK =
      Map.of("HF_HUB_OFFLINE", "1", "HF_HUB_CACHE", "no-cache");

  private static final String EMBEDDED = "/io/autocircuit/datasets/induction/";

  /** Runs a command line; every argument's {@code toString} is a word of it. */
  static Ran command(Object... words) {
    return with(NO_NETWORK, words);
  }

  /** Runs a command line in an environment. */
  static Ran with(Map<String, String> environment, Object... words) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code =
        Main.run(
            Stream.of(words).map(String::valueOf).toArray(String[]::new),
            new PrintWriter(out, true),
            new PrintWriter(err, true),
            environment);
    return new Ran(code, out.toString(), err.toString());
  }

  /** A copy of the embedded model and its prompts, to be spoilt. */
  static Path embeddedCopy(Path directory) throws IOException {
    Files.createDirectories(directory);
    for (String file : new String[] {"config.json", "model.safetensors", "prompts.json"}) {
      Files.write(directory.resolve(file), embedded(file));
    }
    return directory;
  }

  /** A file of the embedded default. */
  static byte[] embedded(String file) {
    try (InputStream in = Ran.class.getResourceAsStream(EMBEDDED + file)) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
