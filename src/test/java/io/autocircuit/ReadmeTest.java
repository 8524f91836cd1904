package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.PromptDataset;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What README.md shows works as it stands there. */
@Tag("slow")
class ReadmeTest {
  private static final Path README = Path.of("README.md");
  private static final int LONGEST_EXAMPLE = 15;
  private static final String EMBEDDED = "/io/autocircuit/datasets/induction/";

  @TempDir Path folder;

  private static String only(String language) throws IOException {
    Matcher blocks =
        Pattern.compile("(?ms)^```" + language + "\\R(.*?)^```").matcher(Files.readString(README));
    List<String> found = blocks.results().map((MatchResult r) -> r.group(1)).toList();
    assertEquals(1, found.size(), language + " blocks in README.md");
    return found.get(0);
  }

  @Test
  void theJavaExampleCompilesAndRuns() throws Exception {
    String example = only("java");
    assertTrue(example.lines().count() <= LONGEST_EXAMPLE, example);
    Matcher name = Pattern.compile("class (\\w+)").matcher(example);
    assertTrue(name.find(), example);
    Path source = Files.writeString(folder.resolve(name.group(1) + ".java"), example);
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    ByteArrayOutputStream messages = new ByteArrayOutputStream();
    int failed =
        compiler.run(
            null,
            messages,
            messages,
            "-Xlint:all",
            "-proc:none",
            "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            "-d",
            folder.toString(),
            source.toString());
    assertEquals(0, failed, messages::toString);

    Path model = Files.createDirectory(folder.resolve("model"));
    for (String file : List.of("config.json", "model.safetensors", "prompts.json")) {
      try (InputStream in = ReadmeTest.class.getResourceAsStream(EMBEDDED + file)) {
        Files.copy(in, model.resolve(file));
      }
    }
    Path out = folder.resolve("out");
    PrintStream before = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (URLClassLoader loader = new URLClassLoader(new URL[] {folder.toUri().toURL()})) {
      System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
      loader
          .loadClass(name.group(1))
          .getMethod("main", String[].class)
          .invoke(
              null,
              (Object)
                  new String[] {
                    model.toString(), model.resolve("prompts.json").toString(), out.toString()
                  });
    } finally {
      System.setOut(before);
    }
    String text = printed.toString(StandardCharsets.UTF_8);
    assertTrue(text.contains("A1.1->Resid End"), text);
    for (String file :
        List.of("scores.safetensors", "edges.json", "measurements.json", "report.html")) {
      assertTrue(Files.size(out.resolve(file)) > 100, file);
    }
  }

  @Test
  void thePromptFileIsOne() throws IOException {
    PromptDataset prompts = PromptDataset.parse(only("json"), "README.md");
    assertTrue(prompts.prompts().size() > 0);
  }

  @Test
  void linksLeadToFiles() throws IOException {
    Matcher links =
        Pattern.compile("\\]\\((?!https?:|#)([^)#]+)[^)]*\\)").matcher(Files.readString(README));
    int count = 0;
    while (links.find()) {
      assertTrue(Files.exists(Path.of(links.group(1))), links.group(1));
      count++;
    }
    assertTrue(count > 3, "links=" + count);
  }
}
