package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.BosPolicy;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.graph.EdgeCounts;
import io.autocircuit.patch.Progress;
import io.autocircuit.prune.Acdc;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.Task;
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
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.tools.ToolProvider;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What docs/embedding.md shows compiles and runs, as one program. */
@Tag("slow")
class EmbeddingDocTest {
  private static final String EMBEDDED = "/io/autocircuit/datasets/induction/";
  private static final List<String> PACKAGES =
      List.of(
          "io.autocircuit.catalogue.Source",
          "io.autocircuit.data.*",
          "io.autocircuit.experiment.*",
          "io.autocircuit.graph.*",
          "io.autocircuit.metric.*",
          "io.autocircuit.patch.*",
          "io.autocircuit.prune.*",
          "io.autocircuit.task.Task",
          "io.autocircuit.tensor.*",
          "java.nio.file.Path",
          "java.util.*",
          "java.util.concurrent.*",
          "java.util.concurrent.atomic.*",
          "org.bytedeco.pytorch.Tensor");

  @TempDir Path folder;

  @Test
  void theBlocksAreOneProgram() throws Exception {
    Matcher blocks =
        Pattern.compile("(?ms)^```java\\R(.*?)^```")
            .matcher(Files.readString(Path.of("docs/embedding.md")));
    List<String> found = blocks.results().map(m -> m.group(1)).toList();
    assertEquals(12, found.size(), "blocks");
    String program =
        PACKAGES.stream().map(p -> "import " + p + ";\n").collect(Collectors.joining())
            + "public class Embedding {\n"
            + "  public static void run(Path modelDirectory, Path promptFile) throws Exception {\n"
            + String.join("\n", found)
            + "  }\n}\n";
    Path source = Files.writeString(folder.resolve("Embedding.java"), program);
    ByteArrayOutputStream messages = new ByteArrayOutputStream();
    int failed =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                messages,
                messages,
                "-Xlint:all,-try",
                "-proc:none",
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                "-d",
                folder.toString(),
                source.toString());
    assertEquals(0, failed, messages::toString);

    Path model = Files.createDirectory(folder.resolve("model"));
    for (String file : List.of("config.json", "model.safetensors", "prompts.json")) {
      try (InputStream in = EmbeddingDocTest.class.getResourceAsStream(EMBEDDED + file)) {
        Files.copy(in, model.resolve(file));
      }
    }
    PrintStream before = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (URLClassLoader loader = new URLClassLoader(new URL[] {folder.toUri().toURL()})) {
      System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
      loader
          .loadClass("Embedding")
          .getMethod("run", Path.class, Path.class)
          .invoke(null, model, model.resolve("prompts.json"));
    } finally {
      System.setOut(before);
    }
    String text = printed.toString(StandardCharsets.UTF_8);
    assertTrue(text.contains("2 edges: "), text);
    assertTrue(text.contains("gradient passes"), text);
    assertTrue(text.contains("3 cells were run, 0 failed"), text);
    assertTrue(text.contains("circuit runs"), text);
  }

  /** Whatever is running ends at its next step, and the task can be used again. */
  @Test
  void aCancelledComputationLeavesNothing() throws IOException {
    try (Task task =
        new Task(
            EmbeddedTask.model(null, ScalarType.Float),
            Task.tokenize(EmbeddedTask.prompts(), null, BosPolicy.AUTO))) {
      for (int threads : new int[] {1, 2}) {
        for (PruneAlgorithm algorithm : List.of(MaskGradient.eap(), Acdc.kl(0.01))) {
          Discovery discovery =
              Discovery.builder(task, algorithm)
                  .sizes(EdgeCounts.exactly(0, 5, 20))
                  .threads(threads)
                  .build();
          AtomicInteger steps = new AtomicInteger();
          float[] want =
              discovery.run((what, done, total) -> steps.incrementAndGet()).scores().values();
          for (int most : new int[] {0, 1, steps.get() / 2, steps.get() - 1}) {
            AtomicInteger told = new AtomicInteger();
            Progress progress =
                Progress.cancellable(
                    (what, done, total) -> told.incrementAndGet(), () -> told.get() >= most);
            assertThrows(CancellationException.class, () -> discovery.run(progress));
          }
          assertArrayEquals(want, discovery.run().scores().values());
        }
      }
    }
  }

  /** The interruption of the thread that waits can be what cancels. */
  @Test
  void anInterruptedThreadStops() throws Exception {
    try (Task task =
        new Task(
            EmbeddedTask.model(null, ScalarType.Float),
            Task.tokenize(EmbeddedTask.prompts(), null, BosPolicy.AUTO))) {
      Thread caller = Thread.currentThread();
      Discovery discovery = Discovery.builder(task, MaskGradient.eap()).threads(2).build();
      caller.interrupt();
      try {
        assertThrows(
            CancellationException.class,
            () -> discovery.run(Progress.cancellable(Progress.SILENT, caller::isInterrupted)));
        assertTrue(caller.isInterrupted(), "still");
      } finally {
        Thread.interrupted();
      }
    }
  }
}
