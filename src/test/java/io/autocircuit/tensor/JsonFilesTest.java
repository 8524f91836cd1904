package io.autocircuit.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JsonFilesTest {
  @TempDir Path directory;

  @Test
  void readsAFileWithAndWithoutByteOrderMark() throws IOException {
    Path file = directory.resolve("a.json");
    Files.writeString(file, "{\"a\": [1, \"é\"]}");
    assertEquals("é", JsonFiles.read(file).get("a").get(1).textValue());
    Files.writeString(file, "\uFEFF{\"a\": 2}");
    assertEquals(2, JsonFiles.read(file).get("a").intValue());
  }

  @Test
  void syntaxErrorNamesFileLineAndColumn() {
    rejects("{\n  \"a\": 1,\n  \"b\": }\n", "file=x.json line=3 column=8: invalid JSON");
  }

  @Test
  void truncatedText() {
    rejects("{\"a\": [1, 2", "invalid JSON: Unexpected end-of-input");
  }

  @Test
  void duplicateKeys() {
    rejects("{\"a\": 1, \"a\": 2}", "Duplicate field 'a'");
  }

  @Test
  void trailingTokens() {
    rejects("{} 1", "invalid JSON");
    rejects("[1],", "invalid JSON");
  }

  @Test
  void emptyText() {
    rejects("", "no JSON value");
    rejects("  \n", "no JSON value");
  }

  @Test
  void deepNesting() {
    rejects("[".repeat(100), "nesting depth");
    rejects("{\"a\":".repeat(1_000_000), "nesting depth");
  }

  @Test
  void extensionsOfJson() {
    rejects("{a: 1}", "invalid JSON");
    rejects("{'a': 1}", "invalid JSON");
    rejects("[NaN]", "invalid JSON");
    rejects("[1,]", "invalid JSON");
    rejects("[1] // note", "invalid JSON");
    rejects("[01]", "invalid JSON");
  }

  @Test
  void numbersOfAbsurdLength() {
    rejects("[" + "1".repeat(2000) + "]", "invalid JSON");
  }

  @Test
  void fileThatIsNotUtf8() throws IOException {
    Path file = directory.resolve("a.json");
    Files.write(file, new byte[] {'"', (byte) 0xC3, '"'});
    DataException e = assertThrows(DataException.class, () -> JsonFiles.read(file));
    assertTrue(e.getMessage().contains("not UTF-8"), e.getMessage());
  }

  @Test
  void fileBeyondTheLimit() throws IOException {
    Path file = directory.resolve("a.json");
    Files.writeString(file, "[1, 2, 3]");
    assertEquals(3, JsonFiles.read(file, 9).size());
    DataException e = assertThrows(DataException.class, () -> JsonFiles.read(file, 8));
    assertTrue(e.getMessage().contains("size=9 bytes is more than the limit=8"), e.getMessage());
  }

  @Test
  void missingFileAndDirectory() {
    DataException e =
        assertThrows(DataException.class, () -> JsonFiles.read(directory.resolve("no.json")));
    assertTrue(e.getMessage().contains("no.json does not exist"), e.getMessage());
    e = assertThrows(DataException.class, () -> JsonFiles.read(directory));
    assertTrue(e.getMessage().contains("is a directory"), e.getMessage());
  }

  private static void rejects(String json, String part) {
    DataException e = assertThrows(DataException.class, () -> JsonFiles.parse(json, "x.json"));
    assertTrue(e.getMessage().contains(part), e.getMessage());
    assertTrue(e.getMessage().startsWith("file=x.json"), e.getMessage());
  }
}
