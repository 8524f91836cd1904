package io.autocircuit.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HubIdTest {
  private static final String COMMIT = "a".repeat(40);

  @Test
  void names() {
    assertEquals(new HubId("gpt2", "main"), HubId.parse("gpt2"));
    assertEquals("gpt2", HubId.parse("gpt2").toString());
    HubId id = HubId.parse("meta-llama/Llama-3.2-1B@refs/pr/1");
    assertEquals("meta-llama/Llama-3.2-1B", id.name());
    assertEquals("refs/pr/1", id.revision());
    assertEquals("models--meta-llama--Llama-3.2-1B", id.folder());
    assertEquals("meta-llama/Llama-3.2-1B@refs/pr/1", id.toString());
    assertFalse(id.isCommit());
    assertTrue(id.at(COMMIT).isCommit());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "a/b/c",
        "/a",
        "a/",
        "../a",
        "a/..",
        ".a/b",
        "a--b",
        "a/b.git",
        "a/b.",
        "a-/b",
        "a b",
        "C:/x",
        "./a",
        "a\\b",
        "é/b",
        "a@",
        "a@../b",
        "a@/b",
        "a@b/",
        "a@b//c",
        "a@b..c",
        "a@b/.c",
        "a@b\n",
        "a@b c",
        "a@x.lock",
        "a@-x",
        "a\n"
      })
  void whatIsNone(String text) {
    assertEquals(Optional.empty(), HubId.find(text));
    String message = assertThrows(DataException.class, () -> HubId.parse(text)).getMessage();
    assertTrue(message.startsWith("model="), message);
  }

  @Test
  void longNames() {
    assertTrue(HubId.find("a/" + "b".repeat(94)).isPresent());
    assertTrue(HubId.find("a/" + "b".repeat(95)).isEmpty());
  }

  @Test
  void snapshots() {
    Path snapshot = Path.of("/x/models--org--a.b-c/snapshots").resolve(COMMIT);
    assertEquals(Optional.of(new HubId("org/a.b-c", COMMIT)), HubId.ofSnapshot(snapshot));
    assertEquals(
        Optional.of(new HubId("gpt2", COMMIT)),
        HubId.ofSnapshot(Path.of("/x/models--gpt2/snapshots/../snapshots").resolve(COMMIT)));
    for (String other :
        new String[] {
          "/x/models--org--a/snapshots/main",
          "/x/datasets--org--a/snapshots/" + COMMIT,
          "/x/models--a--b--c/snapshots/" + COMMIT,
          "/x/models--org--a/blobs/" + COMMIT,
          "/" + COMMIT
        }) {
      assertEquals(Optional.empty(), HubId.ofSnapshot(Path.of(other)), other);
    }
  }
}
