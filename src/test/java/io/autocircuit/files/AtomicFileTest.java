package io.autocircuit.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
  @TempDir Path directory;

  @Test
  void writesAndReplaces() throws IOException {
    Path file = directory.resolve("a.txt");
    for (String text : new String[] {"one", "the other"}) {
      AtomicFile.write(file, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
      assertEquals(text, Files.readString(file));
    }
    assertEquals(1, filesLeft());
  }

  @Test
  void othersMayReadTheFileAsAnyOther() throws IOException {
    Path file = directory.resolve("a.txt");
    Path plain = Files.writeString(directory.resolve("b.txt"), "");
    AtomicFile.write(file, out -> out.write(1));
    assertEquals(Files.getPosixFilePermissions(plain), Files.getPosixFilePermissions(file));
  }

  @Test
  void failureKeepsTheOldFileAndLeavesNoOther() throws IOException {
    Path file = Files.writeString(directory.resolve("a.txt"), "old");
    assertThrows(
        IllegalStateException.class,
        () ->
            AtomicFile.write(
                file,
                out -> {
                  out.write(new byte[100_000]);
                  throw new IllegalStateException("stop");
                }));
    DataException e =
        assertThrows(
            DataException.class,
            () ->
                AtomicFile.write(
                    file,
                    out -> {
                      throw new IOException("disk full");
                    }));
    assertTrue(e.getMessage().contains("disk full"), e.getMessage());
    assertEquals("old", Files.readString(file));
    assertEquals(1, filesLeft());
  }

  @Test
  void directoriesThatAreMissingOrNamedAsFile() throws IOException {
    for (Path path :
        new Path[] {directory, directory.resolve("no").resolve("a.txt"), Path.of("/")}) {
      assertThrows(DataException.class, () -> AtomicFile.write(path, out -> out.write(1)));
    }
    assertEquals(0, filesLeft());
  }

  private long filesLeft() throws IOException {
    try (Stream<Path> left = Files.list(directory)) {
      return left.count();
    }
  }
}
