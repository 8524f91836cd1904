package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.metric.Metric;
import io.autocircuit.patch.Ablation;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.prune.PruneContext;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.Task;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What docs/extending.md adds is compiled as it stands there, registered, and works. */
@Tag("slow")
class ExtendingTest {
  private static final Path PAGE = Path.of(System.getProperty("basedir", ""), "docs/extending.md");

  /** The classes and services of the page: what a jar would hold. */
  @TempDir static Path jar;

  @TempDir Path folder;

  private static List<String> blocks(String language) throws IOException {
    Matcher blocks =
        Pattern.compile("(?ms)^```" + language + "\\R(.*?)^```").matcher(Files.readString(PAGE));
    return blocks.results().map((MatchResult r) -> r.group(1)).toList();
  }

  @BeforeAll
  static void compile() throws IOException {
    List<String> words =
        new java.util.ArrayList<>(
            List.of(
                "-Xlint:all,-path,-try",
                "-Werror",
                "-proc:none",
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                "-d",
                jar.toString()));
    for (String source : blocks("java")) {
      Matcher name = Pattern.compile("public final class (\\w+)").matcher(source);
      assertTrue(name.find(), source);
      words.add(Files.writeString(jar.resolve(name.group(1) + ".java"), source).toString());
    }
    ByteArrayOutputStream messages = new ByteArrayOutputStream();
    int failed =
        ToolProvider.getSystemJavaCompiler()
            .run(null, messages, messages, words.toArray(String[]::new));
    assertEquals(0, failed, messages::toString);
    for (String line : blocks("text")) {
      String[] parts = line.strip().split(": ", -1);
      Path file = jar.resolve(parts[0]);
      Files.createDirectories(file.getParent());
      Files.writeString(file, parts[1] + "\n");
    }
  }

  /** With the jar on the class path, as far as this thread is concerned. */
  private static <T> T withJar(Callable<T> work) throws Exception {
    Thread thread = Thread.currentThread();
    ClassLoader before = thread.getContextClassLoader();
    try (URLClassLoader loader = new URLClassLoader(new URL[] {jar.toUri().toURL()}, before)) {
      thread.setContextClassLoader(loader);
      return work.call();
    } finally {
      thread.setContextClassLoader(before);
    }
  }

  private static Object[] words(Path out, Object... more) {
    return java.util.stream.Stream.concat(
            java.util.stream.Stream.of(
                "discover",
                "--out",
                out,
                "--algorithm",
                "displacement",
                "--metrics",
                "kl_div,entropy",
                "--ablation",
                "half_mean",
                "--edges",
                "0,9,all"),
            java.util.stream.Stream.of(more))
        .toArray();
  }

  @Test
  void whatAJarAddsIsAnOptionAndListed() throws Exception {
    Ran help = withJar(() -> Ran.command("discover", "--help"));
    assertTrue(
        help.out().replaceAll("\\s+", " ").contains("ground-truth, displacement"), help::out);
    assertTrue(
        help.out().replaceAll("\\s+", " ").contains("displacement: the distance is raised to it"),
        help::out);
    assertTrue(help.out().lines().allMatch(l -> l.length() <= 80), help::out);
    for (String[] what :
        new String[][] {
          {"algorithms", "displacement"},
          {"metrics", "entropy"},
          {"ablations", "half_mean"},
          {"tasks", "fresh_induction"}
        }) {
      Ran list = withJar(() -> Ran.command("list", what[0]));
      assertTrue(list.out().lines().anyMatch(l -> l.startsWith(what[1] + " ")), list::out);
      JsonNode json =
          new ObjectMapper().readTree(withJar(() -> Ran.command("list", what[0], "--json")).out());
      assertEquals(what[1], json.get(json.size() - 1).get("key").asText());
      assertFalse(Ran.command("list", what[0]).out().contains(what[1]), "nothing stays behind");
    }
  }

  @Test
  void discoverRunsThemAndRecordsTheirSettings() throws Exception {
    Path out = folder.resolve("out");
    Ran ran = withJar(() -> Ran.command(words(out, "--power", "2")));
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().contains("Displacement (power 2.0)"), ran::out);
    assertTrue(ran.out().contains("entropy"), "the curve has it: " + ran.out());
    Results results = Results.read(out);
    JsonNode measured = results.measurements();
    assertEquals("displacement", measured.get("algorithm").asText());
    assertEquals("{\"power\":2.0}", measured.get("settings").toString());
    assertEquals("half_mean", measured.get("ablation").asText());
    assertEquals(3, results.metric("entropy").size());
    String report = Files.readString(out.resolve("report.html"));
    assertTrue(report.contains("Entropy of the outputs"), "its curve is in the report");
    assertTrue(report.contains("half_mean"), "its ablation is in the report");
    assertTrue(
        Pattern.compile("power</t[hd]>\\s*<td>2<").matcher(report).find(),
        "its setting is in the report");

    Path one = folder.resolve("one");
    withJar(() -> Ran.command(words(one)));
    double first = results.scores().get(results.best(1).get(0));
    assertEquals(
        first, Math.pow(Results.read(one).scores().get(results.best(1).get(0)), 2), 1e-4 * first);

    Path again = folder.resolve("again");
    Ran repeated =
        withJar(() -> Ran.command("discover", "--run", out.resolve("run.json"), "--out", again));
    assertEquals(0, repeated.code(), repeated::err);
    assertEquals(
        Files.readString(out.resolve("edges.json")), Files.readString(again.resolve("edges.json")));
    assertEquals(
        results.measurements().get("metrics"), Results.read(again).measurements().get("metrics"));
  }

  @Test
  void aTaskOfAJarRunsAndIsRepeated() throws Exception {
    Path out = folder.resolve("out");
    Ran ran =
        withJar(
            () ->
                Ran.command(
                    "discover",
                    "--out",
                    out,
                    "--task",
                    "fresh_induction",
                    "--prompt-length",
                    12,
                    "--edges",
                    "0,9,all"));
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().contains("prompts: 24 from induction"), ran::out);
    JsonNode run = new ObjectMapper().readTree(Files.readString(out.resolve("run.json")));
    assertEquals("fresh_induction", run.at("/model/task").asText());
    assertEquals(12, run.at("/prompts/settings/prompt_length").asInt());
    assertEquals("none", run.at("/model/sha256").asText());
    Path again = folder.resolve("again");
    Ran repeated =
        withJar(() -> Ran.command("discover", "--run", out.resolve("run.json"), "--out", again));
    assertEquals(0, repeated.code(), repeated::err);
    assertEquals(
        Files.readString(out.resolve("edges.json")), Files.readString(again.resolve("edges.json")));
    Path longer = folder.resolve("longer");
    withJar(
        () -> Ran.command("discover", "--out", longer, "--task", "Fresh_Induction", "--edges", 9));
    assertNotEquals(
        Files.readString(out.resolve("edges.json")),
        Files.readString(longer.resolve("edges.json")));
    Ran wrong =
        withJar(() -> Ran.command("discover", "--task", "fresh_induction", "--prompt-length", 5));
    assertEquals(2, wrong.code());
    assertTrue(
        wrong.err().contains("--prompt-length=5 is out of range; give a whole number from 6"),
        wrong::err);
    Ran unused =
        withJar(() -> Ran.command("discover", "--out", longer, "--prompt-length", 8, "--edges", 9));
    assertTrue(
        unused
            .out()
            .contains("--prompt-length has no effect on induction; it belongs to fresh_induction"),
        unused::out);
    Ran without = Ran.command("discover", "--run", out.resolve("run.json"), "--out", again);
    assertEquals(1, without.code());
    assertTrue(without.err().contains("unknown task \"fresh_induction\""), without::err);
  }

  @Test
  void settingsAndNamesAreChecked() throws Exception {
    Path out = folder.resolve("out");
    Ran wrong = withJar(() -> Ran.command(words(out, "--power", "0")));
    assertEquals(2, wrong.code());
    assertTrue(
        wrong.err().contains("--power=0 is out of range; give a number above 0"), wrong.err());
    Ran unused =
        withJar(() -> Ran.command("discover", "--out", out, "--power", "2", "--edges", "9"));
    assertEquals(0, unused.code(), unused::err);
    assertTrue(
        unused.out().contains("note: --power has no effect on eap; it belongs to displacement"),
        unused::out);
    Ran without = Ran.command(words(out));
    assertEquals(2, without.code());
    assertTrue(without.err().contains("unknown algorithm \"displacement\""), without::err);
    Ran repeated = Ran.command("discover", "--metrics", "entropy", "--out", out);
    assertTrue(repeated.err().contains("unknown metric \"entropy\""), repeated::err);
  }

  @Test
  void theJavaApiTakesThemAsTheyAre() throws Exception {
    withJar(
        () -> {
          PruneAlgorithmProvider entry = PruneAlgorithmProvider.catalogue().get("displacement");
          PruneAlgorithm algorithm =
              entry.create(
                  Settings.of(entry.settings(), Map.of("power", 1)), PruneContext.STANDARD);
          Metric metric = Metric.of("Entropy");
          Ablation ablation = Ablation.of("half_mean");
          try (Task task =
              new Task(
                  EmbeddedTask.model(null, ScalarType.Double),
                  Task.tokenize(EmbeddedTask.prompts(), null, BosPolicy.AUTO))) {
            Discovery.Result result =
                Discovery.builder(task, algorithm)
                    .ablation(ablation)
                    .metrics(List.of(metric, Metric.KL_DIV))
                    .build()
                    .run();
            assertEquals(
                List.of(metric, Metric.KL_DIV),
                result.measurements().stream().map(m -> m.metric()).toList());
            Discovery.Result mean =
                Discovery.builder(task, algorithm)
                    .ablation(Ablation.TOKENWISE_MEAN_CLEAN)
                    .metrics(List.of(Metric.KL_DIV))
                    .build()
                    .run();
            double half = result.measurements().get(1).points().get(0).value();
            double whole = mean.measurements().get(0).points().get(0).value();
            assertNotEquals(half, whole, 1e-6, "ablating to half of the mean is something else");
          }
          return null;
        });
  }
}
