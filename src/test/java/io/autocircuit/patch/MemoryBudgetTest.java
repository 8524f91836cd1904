package io.autocircuit.patch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MemoryBudgetTest {
  private static final long GB = 1L << 30;

  @TempDir Path folder;
  private Path meminfo;
  private Path group;

  @BeforeEach
  void files() throws IOException {
    meminfo = folder.resolve("meminfo");
    group = Files.createDirectory(folder.resolve("cgroup"));
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1",
    "4000000, 4000000",
    "512m, 536870912",
    "512M, 536870912",
    "2g, 2147483648",
    "2GiB, 2147483648",
    "2gb, 2147483648",
    "1.5k, 1536",
    "1t, 1099511627776",
    "64KB, 65536",
    "' 3b ', 3"
  })
  void readsSizes(String text, long bytes) {
    assertEquals(bytes, MemoryBudget.parse(text).bytes());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "g",
        "-1g",
        "2x",
        "2 g g",
        "1e9",
        "0",
        "0.0001",
        "NaN",
        "999999999999999t",
        "1..5g",
        "0x10",
        "٣g"
      })
  void refusesWhatIsNoSize(String text) {
    String message =
        assertThrows(IllegalArgumentException.class, () -> MemoryBudget.parse(text)).getMessage();
    assertTrue(message.contains("memory=\"" + text + "\" is not a size"), message);
  }

  @Test
  void printsWhatItReads() {
    assertEquals("2g", new MemoryBudget(2 * GB).toString());
    assertEquals("1.5g", new MemoryBudget(GB + GB / 2).toString());
    assertEquals("100", new MemoryBudget(100).toString());
    assertEquals("20k", new MemoryBudget(20 << 10).toString());
    assertEquals("unlimited", MemoryBudget.UNLIMITED.toString());
    for (long bytes : new long[] {1, 1000, 1023, 1024, 123_456, 987_654_321, 5 * GB - 1}) {
      long again = MemoryBudget.parse(new MemoryBudget(bytes).toString()).bytes();
      assertTrue(again <= bytes && again >= bytes * 0.98, bytes + " → " + again);
    }
  }

  @Test
  void takesHalfOfWhatIsAvailable() throws IOException {
    Files.writeString(meminfo, "MemTotal:  9000000 kB\nMemAvailable:    4000000 kB\nSwap: 1 kB\n");
    assertEquals(2_000_000L * 1024, machine(Long.MAX_VALUE));
    assertEquals(GB / 2, machine(GB), "half of what JavaCPP allows, if that is less");
  }

  @Test
  void heedsTheControlGroupsLimit() throws IOException {
    Files.writeString(meminfo, "MemAvailable: 40000000 kB\n");
    Files.writeString(group.resolve("memory.max"), "max\n");
    Files.writeString(group.resolve("memory.current"), 3 * GB + "\n");
    assertEquals(20_000_000L * 1024, machine(Long.MAX_VALUE));
    Files.writeString(group.resolve("memory.max"), 4 * GB + "\n");
    assertEquals(GB / 2, machine(Long.MAX_VALUE));
    Files.writeString(group.resolve("memory.stat"), "anon 7\ninactive_file " + GB + "\nslab 1\n");
    assertEquals(GB, machine(Long.MAX_VALUE), "the page cache can be dropped");
    Files.writeString(group.resolve("memory.current"), 6 * GB + "\n");
    assertEquals(1, machine(Long.MAX_VALUE), "never nothing");
  }

  @Test
  void hasAConstantWhereTheMachineDoesNotTell() throws IOException {
    assertEquals(MemoryBudget.FALLBACK, machine(Long.MAX_VALUE));
    Files.writeString(meminfo, "MemAvailable: plenty\n");
    assertEquals(MemoryBudget.FALLBACK, machine(Long.MAX_VALUE));
  }

  @Test
  void thisMachineHasSome() {
    assertTrue(MemoryBudget.ofMachine().bytes() > 1 << 20);
  }

  private long machine(long allowed) {
    return MemoryBudget.ofMachine(meminfo, group, allowed).bytes();
  }

  @Test
  void choosesAsManyPromptsAsFit() {
    MemoryEstimate need = new MemoryEstimate(16, 100, 7, 3);
    assertEquals(1, need.prompts(new MemoryBudget(110), 5));
    assertEquals(1, need.prompts(new MemoryBudget(119), 5));
    assertEquals(2, need.prompts(new MemoryBudget(120), 5));
    assertEquals(5, need.prompts(new MemoryBudget(1000), 5));
    assertEquals(Integer.MAX_VALUE, need.prompts(MemoryBudget.UNLIMITED, Integer.MAX_VALUE));
    assertThrows(IllegalArgumentException.class, () -> need.prompts(new MemoryBudget(109), 5));
    assertThrows(IllegalArgumentException.class, () -> new MemoryBudget(0));
  }
}
