package io.autocircuit.files;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Exhaustive;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
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
    rejects("{\"a\": [1, 2", "column=12: invalid JSON: it ends in the middle of a value");
  }

  @Test
  void duplicateKeys() {
    rejects("{\"a\": 1, \"a\": 2}", "column=13: invalid JSON: the name \"a\" occurs twice");
  }

  @Test
  void trailingTokens() {
    rejects("{} 1", "line=1 column=4: invalid JSON: there is more after the value's end;");
    rejects("[1],", "line=1 column=4: invalid JSON: there is more after the value's end;");
    rejects("[1]]", "line=1 column=4: invalid JSON: there is more after the value's end;");
    rejects(
        "{\"clean\": \"a\"}\n{\"clean\": \"b\"}\n",
        "line=2 column=1: invalid JSON: there is more after the value's end; if these are JSON lines");
  }

  @Test
  void emptyText() {
    rejects("", "no JSON value");
    rejects("  \n", "no JSON value");
  }

  @Test
  void deepNesting() {
    rejects("[".repeat(100), "column=66: invalid JSON: values are nested deeper than 64;");
    rejects("{\"a\":".repeat(1_000_000), "values are nested deeper than 64;");
  }

  @Test
  void extensionsOfJson() {
    rejects("{a: 1}", "unexpected character \"a\" (a name in double quotes is needed)");
    rejects("{'a': 1}", "unexpected character \"'\" (a name in double quotes is needed)");
    rejects("[1,]", "there is a comma before the closing bracket \"]\"", "remove the comma");
    rejects("{\"a\": 1,\n}", "line=2", "there is a comma before the closing bracket \"}\"");
    rejects("{\"a\": [{\"b\": 2},]}", "there is a comma before the closing bracket \"]\"");
    rejects("{\"a\": }", "(a value is needed)");
    rejects("# note\n[1]", "unexpected character \"#\" (JSON has no comments)");
    rejects("[1, # note\n2]", "unexpected character \"#\" (JSON has no comments)");
    rejects("[1] // note", "there is more after the value's end");
    rejects("[1, // note", "unexpected character \"/\" (JSON has no comments)");
    rejects("[01]", "at /0 a number is not written as JSON's are");
    rejects("[+1]", "a number is not written as JSON's are");
    rejects("[1.]", "a number is not written as JSON's are");
    rejects("[1 2]", "unexpected character \"2\" (a comma or the closing bracket is needed)");
    rejects("{\"a\" 1}", "unexpected character \"1\" (a colon after the name is needed)");
    rejects("[}", "the bracket \"}\" closes nothing here");
    rejects("[\"a\nb\"]", "a control character (code 10) stands in a text as it is");
    rejects("[\"\\x\"]", "backslash and \"x\" is no escape of JSON");
    rejects("\u0000", "a control character (code 0) stands between values");
  }

  @Test
  void numbersThatAreNone() {
    rejects(
        "{\"a\": {\"b\": [0,\n NaN]}}",
        "line=2 column=",
        "at /a/b/1 \"NaN\": JSON has neither NaN nor infinity");
    rejects("[Infinity]", "at /0 \"Infinity\": JSON has neither NaN nor infinity");
    rejects("[-Infinity]", "at /0 \"-Infinity\": JSON has neither NaN nor infinity");
    rejects("NaN", "invalid JSON: \"NaN\": JSON has neither NaN nor infinity");
  }

  @Test
  void wordsThatAreNoJson() {
    rejects("{\"a\": True}", "at /a the word \"True\" is no JSON (it writes true, false and null)");
    rejects(
        "clean,corrupt\n", "line=1 column=1: invalid JSON: the word \"clean\" is no JSON (texts");
    rejects("[" + "x".repeat(5000) + "]", "the word \"xxxxx");
  }

  @Test
  void numbersOfAbsurdLength() {
    rejects("[" + "1".repeat(2000) + "]", "a number has more than 1000 characters");
    rejects("[\"" + "1".repeat(20_000_001) + "\"]", "a text has more than 20000000 characters");
    rejects("{\"" + "1".repeat(50_001) + "\":1}", "a name has more than 50000 characters");
  }

  @Test
  void moreValuesThanASmallFileCanHold() throws IOException {
    Path file = directory.resolve("a.json");
    Files.writeString(file, "[[]" + ",[]".repeat(200_000) + "]");
    DataException e = assertThrows(DataException.class, () -> JsonFiles.read(file, 1 << 20));
    assertTrue(
        e.getMessage().contains("it holds more than 100000 values, names and brackets"),
        e.getMessage());
    assertEquals(200_001, JsonFiles.read(file).size());
  }

  @Test
  void bytesThatAreNotUtf8AreNamedForWhatTheyAre() throws IOException {
    Path file = directory.resolve("p.json");
    byte[] all = new byte[2560];
    for (int i = 0; i < all.length; i++) {
      all[i] = (byte) i;
    }
    byte[] random = new byte[1000];
    new SplittableRandom(5).nextBytes(random);
    random[0] = 'x';
    for (byte[] bytes : List.of(all, random)) {
      Files.write(file, bytes);
      DataException e = assertThrows(DataException.class, () -> JsonFiles.text(file, 1 << 20));
      assertTrue(e.getMessage().contains("it is no text but binary data"), e.getMessage());
    }
    for (String mark : List.of("", "\uFEFF")) {
      for (String name : List.of("UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE")) {
        Files.write(file, (mark + "{\"a\": 1}").getBytes(Charset.forName(name)));
        DataException e = assertThrows(DataException.class, () -> JsonFiles.read(file));
        String kind = name.substring(0, 6);
        assertTrue(e.getMessage().contains("not UTF-8 but " + kind + " text"), e.getMessage());
      }
    }
    Files.writeString(file, "{\"a\": \"é\"}");
    assertEquals("é", JsonFiles.read(file).get("a").textValue());
  }

  @Test
  void filesOfOtherKinds() throws IOException {
    Map<String, byte[]> files =
        Map.of(
            "is a Git LFS pointer and not the file itself; fetch the file with `git lfs pull`",
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n".getBytes(UTF_8),
            "is a web page, not the file",
            "\n<!DOCTYPE html>\n<html>".getBytes(UTF_8),
            "is a ZIP archive",
            new byte[] {'P', 'K', 3, 4, 20, 0, 0, 0},
            "is compressed with gzip",
            new byte[] {0x1f, (byte) 0x8b, 8, 0},
            "it is not UTF-8 but UTF-16 text",
            "{\"a\": 1}".getBytes(StandardCharsets.UTF_16));
    for (Map.Entry<String, byte[]> kind : files.entrySet()) {
      Path file = directory.resolve("config.json");
      Files.write(file, kind.getValue());
      for (org.junit.jupiter.api.function.Executable reading :
          List.<org.junit.jupiter.api.function.Executable>of(
              () -> JsonFiles.read(file), () -> JsonFiles.bytes(file, 1000))) {
        DataException e = assertThrows(DataException.class, reading);
        assertTrue(e.getMessage().startsWith("file=" + file), e.getMessage());
        assertTrue(e.getMessage().contains(kind.getKey()), e.getMessage());
      }
    }
  }

  /**
   * No message holds the parser's own names, and each is one line, whatever is cut off or put in.
   */
  @Test
  @Tag("slow")
  void messagesAreOurOwnWordsWhateverTheInput() {
    String good = "{\"a\": [1, -2.5e3, true, null, {\"b\": \"x\\n\\u00e9\"}], \"c\": {\"d\": []}}";
    String odd = "{}[]:,\"'\\/+-.eE01tfnNIx#\u0000\u0007\n\u2028\ud83d é";
    SplittableRandom random = new SplittableRandom(7);
    int refused = 0;
    for (int i = 0; i < (Exhaustive.on() ? 20_000 : 4_000); i++) {
      StringBuilder text = new StringBuilder(good);
      for (int n = random.nextInt(1, 4); n > 0; n--) {
        int at = random.nextInt(text.length());
        char c = odd.charAt(random.nextInt(odd.length()));
        switch (random.nextInt(4)) {
          case 0 -> text.setCharAt(at, c);
          case 1 -> text.insert(at, c);
          case 2 -> text.insert(at, String.valueOf(c).repeat(random.nextInt(5000)));
          default -> text.setLength(at + 1);
        }
      }
      try {
        assertNotNull(JsonFiles.parse(text.toString(), "x".repeat(random.nextInt(20) * 1000)));
      } catch (DataException e) {
        refused++;
        String message = e.getMessage();
        assertTrue(message.length() < 4000, () -> "length=" + message.length());
        assertTrue(message.codePoints().noneMatch(Character::isISOControl), message);
        assertFalse(
            message.matches(
                "(?s).*(ALLOW_|Feature|jackson|Jackson|CTRL-CHAR|token|Token|REDACTED|Source:|`).*"),
            message);
      }
    }
    assertTrue(refused > (Exhaustive.on() ? 10_000 : 2_000), "refused=" + refused);
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

  private static void rejects(String json, String... parts) {
    DataException e = assertThrows(DataException.class, () -> JsonFiles.parse(json, "x.json"));
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
    assertTrue(e.getMessage().startsWith("file=x.json"), e.getMessage());
  }
}
