package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.experiment.ExperimentSpec;
import io.autocircuit.files.DataException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** The commands and experiment files that the documentation shows are ones that are understood. */
class DocumentationTest {
  private static final Pattern COMMAND =
      Pattern.compile(
          "(?m)^(?:    |\\$ )?(?:[A-Z_]+=\\S* )*(?:autocircuit|java -jar \\S*autocircuit\\.jar)"
              + " ([a-z][^\\n]*)$");

  private static final Pattern INLINE = Pattern.compile("`autocircuit ([a-z]+ [^`\\n]*)`");
  private static final Pattern WORD = Pattern.compile("'([^']*)'|\"([^\"]*)\"|(\\S+)");
  private static final Pattern YAML = Pattern.compile("(?ms)^```yaml\\n(.*?)^```$");

  private static List<Path> pages() throws IOException {
    try (Stream<Path> docs = Files.walk(Path.of("docs"))) {
      return Stream.concat(
              Stream.of(Path.of("README.md")),
              docs.filter(p -> p.toString().endsWith(".md") && !p.toString().contains("adr")))
          .sorted()
          .toList();
    }
  }

  @Test
  void everyCommandIsUnderstood() throws IOException {
    List<String> wrong = new ArrayList<>();
    int count = 0;
    for (Path page : pages()) {
      String text = Files.readString(page);
      for (Pattern pattern : List.of(COMMAND, INLINE)) {
        Matcher command = pattern.matcher(text);
        while (command.find()) {
          String[] words = words(command.group(1));
          count++;
          try {
            Main.line(words, quiet(), quiet(), Map.of()).parseArgs(words);
          } catch (CommandLine.ParameterException e) {
            wrong.add(page + ": " + command.group(1) + ": " + e.getMessage());
          }
        }
      }
    }
    assertEquals(List.of(), wrong);
    assertTrue(count > 50, "commands=" + count);
  }

  /** Words of one command, without comments and brackets; numbers in place of single capitals. */
  private static String[] words(String command) {
    String own =
        command
            .replaceFirst(" [#|>&].*$", "")
            .replaceFirst(" +\\(.*\\)$", "")
            .replaceAll("[\\[\\]]", "");
    return WORD.matcher(own)
        .results()
        .map(m -> m.group(1) != null ? m.group(1) : m.group(2) != null ? m.group(2) : m.group(3))
        .map(w -> w.replaceFirst("^(--[a-z-]+=)?[A-Z]$", "$15"))
        .toArray(String[]::new);
  }

  private static PrintWriter quiet() {
    return new PrintWriter(Writer.nullWriter());
  }

  @Test
  void everyExperimentFileIsOne() throws IOException {
    List<String> wrong = new ArrayList<>();
    int count = 0;
    for (Path page : pages()) {
      Matcher yaml = YAML.matcher(Files.readString(page));
      while (yaml.find()) {
        if (yaml.group(1).contains("tasks:")) {
          count++;
          try {
            ExperimentSpec.parse(yaml.group(1), page.toString(), Path.of(""));
          } catch (DataException e) {
            wrong.add(e.getMessage());
          }
        }
      }
    }
    assertEquals(List.of(), wrong);
    assertTrue(count >= 3, "files=" + count);
  }
}
