package io.autocircuit.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import io.autocircuit.hub.CachedModel.Checked;
import io.autocircuit.hub.CachedModel.Found;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is listed, checked and removed. */
class HubCacheTest {
  private static final HubId ID = HubId.parse("org/tiny");
  private static final String OTHER = "b".repeat(40);

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

  private Path model() {
    return cache.resolve("models--org--tiny");
  }

  /** Another commit, of the same weights, with other settings. */
  private void older() throws IOException {
    Path snapshot = Files.createDirectories(model().resolve("snapshots").resolve(OTHER));
    byte[] config = FakeHub.bytes("{\"older\": true}");
    String name = FakeHub.hash("config.json", config).digits();
    Files.write(model().resolve("blobs").resolve(name), config);
    Files.createSymbolicLink(snapshot.resolve("config.json"), Path.of("../../blobs/" + name));
    Files.createSymbolicLink(
        snapshot.resolve("model.safetensors"),
        Path.of("../../blobs/" + FakeHub.hash("model.safetensors", HubTest.WEIGHTS).digits()));
    Files.writeString(model().resolve("refs").resolve("v1"), OTHER);
  }

  @Test
  void whatIsThereIsListed() throws IOException {
    assertEquals(List.of(), hub().cache().models());
    hub().find(ID);
    older();
    Files.createDirectories(cache.resolve("models--org--begun").resolve("blobs"));
    Files.createDirectories(cache.resolve("datasets--org--other"));
    Files.createFile(cache.resolve("version.txt"));
    List<CachedModel> models = hub().cache().models();
    assertEquals(
        List.of("org/begun", "org/tiny"), models.stream().map(m -> m.id().name()).toList());
    assertEquals(List.of(), models.get(0).revisions());
    List<CachedRevision> revisions = models.get(1).revisions();
    assertEquals(List.of(FakeHub.COMMIT, OTHER), revisions.stream().map(r -> r.commit()).toList());
    assertEquals(
        List.of(List.of("main"), List.of("v1")), revisions.stream().map(r -> r.refs()).toList());
    assertEquals(Optional.empty(), revisions.get(0).lacks());
    long config = HubTest.files().get("config.json").length;
    assertEquals(300_000 + config + 2 + 8, revisions.get(0).bytes());
    assertEquals(300_000 + 15, revisions.get(1).bytes());
    assertEquals(300_000 + config + 2 + 8 + 15, models.get(1).bytes(), "weights are there once");
    Files.delete(
        model()
            .resolve("blobs")
            .resolve(FakeHub.hash("model.safetensors", HubTest.WEIGHTS).digits()));
    assertEquals(
        Optional.of("model.safetensors"), hub().cache().models().get(1).revisions().get(0).lacks());
  }

  private static List<Found> found(List<Checked> files) {
    return files.stream().map(Checked::found).toList();
  }

  @Test
  void damageIsFoundAndMended() throws IOException {
    Path snapshot = hub().find(ID).directory();
    server.asked();
    assertEquals(
        List.of(Found.RIGHT, Found.RIGHT, Found.RIGHT, Found.RIGHT),
        found(hub().verify(ID, false)));
    assertEquals(List.of(), server.asked(), "hashes are names");
    byte[] damaged = HubTest.WEIGHTS.clone();
    damaged[99] ^= 1;
    Files.write(snapshot.resolve("model.safetensors"), damaged); // through the link
    Files.delete(snapshot.resolve("tokenizer.json").toRealPath());
    List<Found> expected = List.of(Found.RIGHT, Found.WRONG, Found.MISSING, Found.RIGHT);
    assertEquals(expected, found(hub().verify(ID, false)));
    assertEquals(expected, found(hub().verify(ID, true)));
    assertFalse(Files.exists(snapshot.resolve("model.safetensors"), LinkOption.NOFOLLOW_LINKS));
    hub().fetch(ID);
    assertArrayEquals(HubTest.WEIGHTS, Files.readAllBytes(snapshot.resolve("model.safetensors")));
    assertEquals(
        List.of(Found.RIGHT, Found.RIGHT, Found.RIGHT, Found.RIGHT),
        found(hub().verify(ID.at("0123456"), false)));
  }

  @Test
  void filesWithoutLinksAreComparedWithWhatTheHubSays() throws IOException {
    Map<String, String> environment = server.environment(cache);
    environment.put("HF_HUB_DISABLE_SYMLINKS", "1");
    Hub hub = new Hub(FakeHub.soon(HubSettings.of(environment)), HubProgress.SILENT);
    Path snapshot = hub.find(ID).directory();
    Files.write(snapshot.resolve("tokenizer.json"), FakeHub.bytes("[]"));
    assertEquals(
        List.of(Found.RIGHT, Found.RIGHT, Found.WRONG, Found.RIGHT), found(hub.verify(ID, false)));
    Hub offline = new Hub(hub.settings().withoutNetwork(), HubProgress.SILENT);
    assertEquals(
        List.of(Found.UNKNOWN, Found.UNKNOWN, Found.UNKNOWN, Found.UNKNOWN),
        found(offline.verify(ID, false)));
  }

  @Test
  void aRevisionIsRemovedWithWhatNoOtherNeeds() throws IOException {
    hub().find(ID);
    older();
    assertEquals(15, hub().remove(ID.at("v1"), false));
    assertEquals(
        List.of(FakeHub.COMMIT),
        hub().cache().models().get(0).revisions().stream().map(r -> r.commit()).toList());
    assertFalse(Files.exists(model().resolve("refs").resolve("v1")));
    assertEquals(
        List.of(Found.RIGHT, Found.RIGHT, Found.RIGHT, Found.RIGHT),
        found(hub().verify(ID, false)));
    assertTrue(hub().remove(ID, false) > 300_000, "the last one takes the model with it");
    assertFalse(Files.exists(model()));
  }

  @Test
  void linksLeadNowhereWhenRemoved() throws IOException {
    Path mine = Files.createDirectories(folder.resolve("mine"));
    Files.writeString(mine.resolve("precious"), "kept");
    hub().find(ID);
    Files.createSymbolicLink(model().resolve("snapshots").resolve("link"), mine);
    Files.createSymbolicLink(model().resolve("blobs").resolve("shared"), mine.resolve("precious"));
    hub().remove(ID, true);
    assertFalse(Files.exists(model()));
    assertEquals("kept", Files.readString(mine.resolve("precious")));
  }

  @Test
  void whatIsNotThere() throws IOException {
    String message = assertThrows(DataException.class, () -> hub().verify(ID, false)).getMessage();
    assertEquals(
        "model=org/tiny is not in cache=" + cache + "; see 'models list' for those that are",
        message);
    hub().find(ID);
    older();
    message =
        assertThrows(DataException.class, () -> hub().remove(ID.at("v2"), false)).getMessage();
    assertEquals("model=org/tiny has no revision=\"v2\" in the cache; it has main, v1", message);
  }

  @Test
  void refsThatAreNone() throws IOException {
    hub().find(ID);
    Hub offline = new Hub(hub().settings().withoutNetwork(), HubProgress.SILENT);
    Files.delete(model().resolve("refs").resolve("main"));
    assertEquals(FakeHub.COMMIT, offline.find(ID).commit(), "the only one");
    older();
    for (String ref : List.of("", "../../../x", "x".repeat(1000))) {
      Files.writeString(model().resolve("refs").resolve("main"), ref);
      String message = assertThrows(DataException.class, () -> offline.find(ID)).getMessage();
      assertTrue(message.contains("is not in cache="), message);
    }
    assertEquals(2, hub().cache().models().get(0).revisions().size());
  }
}
