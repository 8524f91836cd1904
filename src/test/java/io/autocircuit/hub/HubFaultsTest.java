package io.autocircuit.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What becomes of servers that break off, lie, lead astray, refuse, or say nothing. */
class HubFaultsTest {
  private static final HubId ID = HubId.parse("org/tiny");
  private static final String WEIGHTS = "/model.safetensors";

  @TempDir Path folder;

  private Path cache;
  private FakeHub server;

  @BeforeEach
  void start() throws IOException {
    cache = folder.resolve("cache");
    server = new FakeHub().model("org/tiny", HubTest.files());
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private Hub hub() {
    return server.hub(cache);
  }

  private Hub with(String name, String value) {
    Map<String, String> environment = server.environment(cache);
    environment.put(name, value);
    return new Hub(FakeHub.soon(HubSettings.of(environment)), HubProgress.SILENT);
  }

  private String refused(String... parts) {
    return refused(hub(), parts);
  }

  private static String refused(Hub hub, String... parts) {
    String message = assertThrows(DataException.class, () -> hub.find(ID)).getMessage();
    for (String part : parts) {
      assertTrue(message.contains(part), () -> message + "\nlacks " + part);
    }
    return message;
  }

  private void assertRight(HubModel model) throws IOException {
    assertArrayEquals(
        HubTest.WEIGHTS, Files.readAllBytes(model.directory().resolve("model.safetensors")));
  }

  private List<String> ranges() {
    List<String> ranges = new ArrayList<>();
    server.asked().stream()
        .filter(a -> a.address().contains(WEIGHTS))
        .forEach(a -> ranges.add(a.range()));
    return ranges;
  }

  /** What has been received, under the name of nothing that can be read. */
  private List<Path> partials() {
    return HubCache.below(cache.resolve("models--org--tiny").resolve("blobs")).stream()
        .filter(p -> p.toString().endsWith(".incomplete"))
        .toList();
  }

  private void assertNoWeights() {
    assertFalse(
        Files.exists(
            cache.resolve("models--org--tiny/snapshots").resolve(FakeHub.COMMIT + WEIGHTS)));
    assertFalse(
        Files.exists(
            cache
                .resolve("models--org--tiny/blobs")
                .resolve(FakeHub.hash("model.safetensors", HubTest.WEIGHTS).digits())));
  }

  @Test
  void whatIsCutIsGoneOnWith() throws IOException {
    server.fault(WEIGHTS, FakeHub.cut(100_000), FakeHub.cut(50_000));
    assertRight(hub().find(ID));
    assertEquals(Arrays.asList(null, "bytes=100000-", "bytes=150000-"), ranges());
  }

  @Test
  void anotherProcessGoesOnToo() throws IOException {
    server.fault(WEIGHTS, FakeHub.cut(100_000), FakeHub.cut(0), FakeHub.cut(0));
    refused("model=org/tiny: the connection to localhost broke", "what has been received is kept");
    assertNoWeights();
    assertEquals(100_000, Files.size(partials().get(0)));
    server.asked();
    assertRight(hub().find(ID));
    assertEquals(List.of("bytes=100000-"), ranges());
    assertEquals(List.of(), partials());
  }

  @Test
  void aDamagedBeginningIsThrownAway() throws IOException {
    server.fault(WEIGHTS, FakeHub.cut(100_000), FakeHub.cut(0), FakeHub.cut(0));
    refused();
    byte[] damaged = Files.readAllBytes(partials().get(0));
    damaged[7] ^= 1;
    Files.write(partials().get(0), damaged);
    server.asked();
    assertRight(hub().find(ID));
    assertEquals(Arrays.asList("bytes=100000-", null), ranges());
    // one that is longer than the file
    CachedModel.delete(cache);
    server.fault(WEIGHTS, FakeHub.cut(100_000), FakeHub.cut(0), FakeHub.cut(0));
    refused();
    Files.write(partials().get(0), new byte[HubTest.WEIGHTS.length + 1]);
    assertRight(hub().find(ID));
  }

  @Test
  void serversThatDoNotKnowRangesSendAll() throws IOException {
    server.fault(WEIGHTS, FakeHub.cut(100_000), FakeHub.instead(HubTest.WEIGHTS, true));
    assertRight(hub().find(ID));
    server.fault(WEIGHTS, FakeHub.cut(1000), FakeHub.status(416, Map.of()));
    CachedModel.delete(cache);
    assertRight(hub().find(ID));
    // another part than the one asked for
    server.fault(
        WEIGHTS,
        FakeHub.cut(1000),
        (exchange, content) -> {
          exchange.getResponseHeaders().set("Content-Range", "bytes 0-299999/300000");
          exchange.sendResponseHeaders(206, content.length);
          exchange.getResponseBody().write(content);
        });
    CachedModel.delete(cache);
    assertRight(hub().find(ID));
  }

  @Test
  void liesAboutSizesAndHashesAreSeen() {
    byte[] other = HubTest.WEIGHTS.clone();
    other[123_456] ^= 1;
    server.fault(WEIGHTS, FakeHub.instead(other, true), FakeHub.instead(other, true));
    refused("\"model.safetensors\" is not that file: its hash is another", "nothing of it is kept");
    assertNoWeights();
    server.fault(WEIGHTS, FakeHub.instead(new byte[10], true));
    refused("it has 10 bytes where the hub says 300000");
    server.fault(WEIGHTS, FakeHub.instead(new byte[300_001], false));
    refused("it is longer than the hub says (300000 bytes)");
    server.fault(
        WEIGHTS,
        FakeHub.cut(5),
        (exchange, content) -> {
          exchange.getResponseHeaders().set("Content-Range", "bytes 5-9/10");
          exchange.sendResponseHeaders(206, 5);
          exchange.getResponseBody().write(content, 5, 5);
        });
    refused("it has 10 bytes where the hub says 300000");
    assertNoWeights();
  }

  @Test
  void oneWrongAnswerIsNotTheEnd() throws IOException {
    byte[] other = HubTest.WEIGHTS.clone();
    other[0] ^= 1;
    server.fault(WEIGHTS, FakeHub.instead(other, true));
    assertRight(hub().find(ID));
  }

  @Test
  void theTokenGoesToTheHubAlone() throws IOException {
    try (FakeHub other = new FakeHub().model("org/tiny", HubTest.files())) {
      server.elsewhere = other.address();
      assertRight(with("HF_TOKEN", "hf_secret").find(ID));
      assertTrue(
          server.asked().stream().allMatch(a -> "Bearer hf_secret".equals(a.token())),
          "to the hub");
      List<FakeHub.Asked> there = other.asked();
      assertEquals(1, there.size());
      assertNull(there.get(0).token(), "to another server");
      // ranges go along
      CachedModel.delete(cache);
      other.fault(WEIGHTS, FakeHub.cut(1000));
      assertRight(with("HF_TOKEN", "hf_secret").find(ID));
      assertEquals("bytes=1000-", other.asked().get(1).range());
    }
  }

  @Test
  void aServerWithoutSizesThatRedirectsSaysThemItself() throws IOException {
    try (FakeHub other = new FakeHub().model("org/tiny", HubTest.files())) {
      server.elsewhere = other.address();
      server.says = false;
      assertRight(hub().find(ID));
    }
  }

  @Test
  void redirectsOfRenamedModelsKeepTheQuestion() throws IOException {
    server.model("new/tiny", HubTest.files());
    server.fault("/org/tiny/revision/main", FakeHub.redirect("/api/models/new/tiny/revision/main"));
    assertRight(hub().find(ID));
    assertTrue(
        server.addresses().contains("/api/models/new/tiny/revision/main?blobs=true"),
        "with the query");
  }

  @ParameterizedTest
  @ValueSource(strings = {"ftp://localhost/x", "file:///etc/passwd", "http://", "::", ""})
  void strangeRedirectsAreNotFollowed(String location) {
    server.fault("/main", FakeHub.redirect(location));
    refused("redirects to location=", "which is not followed");
  }

  @Test
  void whereATokenMayGo() throws HubException {
    URI hub = URI.create("https://huggingface.co/org/tiny/resolve/main/config.json");
    assertEquals(
        "a redirect to http",
        assertThrows(HubException.class, () -> HubClient.next(ID, hub, "http://huggingface.co/x"))
            .getMessage()
            .replaceFirst(
                ".*location=\"http://huggingface.co/x\", which is not.*", "a redirect to http"));
    assertEquals(
        URI.create("https://cdn.hf.co/x?y=1"), HubClient.next(ID, hub, "https://cdn.hf.co/x?y=1"));
    assertEquals(URI.create("https://huggingface.co/x"), HubClient.next(ID, hub, "/x"));
    assertEquals(
        URI.create("https://huggingface.co/x"), HubClient.next(ID, hub, "//huggingface.co/x"));
    for (String other :
        List.of(
            "https://cdn.huggingface.co/x",
            "https://huggingface.co.evil.org/x",
            "https://huggingface.co:8443/x",
            "https://huggingface.co@evil.org/x")) {
      assertFalse(HubClient.sameServer(URI.create(other), hub), other);
    }
    assertTrue(HubClient.sameServer(URI.create("https://HuggingFace.co/x"), hub));
    assertTrue(HubClient.maySend(hub));
    assertTrue(HubClient.maySend(URI.create("http://localhost:1/x")));
    assertFalse(HubClient.maySend(URI.create("http://mirror.example/x")));
  }

  @Test
  void aDownloadThatFailsSaysThatThereIsAnOlderOne() throws IOException {
    hub().find(ID);
    Path model = cache.resolve("models--org--tiny");
    String older = "b".repeat(40);
    Files.move(
        model.resolve("snapshots").resolve(FakeHub.COMMIT),
        model.resolve("snapshots").resolve(older));
    Files.writeString(model.resolve("refs").resolve("main"), older);
    CachedModel.delete(
        model
            .resolve("blobs")
            .resolve(FakeHub.hash("tokenizer.json", FakeHub.bytes("{}")).digits()));
    server.fault("/tokenizer.json", FakeHub.status(418, Map.of()));
    refused("answers HTTP 418", "; HF_HUB_OFFLINE=1 takes the version that the cache has");
  }

  @Test
  void redirectsInACircleEnd() {
    FakeHub.Fault circle = FakeHub.redirect("/api/models/org/tiny/revision/main");
    server.fault("/main", Stream.generate(() -> circle).limit(20).toArray(FakeHub.Fault[]::new));
    refused("redirects more than 10 times");
  }

  @Test
  void refusalsSayWhatToDo() throws IOException {
    Map<String, String> gated =
        Map.of(
            "X-Error-Code",
            "GatedRepo",
            "X-Error-Message",
            "Access to model org/tiny is restricted.");
    server.fault("/main", FakeHub.status(401, gated));
    refused(
        "model=org/tiny is gated",
        "open " + server.address() + "/org/tiny in a browser",
        "set HF_TOKEN",
        "\"Access to model org/tiny is restricted.\"");
    server.fault("/config.json", FakeHub.status(403, gated));
    refused("is gated");
    server.fault("/main", FakeHub.status(401, Map.of("X-Error-Code", "RepoNotFound")));
    refused("model=org/tiny is not at " + server.address(), "for a private model set HF_TOKEN");
    server.fault("/main", FakeHub.status(403, Map.of()));
    refused("may not be read without a token");
    Map<String, String> open = server.environment(cache);
    open.put("HF_ENDPOINT", "http://hub.invalid");
    open.put("http_proxy", server.address());
    open.put("HF_TOKEN", "hf_secret");
    server.fault("/main", FakeHub.status(401, gated));
    refused(
        new Hub(FakeHub.soon(HubSettings.of(open)), HubProgress.SILENT),
        "the token of HF_TOKEN is not sent over http: give an https HF_ENDPOINT");
    server.fault("/main", FakeHub.status(404, Map.of("X-Error-Code", "RevisionNotFound")));
    refused("has no revision=\"main\"", "/org/tiny/tree/main");
    CachedModel.delete(cache);
    server.fault(WEIGHTS, FakeHub.status(404, Map.of("X-Error-Code", "EntryNotFound")));
    refused("file=\"model.safetensors\" is not there");
    server.fault("/main", FakeHub.status(418, Map.of()));
    refused("answers HTTP 418");
    server.fault("/main", FakeHub.status(407, Map.of()));
    refused("the proxy wants a user and a password");
  }

  @Test
  void aTokenThatIsNotAcceptedIsNamedAndNotPrinted() {
    server.fault(
        "/main",
        FakeHub.status(
            401, Map.of("X-Error-Message", "Invalid credentials in Authorization header")));
    String message =
        assertThrows(DataException.class, () -> with("HF_TOKEN", "hf_secret").find(ID))
            .getMessage();
    assertTrue(message.contains("does not accept the token of HF_TOKEN"), message);
    assertFalse(message.contains("hf_secret"), message);
    assertFalse(with("HF_TOKEN", "hf_secret").toString().contains("hf_secret"));
  }

  @Test
  void busyServersAreAskedAgain() throws IOException {
    server.fault(
        "/main", FakeHub.status(429, Map.of("Retry-After", "0")), FakeHub.status(503, Map.of()));
    server.fault(WEIGHTS, FakeHub.status(500, Map.of()), FakeHub.status(502, Map.of()));
    assertRight(hub().find(ID));
  }

  @Test
  void whoeverIsAlwaysBusyIsGivenUp() {
    FakeHub.Fault busy = FakeHub.status(500, Map.of());
    server.fault("/main", busy, busy, busy);
    refused("answers HTTP 500", "try again later");
    assertEquals(3, server.addresses().size());
    server.fault("/main", FakeHub.status(429, Map.of("Retry-After", "3600")));
    refused("HTTP 429, too many requests", "it asks to wait 3600 s", "HF_TOKEN");
    assertEquals(1, server.addresses().size(), "an hour is not waited");
    server.fault(
        "/main", FakeHub.status(429, Map.of("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT")));
    hub().find(ID);
  }

  @Test
  void aWaitThatIsAskedForIsKeptAndTold() {
    List<String> notes = new ArrayList<>();
    HubProgress heard =
        new HubProgress() {
          @Override
          public void update(String what, long done, long total) {}

          @Override
          public void note(String text) {
            notes.add(text);
          }
        };
    server.fault("/main", FakeHub.status(429, Map.of("Retry-After", "1")));
    long start = System.nanoTime();
    new Hub(hub().settings(), heard).find(ID);
    assertTrue(System.nanoTime() - start >= 1_000_000_000L, "a second");
    assertEquals(List.of("model=org/tiny: waiting 1 s, as the server asks for"), notes);
  }

  @Test
  void silenceEnds() throws IOException {
    assertRight(hub().find(ID)); // classes are loaded
    CachedModel.delete(cache);
    Hub hub = server.impatient(cache);
    server.fault("/main", server.hang(-1), server.hang(-1), server.hang(-1));
    refused(hub, "localhost does not answer within 0.4 s");
    server.asked();
    server.fault(WEIGHTS, server.hang(1000));
    assertRight(hub.find(ID));
    assertEquals(Arrays.asList(null, "bytes=1000-"), ranges());
    CachedModel.delete(cache);
    server.fault(WEIGHTS, server.hang(9), server.hang(0), server.hang(0));
    refused(hub, "nothing was received for 0.2 s");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"../evil", "/etc/passwd", "a/../../b", "a\\..\\b", "C:x", "a//b", "", "a\nb", "."})
  void namesThatLeadOutOfTheFolderAreRefused(String name) {
    Map<String, byte[]> files = HubTest.files();
    files.put(name, new byte[1]);
    server.model("org/tiny", files);
    refused("would lie outside the model's folder");
    assertFalse(Files.exists(cache), "nothing is written");
  }

  @Test
  void answersThatAreNoHubs() {
    server.fault("/main", FakeHub.instead(FakeHub.bytes("<html>Log in</html>"), true));
    refused("does not answer as a Hugging Face hub does");
    server.fault("/main", FakeHub.instead(FakeHub.bytes("{\"sha\": \"../..\"}"), true));
    refused("neither which commit this is");
    server.fault(
        "/" + FakeHub.COMMIT,
        FakeHub.instead(
            FakeHub.bytes("{\"sha\": \"" + "c".repeat(40) + "\", \"siblings\": []}"), true));
    String message =
        assertThrows(DataException.class, () -> hub().find(ID.at(FakeHub.COMMIT))).getMessage();
    assertTrue(message.contains("answers for another commit"), message);
  }

  @Test
  void modelsAndRevisionsThatAreNotThere() {
    for (String id : List.of("org/none", "none")) {
      String message =
          assertThrows(DataException.class, () -> hub().find(HubId.parse(id))).getMessage();
      assertTrue(message.contains("model=" + id + " is not at "), message);
    }
    String message = assertThrows(DataException.class, () -> hub().find(ID.at("v9"))).getMessage();
    assertTrue(message.contains("model=org/tiny has no revision=\"v9\""), message);
  }

  @Test
  void aCacheThatCannotBeWritten() throws IOException {
    Files.writeString(folder.resolve("file"), "no folder");
    cache = folder.resolve("file").resolve("cache");
    refused("cannot be written into cache=", "HF_HUB_CACHE");
  }

  @Test
  void proxies() throws IOException {
    // the proxy is this server: it is asked for whole addresses
    Map<String, String> environment = server.environment(cache);
    environment.put("HF_ENDPOINT", "http://hub.invalid");
    environment.put("http_proxy", server.address());
    Hub hub = new Hub(FakeHub.soon(HubSettings.of(environment)), HubProgress.SILENT);
    assertRight(hub.find(ID));
    assertTrue(
        server
            .addresses()
            .contains("http://hub.invalid/api/models/org/tiny/revision/main?blobs=true"));
    environment.put("NO_PROXY", "example.org, .invalid");
    Hub direct = new Hub(FakeHub.soon(HubSettings.of(environment)), HubProgress.SILENT);
    List<String> notices = direct.find(ID).notices();
    assertTrue(notices.get(0).contains("hub.invalid"), notices.toString());
    assertEquals(List.of(), server.addresses(), "past the proxy");
    // one that wants a password does not cost the token
    CachedModel.delete(cache);
    Map<String, String> both = server.environment(cache);
    both.put("HF_TOKEN", "hf_secret");
    both.put("http_proxy", server.address().replace("http://", "http://u:p@"));
    assertRight(new Hub(FakeHub.soon(HubSettings.of(both)), HubProgress.SILENT).find(ID));
    assertTrue(server.asked().stream().allMatch(a -> "Bearer hf_secret".equals(a.token())));
  }
}
