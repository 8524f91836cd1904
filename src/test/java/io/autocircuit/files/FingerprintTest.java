package io.autocircuit.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FingerprintTest {
  private static final String OF_ABC =
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

  @TempDir Path folder;

  @Test
  void itIsTheSha256OfTheBytes() throws IOException {
    Path file = Files.writeString(folder.resolve("a"), "abc");
    assertEquals(OF_ABC, Fingerprint.of(file));
    assertEquals(OF_ABC, Fingerprint.of(folder, List.of("a")));
    assertEquals(OF_ABC, Fingerprint.of("abc".getBytes(StandardCharsets.UTF_8)));
    assertTrue(Fingerprint.isOne(OF_ABC));
    assertFalse(Fingerprint.isOne(OF_ABC.substring(1)));
    assertFalse(Fingerprint.isOne(OF_ABC.toUpperCase(java.util.Locale.ROOT)));
  }

  @Test
  void ofSeveralFilesItIsThatOfTheLinesOfSha256sum() throws IOException {
    Files.writeString(folder.resolve("b"), "abc");
    Files.writeString(folder.resolve("a"), "");
    String lines =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n" + OF_ABC + "  b\n";
    assertEquals(
        Fingerprint.of(lines.getBytes(StandardCharsets.UTF_8)),
        Fingerprint.of(folder, List.of("b", "a")));
    Files.move(folder.resolve("b"), folder.resolve("c"));
    assertNotEquals(
        Fingerprint.of(lines.getBytes(StandardCharsets.UTF_8)),
        Fingerprint.of(folder, List.of("a", "c")));
  }

  @Test
  void aFileLargerThanTheBufferIsReadToItsEnd() throws IOException {
    byte[] bytes = new byte[3_000_001];
    Path file = Files.write(folder.resolve("large"), bytes);
    assertEquals(Fingerprint.of(bytes), Fingerprint.of(file));
    bytes[bytes.length - 1] = 1;
    Files.write(file, bytes);
    assertEquals(Fingerprint.of(bytes), Fingerprint.of(file));
  }

  @Test
  void aFileThatIsNotThereIsNamed() {
    DataException e =
        assertThrows(DataException.class, () -> Fingerprint.of(folder.resolve("none")));
    assertTrue(e.getMessage().contains("none does not exist"), e.getMessage());
  }
}
