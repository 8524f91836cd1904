package io.autocircuit.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Forked;
import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a hub that keeps to the published interface gives, and what lies in the cache then. */
class HubTest {
  static final byte[] WEIGHTS = FakeHub.much(300_000);
  private static final HubId ID = HubId.parse("org/tiny");

  @TempDir Path folder;

  private Path cache;
  private FakeHub server;

  @BeforeEach
  void start() throws IOException {
    cache = folder.resolve("cache");
    server = new FakeHub().model("org/tiny", files());
  }

  @AfterEach
  void stop() {
    server.close();
  }

  /** A model with more files than are needed. */
  static Map<String, byte[]> files() {
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put(".gitattributes", FakeHub.bytes("*.bin filter=lfs"));
    files.put("README.md", FakeHub.bytes("# A model"));
    files.put("config.json", FakeHub.bytes("{\"model_type\": \"gpt2\"}"));
    files.put("flax_model.msgpack", FakeHub.bytes("flax"));
    files.put("model.safetensors", WEIGHTS);
    files.put("onnx/model.safetensors", FakeHub.bytes("another"));
    files.put("pytorch_model.bin", FakeHub.bytes("pickle"));
    files.put("tokenizer.json", FakeHub.bytes("{}"));
    files.put("tokenizer_config.json", FakeHub.bytes("{\"a\": 1}"));
    return files;
  }

  private Hub hub() {
    return server.hub(cache);
  }

  private static String message(Runnable action) {
    return assertThrows(DataException.class, action::run).getMessage();
  }

  private static void assertContains(String text, String... parts) {
    for (String part : parts) {
      assertTrue(text.contains(part), () -> text + "\nlacks " + part);
    }
  }

  private List<String> names(Path directory) {
    return HubCache.below(directory).stream()
        .map(p -> directory.relativize(p).toString().replace('\\', '/'))
        .toList();
  }

  @Test
  void onlyWhatIsNeededIsDownloaded() throws IOException {
    HubModel model = hub().find(ID);
    assertEquals(FakeHub.COMMIT, model.commit());
    assertEquals(List.of(), model.notices());
    assertEquals(
        cache.resolve("models--org--tiny").resolve("snapshots").resolve(FakeHub.COMMIT),
        model.directory());
    assertEquals(
        List.of("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
        names(model.directory()));
    assertArrayEquals(WEIGHTS, Files.readAllBytes(model.directory().resolve("model.safetensors")));
    String start = "/org/tiny/resolve/" + FakeHub.COMMIT + "/";
    assertEquals(
        List.of(
            "/api/models/org/tiny/revision/main?blobs=true",
            start + "tokenizer.json",
            start + "tokenizer_config.json",
            start + "model.safetensors",
            start + "config.json"),
        server.addresses());
  }

  @Test
  void theCacheHasThePublishedLayout() throws IOException {
    Path snapshot = hub().find(ID).directory();
    Path model = cache.resolve("models--org--tiny");
    assertEquals(FakeHub.COMMIT, Files.readString(model.resolve("refs").resolve("main")));
    TreeSet<String> blobs = new TreeSet<>();
    for (String name : names(snapshot)) {
      HubHash hash = FakeHub.hash(name, files().get(name));
      blobs.add(hash.digits());
      assertEquals(
          Path.of("..", "..", "blobs", hash.digits()),
          Files.readSymbolicLink(snapshot.resolve(name)));
    }
    assertEquals(new ArrayList<>(blobs), names(model.resolve("blobs")));
    // what sha256sum and git hash-object print
    assertEquals(
        "9e26dfeeb6e641a33dae4961196235bdb965b21b",
        FakeHub.hash("a", FakeHub.bytes("{}")).digits());
    assertEquals(
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        FakeHub.hash("a.bin", FakeHub.bytes("abc")).digits());
    assertTrue(
        Files.isRegularFile(
            cache.resolve(".locks").resolve("models--org--tiny").resolve("autocircuit.lock")));
  }

  @Test
  void whatIsThereIsNotAskedForAgain() {
    hub().find(ID);
    server.asked();
    assertEquals(FakeHub.COMMIT, hub().find(ID).commit());
    assertEquals(List.of("/api/models/org/tiny/revision/main?blobs=true"), server.addresses());
    hub().find(ID.at(FakeHub.COMMIT));
    assertEquals(List.of(), server.addresses(), "a commit never changes");
    new Hub(hub().settings().withoutNetwork(), HubProgress.SILENT).find(ID);
    assertEquals(List.of(), server.addresses(), "offline");
  }

  @Test
  void aModelWithoutTokenizerIsNotAskedForOneAgain() throws IOException {
    Map<String, byte[]> files = files();
    files.remove("tokenizer.json");
    server.model("org/bare", files);
    HubId bare = HubId.parse("org/bare@" + FakeHub.COMMIT);
    hub().find(bare);
    server.asked();
    Path snapshot = hub().find(bare).directory();
    assertEquals(List.of(), server.addresses());
    assertFalse(Files.exists(snapshot.resolve("tokenizer.json")));
    assertTrue(
        Files.exists(
            cache
                .resolve("models--org--bare")
                .resolve(".no_exist")
                .resolve(FakeHub.COMMIT)
                .resolve("tokenizer.json")));
  }

  /** Writes a cache as the hub's own library does, without what a tokenizer needs. */
  private Path byPython(HubId id, boolean links) throws IOException {
    Path model = cache.resolve(id.folder());
    Path snapshot = Files.createDirectories(model.resolve("snapshots").resolve("b".repeat(40)));
    Path blobs = Files.createDirectories(model.resolve("blobs"));
    Path shared = Files.createDirectories(cache.resolve("blobs").resolve("ab"));
    for (String name : List.of("config.json", "model.safetensors")) {
      byte[] content = files().get(name);
      Path blob = blobs.resolve(FakeHub.hash(name, content).digits());
      if (!links) {
        Files.write(snapshot.resolve(name), content);
      } else if (name.endsWith(".json")) {
        Files.write(blob, content);
        Files.createSymbolicLink(
            snapshot.resolve(name),
            Path.of("..", "..", "blobs", String.valueOf(blob.getFileName())));
      } else { // kept once for all models
        Files.write(shared.resolve("xet"), content);
        Files.createSymbolicLink(blob, Path.of("..", "..", "blobs", "ab", "xet"));
        Files.createSymbolicLink(
            snapshot.resolve(name),
            Path.of("..", "..", "blobs", String.valueOf(blob.getFileName())));
      }
    }
    Files.createDirectories(model.resolve("refs"));
    Files.writeString(model.resolve("refs").resolve("main"), "b".repeat(40));
    return snapshot;
  }

  @Test
  void aCacheThatPythonFilledIsRead() throws IOException {
    for (boolean links : new boolean[] {true, false}) {
      HubId id = HubId.parse("org/python" + links);
      Path snapshot = byPython(id, links);
      HubModel found = new Hub(hub().settings().withoutNetwork(), HubProgress.SILENT).find(id);
      assertEquals(snapshot, found.directory());
      assertArrayEquals(
          WEIGHTS, Files.readAllBytes(found.directory().resolve("model.safetensors")));
    }
    assertEquals(List.of(), server.addresses());
  }

  @Test
  void theNewNameOfAnOldModelWillDo() throws IOException {
    Path snapshot = byPython(HubId.parse("openai-community/gpt2"), true);
    Hub offline = new Hub(hub().settings().withoutNetwork(), HubProgress.SILENT);
    assertEquals(snapshot, offline.find(HubId.parse("gpt2")).directory());
    assertContains(message(() -> offline.find(HubId.parse("gpt2-medium"))), "is not in cache=");
  }

  @Test
  void whereThereIsNoAnswerTheCacheIsTakenWithAWord() throws IOException {
    Path snapshot = byPython(ID, true);
    Map<String, FakeHub.Fault> faults =
        Map.of(
            "HTTP 503",
            FakeHub.status(503, Map.of()),
            "HTTP 429",
            FakeHub.status(429, Map.of("Retry-After", "1")),
            "for everybody",
            FakeHub.status(401, Map.of()),
            "does not answer within 0.4 s",
            server.hang(-1));
    for (Map.Entry<String, FakeHub.Fault> e : faults.entrySet()) {
      server.fault("/main", e.getValue());
      HubModel found = (e.getKey().endsWith("s") ? server.impatient(cache) : hub()).find(ID);
      assertEquals(snapshot, found.directory());
      assertEquals(1, found.notices().size());
      assertContains(found.notices().get(0), e.getKey(), "the one in the cache is used, bbbb");
      assertEquals(1, server.addresses().size(), "asked once");
    }
    server.close();
    HubModel found = hub().find(ID);
    assertContains(found.notices().get(0), "localhost cannot be reached");
  }

  @Test
  void offlineNothingIsAsked() {
    Hub offline = new Hub(hub().settings().withoutNetwork(), HubProgress.SILENT);
    assertContains(
        message(() -> offline.find(ID)),
        "model=org/tiny is not in cache=" + cache + ", and HF_HUB_OFFLINE is set");
    assertContains(message(() -> offline.fetch(ID)), "cannot be fetched: HF_HUB_OFFLINE is set");
    assertEquals(List.of(), server.addresses());
  }

  @Test
  void offlineWhatIsMissingIsNamed() throws IOException {
    Path snapshot = byPython(ID, false);
    Hub offline = new Hub(hub().settings().withoutNetwork(), HubProgress.SILENT);
    Files.move(
        snapshot.resolve("model.safetensors"),
        snapshot.resolve("pytorch_model-00001-of-00002.bin"));
    assertContains(message(() -> offline.find(ID)), "lacks model.safetensors in cache=");
    Files.delete(snapshot.resolve("config.json"));
    assertContains(message(() -> offline.find(ID)), "model=org/tiny lacks config.json in cache=");
  }

  @Test
  void aNewCommitIsDownloadedWithWhatHasChanged() throws IOException {
    byPython(ID, true); // its weights and settings are the same, its commit is another
    server.asked();
    Path snapshot = hub().find(ID).directory();
    assertEquals(FakeHub.COMMIT, snapshot.getFileName().toString());
    assertEquals(
        List.of("main", "tokenizer.json", "tokenizer_config.json"),
        server.addresses().stream()
            .map(a -> a.substring(a.lastIndexOf('/') + 1).replaceFirst("\\?.*", ""))
            .toList());
    assertArrayEquals(WEIGHTS, Files.readAllBytes(snapshot.resolve("model.safetensors")));
  }

  @Test
  void withoutLinksSnapshotsHoldTheFiles() throws IOException {
    Map<String, String> environment = server.environment(cache);
    environment.put("HF_HUB_DISABLE_SYMLINKS", "1");
    Hub hub = new Hub(FakeHub.soon(HubSettings.of(environment)), HubProgress.SILENT);
    Path snapshot = hub.find(ID).directory();
    for (String name : names(snapshot)) {
      assertFalse(Files.isSymbolicLink(snapshot.resolve(name)), name);
      assertArrayEquals(files().get(name), Files.readAllBytes(snapshot.resolve(name)));
    }
    assertEquals(List.of(), names(cache.resolve("models--org--tiny").resolve("blobs")));
    server.asked();
    hub.find(ID);
    assertEquals(1, server.addresses().size());
  }

  @Test
  void shardsAreThoseOfTheIndex() {
    Map<String, byte[]> files = files();
    files.remove("model.safetensors");
    files.put("model-00001-of-00002.safetensors", FakeHub.much(1000));
    files.put("model-00002-of-00002.safetensors", FakeHub.much(2000));
    files.put("other-00002-of-00002.safetensors", FakeHub.much(3000));
    files.put(
        "model.safetensors.index.json",
        FakeHub.bytes(
            "{\"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\","
                + " \"b\": \"model-00002-of-00002.safetensors\","
                + " \"c\": \"model-00001-of-00002.safetensors\"}}"));
    server.model("org/sharded", files);
    assertEquals(
        List.of(
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json",
            "tokenizer_config.json"),
        names(hub().find(HubId.parse("org/sharded")).directory()));
    for (String shard :
        List.of("../../evil.safetensors", "/tmp/x.safetensors", "none.safetensors")) {
      files.put(
          "model.safetensors.index.json",
          FakeHub.bytes("{\"weight_map\": {\"a\": \"" + shard + "\"}}"));
      server.model("org/bad" + shard.length(), files);
      assertContains(
          message(() -> hub().find(HubId.parse("org/bad" + shard.length()))),
          shard.startsWith("none") ? "is not on the hub" : "outside the model's folder");
    }
  }

  @Test
  void weightsThatTorchSavedAreTakenWhereThereAreNoOthers() {
    Map<String, byte[]> files = files();
    files.remove("model.safetensors");
    server.model("org/bin", files);
    assertTrue(names(hub().find(HubId.parse("org/bin")).directory()).contains("pytorch_model.bin"));
    files.remove("pytorch_model.bin");
    files.put("pytorch_model-00001-of-00001.bin", FakeHub.much(1000));
    files.put(
        "pytorch_model.bin.index.json",
        FakeHub.bytes("{\"weight_map\": {\"a\": \"pytorch_model-00001-of-00001.bin\"}}"));
    server.model("org/bins", files);
    assertTrue(
        names(hub().find(HubId.parse("org/bins")).directory())
            .containsAll(
                List.of("pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json")));
  }

  @Test
  void whatCannotBeReadIsSaid() {
    server.model(
        "org/adapter", Map.of("config.json", new byte[0], "adapter_config.json", new byte[0]));
    assertContains(
        message(() -> hub().find(HubId.parse("org/adapter"))), "LoRA", "merge_and_unload");
    server.model("org/empty", Map.of());
    assertContains(
        message(() -> hub().find(HubId.parse("org/empty"))), "has no config.json", "it is empty");
    server.model("org/gguf", Map.of("config.json", new byte[0], "model.gguf", new byte[0]));
    assertContains(
        message(() -> hub().find(HubId.parse("org/gguf"))),
        "has none of model.safetensors, model.sa");
    assertFalse(Files.exists(cache.resolve("models--org--gguf")), "nothing is made for them");
  }

  @Test
  void aServerThatSaysNoSizesIsAskedForEachFile() throws IOException {
    server.says = false;
    Path snapshot = hub().find(ID).directory();
    assertArrayEquals(WEIGHTS, Files.readAllBytes(snapshot.resolve("model.safetensors")));
    assertEquals(
        4, server.asked().stream().filter(a -> a.method().equals("HEAD")).count(), "one a file");
    hub().find(ID);
    assertEquals(1, server.asked().size());
  }

  @Test
  void aBranchOfAPullRequestHasSlashes() throws IOException {
    Path snapshot = hub().find(ID.at("refs/pr/1")).directory();
    assertEquals(FakeHub.COMMIT, snapshot.getFileName().toString());
    assertEquals(
        "/api/models/org/tiny/revision/refs%2Fpr%2F1?blobs=true", server.addresses().get(0));
    assertEquals(
        FakeHub.COMMIT,
        Files.readString(cache.resolve("models--org--tiny").resolve("refs/refs/pr/1")));
  }

  @Test
  void pathsAndNames() throws IOException {
    Path here = Files.createDirectories(folder.resolve("here"));
    assertTrue(hub().named(here).isEmpty(), "a directory wins");
    assertTrue(hub().named(folder.resolve("org")).isEmpty(), "an absolute path is no name");
    assertTrue(hub().named(Path.of("./org/tiny")).isEmpty(), "nor is one of this directory");
    assertEquals(List.of(), server.addresses());
    assertContains(
        message(() -> hub().named(Path.of("org/none"))),
        "no directory=org/none; model=org/none is not at ");
    assertTrue(hub().named(Path.of("org/tiny")).isPresent());
    Path elsewhere =
        Path.of("/gone/models--org--tiny/snapshots/").resolve(FakeHub.COMMIT).toAbsolutePath();
    assertEquals(
        hub().find(ID).directory(),
        hub().named(elsewhere).orElseThrow().directory(),
        "a snapshot of another machine");
  }

  @Test
  void progressIsTold() {
    List<String> heard = new ArrayList<>();
    new Hub(hub().settings(), (what, done, total) -> heard.add(what + " " + done + "/" + total))
        .find(ID);
    assertTrue(heard.contains("model.safetensors 300000/300000"), heard.toString());
    assertTrue(heard.contains("config.json 0/22"), heard.toString());
  }

  /** A process that finds a model. */
  static final class Finds {
    private Finds() {}

    public static void main(String[] names) {
      System.out.println(Hub.standard().find(HubId.parse(names[0])).directory());
    }
  }

  @Test
  void twoProcessesDownloadOnce() throws Exception {
    CountDownLatch both = new CountDownLatch(2);
    FakeHub.Fault slow =
        (exchange, content) -> {
          try {
            both.await(60, TimeUnit.SECONDS); // the other one has asked too
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          FakeHub.instead(content, true).answer(exchange, content);
        };
    server.fault("/tokenizer.json", slow);
    server.heard(
        asked -> {
          if (asked.address().startsWith("/api")) {
            both.countDown();
          }
        });
    ExecutorService threads = Executors.newFixedThreadPool(2);
    try {
      List<Future<List<String>>> found = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        Path log = folder.resolve("log" + i);
        found.add(
            threads.submit(
                () ->
                    Forked.run(
                        log,
                        List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                        server.environment(cache),
                        Finds.class,
                        "org/tiny")));
      }
      for (Future<List<String>> f : found) {
        List<String> lines = f.get();
        assertEquals(
            cache.resolve("models--org--tiny/snapshots/" + FakeHub.COMMIT).toString(),
            lines.get(lines.size() - 1));
      }
    } finally {
      threads.shutdownNow();
    }
    List<String> addresses = server.addresses();
    for (String name : List.of("tokenizer.json", "model.safetensors", "config.json")) {
      assertEquals(1, addresses.stream().filter(a -> a.endsWith("/" + name)).count(), name);
    }
  }

  @Test
  void severalAtOnceDownloadOnce() {
    List<HubModel> all =
        Stream.generate(this::hub).limit(4).toList().parallelStream().map(h -> h.find(ID)).toList();
    assertEquals(1, all.stream().map(HubModel::directory).distinct().count());
    assertEquals(
        1, server.addresses().stream().filter(a -> a.endsWith("/model.safetensors")).count());
  }
}
