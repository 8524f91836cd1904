package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Which archive a start reads, makes or leaves alone. */
@EnabledOnOs(OS.LINUX)
class ClassArchiveTest {
  /** No process has a number this large. */
  private static final String GONE = "99999999";

  private static final byte[] WHOLE = {(byte) 0xa8, (byte) 0xab, 0x0b, (byte) 0xf0, 1, 2};
  private static final byte[] PART = {0, 0, 0, 0, 1, 2};

  @TempDir Path directory;
  private Path jar;
  private Path cache;

  @BeforeEach
  void aJar() throws IOException {
    jar = Files.writeString(directory.resolve("a.jar"), "one");
    cache = directory.resolve("cache").resolve("start");
  }

  private ClassArchive archive() {
    return new ClassArchive(
        cache.toFile(), jar.toFile(), new File(System.getProperty("java.home")));
  }

  private List<String> files() throws IOException {
    try (Stream<Path> files = Files.list(cache)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  /** Where a process of that number makes the archive; to ask is one try. */
  private Path made(String process) throws IOException {
    String mine = archive().option("discover").substring(ClassArchive.MAKE.length());
    return of(Path.of(mine), process);
  }

  private static Path of(Path made, String process) {
    return Path.of(made.toString().replaceFirst("[0-9]+\\.new$", process + ".new"));
  }

  private Path whole(String process) throws IOException {
    return Files.write(made(process), WHOLE);
  }

  /** An archive with its name. */
  private File there() throws IOException {
    whole(GONE);
    return new File(archive().option("discover").substring(ClassArchive.READ.length()));
  }

  @Test
  void theFirstRunMakesTheArchiveAndTheNextReadsIt() throws IOException {
    assertNull(archive().option("selftest"), "does too little");
    assertFalse(Files.exists(cache), "nothing is left by what makes no archive");
    String makes = archive().option("discover");
    assertEquals(
        ClassArchive.MAKE + made("" + ProcessHandle.current().pid()), makes, "by this process");
    Path gone = whole(GONE);
    String reads = archive().option("selftest");
    assertTrue(reads.startsWith(ClassArchive.READ), reads);
    assertArrayEquals(
        WHOLE, Files.readAllBytes(Path.of(reads.substring(ClassArchive.READ.length()))));
    assertFalse(Files.exists(gone));
    assertEquals(reads, archive().option("discover"));
    assertEquals(2, files().size(), "archive and library");
  }

  @Test
  void whatIsBeingWrittenOrWasNotWrittenToItsEndIsNotRead() throws IOException {
    Path mine = whole("1");
    Path part = Files.write(of(mine, GONE), PART);
    Path before =
        of(Path.of(mine.toString().replaceFirst("[0-9a-f]+\\.([0-9]+\\.new)$", "0.$1")), GONE);
    Files.write(before, WHOLE);
    assertNull(archive().option("bench"));
    assertTrue(Files.exists(mine), "of a process that lives");
    assertFalse(Files.exists(part), "a part that nobody writes any more");
    assertTrue(archive().option("discover").startsWith(ClassArchive.MAKE));
    assertFalse(Files.exists(before), "nobody knows what of it is on the disk");
  }

  @Test
  void whatAnEarlierProcessOfOurNumberMadeIsTaken() throws IOException {
    Path ours = whole("" + ProcessHandle.current().pid());
    assertTrue(archive().option("bench").startsWith(ClassArchive.READ), "as in a container");
    assertFalse(Files.exists(ours));
  }

  @Test
  void onlyADirectoryThatNobodyElseWritesToIsUsed() throws IOException {
    assertTrue(ClassArchive.safe(cache.toFile()), "not there yet");
    archive().option("discover");
    assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(cache)));
    assertTrue(ClassArchive.safe(cache.toFile()));
    Files.setPosixFilePermissions(cache, PosixFilePermissions.fromString("rwxrwx---"));
    assertFalse(ClassArchive.safe(cache.toFile()));
    Files.setPosixFilePermissions(cache, PosixFilePermissions.fromString("rwxr-xrwx"));
    assertFalse(ClassArchive.safe(cache.toFile()));
  }

  @Test
  void anArchiveThatWasChangedIsNotRead() throws IOException {
    File shorter = there();
    Files.write(shorter.toPath(), new byte[] {WHOLE[0], WHOLE[1], WHOLE[2], WHOLE[3]});
    assertNull(archive().option("bench"));
    assertFalse(shorter.exists());
    File later = there();
    assertTrue(later.setLastModified(later.lastModified() + 1000));
    assertTrue(archive().option("discover").startsWith(ClassArchive.MAKE));
    assertFalse(later.exists());
  }

  @Test
  void twoThatWereMadeAtOnceAreOne() throws IOException {
    Path one = made(GONE);
    Path two = of(one, GONE + "1");
    Files.write(one, WHOLE);
    Files.write(two, WHOLE);
    assertTrue(archive().option("discover").startsWith(ClassArchive.READ));
    assertEquals(List.of(), files().stream().filter(f -> f.endsWith(".new")).toList());
  }

  @Test
  void anotherJarInItsPlaceHasAnotherArchive() throws IOException {
    File before = there();
    Files.writeString(jar, "another");
    assertNull(archive().option("selftest"));
    assertTrue(before.exists());
    assertTrue(archive().option("discover").startsWith(ClassArchive.MAKE));
    assertFalse(before.exists(), "the old one is removed");
  }

  @Test
  void jarsAndVirtualMachinesLeaveEachOthersArchivesAlone() throws IOException {
    File mine = there();
    Path other = Files.writeString(directory.resolve("b.jar"), "one");
    ClassArchive ofOther =
        new ClassArchive(cache.toFile(), other.toFile(), new File(System.getProperty("java.home")));
    assertTrue(ofOther.option("discover").startsWith(ClassArchive.MAKE));
    ClassArchive ofOtherJava = new ClassArchive(cache.toFile(), jar.toFile(), directory.toFile());
    assertTrue(ofOtherJava.option("discover").startsWith(ClassArchive.MAKE));
    assertTrue(mine.exists());
  }

  @Test
  void fiveRunsTryAndNoMore() throws IOException {
    Path gone = made(GONE);
    for (int i = 1; i < 5; i++) {
      assertTrue(archive().option("discover").startsWith(ClassArchive.MAKE), "run " + i);
    }
    assertNull(archive().option("discover"));
    Files.write(gone, WHOLE);
    String reads = archive().option("discover");
    assertTrue(reads.startsWith(ClassArchive.READ), reads);
    Files.delete(Path.of(reads.substring(ClassArchive.READ.length())));
    assertTrue(archive().option("discover").startsWith(ClassArchive.MAKE), "it worked once");
  }

  @Test
  void aDirectoryThatCannotBeMadeIsNoArchive() throws IOException {
    Path file = Files.writeString(directory.resolve("a file"), "");
    cache = file.resolve("below");
    assertThrows(IOException.class, () -> archive().option("discover"));
  }
}
