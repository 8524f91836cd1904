package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code bench-compare}: what it prints, and how it ends. */
class BenchCompareCommandTest {
  private static final String BENCH =
      "{\"shape\":\"tiny\",\"ratios\":{\"dense\":1.2,\"eap\":4.0},"
          + "\"spreads\":{\"dense\":0.05,\"eap\":0.01}}";

  @TempDir Path folder;
  private Path old;

  @BeforeEach
  void writeTheOldFile() throws IOException {
    old = write("old.json", BENCH);
  }

  private Path write(String name, String text) throws IOException {
    return Files.writeString(folder.resolve(name), text);
  }

  private static Ran compare(Object... words) {
    List<Object> all = new ArrayList<>(List.of("bench-compare"));
    all.addAll(List.of(words));
    return Ran.command(all.toArray());
  }

  private static String line(Ran ran, String start) {
    return ran.out().lines().filter(l -> l.startsWith(start)).findFirst().orElseThrow();
  }

  @Test
  void equalFilesEndWithZero() {
    Ran ran = compare(old, old);
    assertEquals(0, ran.code(), ran::err);
    assertEquals("", ran.err());
    assertEquals(
        List.of("dense", "1.2000", "±0.0301", "1.2000", "±0.0301", "+0.0", "%"),
        List.of(line(ran, "dense").split("\\s+", -1)));
    assertTrue(ran.out().contains("no figure is worse by more than 10 % and"), ran.out());
  }

  @Test
  void aRegressionEndsWithOneAndIsNamed() throws IOException {
    Ran ran = compare(old, write("new.json", BENCH.replace("1.2", "1.5")));
    assertEquals(1, ran.code(), ran::out);
    assertEquals("", ran.err());
    assertTrue(line(ran, "dense").endsWith("+25.0 %  REGRESSION"), ran.out());
    assertTrue(line(ran, "REGRESSION: worse by more than 10 %").endsWith(": dense"), ran.out());
    assertEquals(0, compare(old, folder.resolve("new.json"), "--threshold", "0.3").code());
    assertEquals(0, compare(folder.resolve("new.json"), old).code());
  }

  @Test
  void missingAndNewFiguresAreNamed() throws IOException {
    Path other = write("new.json", BENCH.replace("\"eap\":4.0", "\"ig5\":9.0"));
    Ran ran = compare(old, other);
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().contains("only in the old file: eap"), ran.out());
    assertTrue(ran.out().contains("only in the new file: ig5"), ran.out());
    assertTrue(line(ran, "eap").endsWith("missing in the new file"), ran.out());
  }

  private static void cannot(Ran ran, String... parts) {
    assertEquals(2, ran.code(), ran::out);
    assertEquals("", ran.out());
    assertEquals(1, ran.err().lines().count(), ran.err());
    assertTrue(ran.err().startsWith("autocircuit: "), ran.err());
    for (String part : parts) {
      assertTrue(ran.err().contains(part), ran.err());
    }
  }

  @Test
  void filesThatCannotBeUsedEndWithTwoAndOneLine() throws IOException {
    cannot(compare(old, folder.resolve("none.json")), "none.json does not exist");
    cannot(compare(old, folder), "is a directory");
    cannot(compare(old, write("empty.json", "")), "empty.json: no JSON value", "write the file");
    cannot(compare(write("bad.json", "{\n\"ratios\": }"), old), "bad.json line=2 column=11");
    cannot(compare(old, write("list.json", "[]")), "list.json", "no figures", "measure again");
    cannot(compare(old, write("jmh.json", JMH)), "JMH's JSON", "compare two of one kind");
    Path huge = folder.resolve("huge.json");
    try (RandomAccessFile f = new RandomAccessFile(huge.toFile(), "rw")) {
      f.setLength((32L << 20) + 1);
    }
    cannot(compare(old, huge), "huge.json: size=33554433 bytes is more than the limit=33554432");
  }

  private static final String JMH =
      "[{\"benchmark\":\"a.B.c\",\"mode\":\"avgt\",\"primaryMetric\":"
          + "{\"score\":2.0,\"scoreError\":0.1,\"scoreUnit\":\"us/op\"}}]";

  @Test
  void rawTimesAreSaidToBeSo() throws IOException {
    Path before = write("before.json", JMH);
    Ran ran = compare(before, write("after.json", JMH.replace("2.0", "3.0")));
    assertEquals(1, ran.code(), ran::err);
    assertTrue(line(ran, "note: raw times compared for figures=1").contains("one idle machine"));
    assertTrue(line(ran, "a.B.c").endsWith("+50.0 %  REGRESSION (raw time)"), ran.out());
    assertTrue(line(ran, "a.B.c").contains("2.00 ±0.10 us"), ran.out());
  }

  @Test
  void wrongUsageEndsWithTwo() {
    cannot(compare(old), "NEW");
    cannot(compare(old, old, "--threshold", "-1"), "threshold=-1.0 must be");
    cannot(compare(old, old, "--threshold", "NaN"), "threshold=NaN must be");
    cannot(compare(old, old, "--threshold", "ten"), "--threshold", "ten");
    cannot(compare(old, old, "--treshold", "1"), "unknown option \"--treshold\"", "--threshold");
  }
}
