package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.hub.FakeHub;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Names of the hub on the command line. */
class ModelsCommandTest {
  @TempDir Path folder;

  private Path cache;
  private FakeHub server;
  private Map<String, String> environment;

  @BeforeEach
  void start() throws IOException {
    cache = folder.resolve("cache");
    Map<String, byte[]> files = new LinkedHashMap<>();
    for (String file : List.of("config.json", "model.safetensors")) {
      files.put(file, Ran.embedded(file));
    }
    server = new FakeHub().model("org/induction", files);
    environment = server.environment(cache);
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private Ran models(Object... words) {
    Object[] all = new Object[words.length + 1];
    all[0] = "models";
    System.arraycopy(words, 0, all, 1, words.length);
    return Ran.with(environment, all);
  }

  private Path snapshot() {
    return cache.resolve("models--org--induction/snapshots").resolve(FakeHub.COMMIT);
  }

  private static void assertContains(String text, String... parts) {
    for (String part : parts) {
      assertTrue(text.contains(part), () -> text + "\nlacks " + part);
    }
  }

  @Test
  void aModelComesAndGoes() throws IOException {
    assertEquals(
        new Ran(0, "cache: " + cache + "\nno models; 'models fetch NAME' downloads one\n", ""),
        models("list"));
    assertEquals(
        new Ran(0, "org/induction@" + FakeHub.COMMIT + ": " + snapshot() + "\n", ""),
        models("fetch", "org/induction"));
    assertContains(
        models("list").out(), "org/induction  main 0123456", "  complete\n", "1 model, ");
    JsonNode json = new ObjectMapper().readTree(models("list", "--json").out());
    JsonNode revision = json.at("/models/0/revisions/0");
    assertEquals(FakeHub.COMMIT, revision.path("commit").asText());
    assertEquals(snapshot().toString(), revision.path("directory").asText());
    assertTrue(revision.path("lacks").isNull());
    assertContains(models("verify").out(), ": 2 files, ", "all as they should be");
    Files.writeString(snapshot().resolve("config.json"), "{}");
    Ran damaged = models("verify", "org/induction");
    assertEquals(1, damaged.code());
    assertContains(
        damaged.out(),
        "org/induction: config.json is damaged",
        "1 damaged or missing; 'models verify --drop org/induction', then 'models fetch"
            + " org/induction'");
    assertEquals(1, models("verify", "--drop", "org/induction").code());
    assertEquals(0, models("fetch", "org/induction").code());
    assertEquals(0, models("verify", "org/induction@main").code());
    assertContains(models("remove", "org/induction").out(), "removed org/induction: ", "KiB");
    assertContains(models("list").out(), "no models");
  }

  @Test
  void whatIsWrongIsOneLine() {
    Ran none = models("fetch", "org/none");
    assertEquals(1, none.code());
    assertContains(
        none.err(), "autocircuit: model=org/none is not at " + server.address() + ", or not for");
    assertEquals(1, none.err().lines().count());
    assertContains(
        models("fetch", "../x").err(), "model=\"../x\" is no name of the Hugging Face hub; give");
    assertEquals(2, models("fetch").code());
    assertEquals(2, models("remove").code());
    Ran bare = models();
    assertEquals(2, bare.code());
    assertContains(bare.err(), "commands: models list, models fetch, models verify, models remove");
    environment.put("HF_HUB_OFFLINE", "1");
    assertContains(models("fetch", "org/induction").err(), "HF_HUB_OFFLINE is set");
    environment.put("HF_ENDPOINT", "nowhere");
    assertContains(models("list").err(), "HF_ENDPOINT=\"nowhere\" is no address");
  }

  private Ran discover(Path out, Object... more) throws IOException {
    Path prompts = folder.resolve("prompts.json");
    Files.write(prompts, Ran.embedded("prompts.json"));
    Object[] words = {"discover", "--out", out, "--dataset", prompts, "--edges", "0,8,all"};
    Object[] all = java.util.Arrays.copyOf(words, words.length + more.length);
    System.arraycopy(more, 0, all, words.length, more.length);
    return Ran.with(environment, all);
  }

  private static JsonNode run(Path out) throws IOException {
    return new ObjectMapper().readTree(out.resolve("measurements.json").toFile()).path("run");
  }

  @Test
  void aNameIsAsGoodAsItsDirectory() throws IOException {
    Ran named = discover(folder.resolve("named"), "--model", "org/induction");
    assertEquals(0, named.code(), named.err());
    assertEquals("", named.err());
    assertContains(named.out(), "model: induction (");
    assertEquals(0, discover(folder.resolve("plain"), "--model", snapshot()).code());
    Path copy = Ran.embeddedCopy(folder.resolve("copy"));
    assertEquals(0, discover(folder.resolve("copied"), "--model", copy).code());
    assertEquals(run(folder.resolve("copied")), run(folder.resolve("named")), "the same run");
    assertEquals(run(folder.resolve("copied")), run(folder.resolve("plain")));
    // where the model is gone, or on another machine, its name is in the path
    models("remove", "org/induction");
    Ran again =
        Ran.with(
            environment,
            "discover",
            "--run",
            folder.resolve("named").resolve("run.json"),
            "--out",
            folder.resolve("again"));
    assertEquals(0, again.code(), again.err());
    assertEquals(run(folder.resolve("named")), run(folder.resolve("again")));
    assertTrue(Files.exists(snapshot()), "downloaded again");
  }

  @Test
  void whereNothingAnswersTheCacheIsTakenWithANote() throws IOException {
    models("fetch", "org/induction");
    server.close();
    environment.put("HF_HUB_ETAG_TIMEOUT", "1");
    Ran ran = discover(folder.resolve("out"), "--model", "org/induction");
    assertEquals(0, ran.code(), ran.err());
    assertContains(ran.err(), "note: the hub was not asked for a newer version of org/induction");
    environment.put("HF_HUB_OFFLINE", "1");
    assertEquals("", discover(folder.resolve("out"), "--model", "org/induction").err());
    Ran missing = discover(folder.resolve("out"), "--model", "org/other");
    assertEquals(1, missing.code());
    assertContains(missing.err(), "model=org/other is not in cache=");
  }

  @Test
  void otherCommandsTakeNamesToo() throws IOException {
    Path prompts = folder.resolve("prompts.json");
    Files.write(prompts, Ran.embedded("prompts.json"));
    Ran check = Ran.with(environment, "dataset", "check", prompts, "--model", "org/induction");
    assertEquals(0, check.code(), check.err());
    Path file = folder.resolve("experiment.yaml");
    Files.writeString(
        file,
        "title: Named\n"
            + "tasks:\n"
            + "  - {name: named, model: org/induction, dataset: "
            + prompts
            + "}\n"
            + "algorithms: [random]\n"
            + "edges: [0, all]\n");
    Ran ran = Ran.with(environment, "experiment", file, "--out", folder.resolve("x"), "--no-pages");
    assertEquals(0, ran.code(), ran.err() + ran.out());
    assertTrue(Files.exists(snapshot()));
    assertEquals(
        2,
        server.addresses().stream().filter(a -> a.startsWith("/api")).count(),
        "once for each command");
  }
}
