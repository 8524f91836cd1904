package io.autocircuit.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CubinCacheTest {
  private static final String KEY = "0".repeat(64);
  private static final byte[] CUBIN = {1, 2, 3, 4, 5};

  @TempDir Path directory;

  private final AtomicInteger compiled = new AtomicInteger();

  private byte[] get(CubinCache cache) {
    return cache.get(
        KEY,
        () -> {
          compiled.incrementAndGet();
          return CUBIN.clone();
        });
  }

  @Test
  void compilesOnceAndKeepsIt() throws IOException {
    CubinCache cache = new CubinCache(directory.resolve("made/here"));
    assertArrayEquals(CUBIN, get(cache));
    assertArrayEquals(CUBIN, get(cache));
    assertArrayEquals(CUBIN, get(new CubinCache(cache.directory())));
    assertEquals(1, compiled.get());
    try (Stream<Path> files = Files.list(cache.directory())) {
      assertEquals(List.of(cache.file(KEY)), files.toList());
    }
  }

  @Test
  void damagedEntriesAreIgnoredAndReplaced() throws IOException {
    CubinCache cache = new CubinCache(directory);
    get(cache);
    byte[] good = Files.readAllBytes(cache.file(KEY));
    int expected = 1;
    for (int i = 0; i < good.length; i++) {
      byte[] flipped = good.clone();
      flipped[i] ^= 0x10;
      Files.write(cache.file(KEY), flipped);
      assertArrayEquals(CUBIN, get(cache), "byte " + i);
      assertEquals(++expected, compiled.get());
      assertArrayEquals(good, Files.readAllBytes(cache.file(KEY)));
    }
    for (int length = 0; length < good.length; length++) {
      Files.write(cache.file(KEY), Arrays.copyOf(good, length));
      assertArrayEquals(CUBIN, get(cache), "length " + length);
      assertEquals(++expected, compiled.get());
    }
    Files.write(cache.file(KEY), Arrays.copyOf(good, good.length + 1));
    get(cache);
    assertEquals(++expected, compiled.get());
  }

  @Test
  void aDirectoryInItsPlaceDoesNoHarm() throws IOException {
    CubinCache cache = new CubinCache(directory);
    Files.createDirectory(cache.file(KEY));
    assertArrayEquals(CUBIN, get(cache));
    assertArrayEquals(CUBIN, get(cache));
    assertEquals(2, compiled.get());
  }

  @Test
  void withoutAPlaceToWriteEverythingIsCompiled() throws IOException {
    Path file = Files.createFile(directory.resolve("file"));
    for (CubinCache cache : List.of(new CubinCache(null), new CubinCache(file.resolve("sub")))) {
      assertArrayEquals(CUBIN, get(cache));
      assertArrayEquals(CUBIN, get(cache));
    }
    assertEquals(4, compiled.get());
  }

  @Test
  void whatACrashLeftIsNotRead() throws IOException {
    CubinCache cache = new CubinCache(directory);
    Files.write(directory.resolve("." + KEY + ".cubin.1234.tmp"), new byte[] {7});
    assertArrayEquals(CUBIN, get(cache));
    assertEquals(1, compiled.get());
  }

  @Test
  void manyWritersLeaveOneGoodEntry() throws Exception {
    CubinCache cache = new CubinCache(directory);
    ExecutorService pool = Executors.newFixedThreadPool(8);
    try {
      Callable<byte[]> task = () -> get(new CubinCache(directory));
      for (Future<byte[]> f : pool.invokeAll(java.util.Collections.nCopies(64, task))) {
        assertArrayEquals(CUBIN, f.get());
      }
    } finally {
      pool.shutdown();
    }
    int before = compiled.get();
    get(cache);
    assertEquals(before, compiled.get());
    try (Stream<Path> files = Files.list(directory)) {
      assertEquals(List.of(cache.file(KEY)), files.toList());
    }
  }

  @Test
  void theKeyHoldsAllThatMatters() {
    CudaSource source = source("a.cu", "text", Map.of("h", "x"));
    Set<String> keys = new HashSet<>();
    String key = CubinCache.key(source, List.of("-DA=1", "-DB=2"), "13.1");
    assertEquals(64, key.length());
    assertEquals(
        key,
        CubinCache.key(
            source("a.cu", "text", Map.of("h", "x")), List.of("-DA=1", "-DB=2"), "13.1"));
    keys.add(key);
    for (String other :
        List.of(
            CubinCache.key(source, List.of("-DA=1"), "13.1"),
            CubinCache.key(source, List.of("-DA=1-DB=2"), "13.1"),
            CubinCache.key(source, List.of("-DB=2", "-DA=1"), "13.1"),
            CubinCache.key(source, List.of("-DA=1", "-DB=2"), "13.2"),
            CubinCache.key(source("b.cu", "text", Map.of("h", "x")), List.of(), "13.1"),
            CubinCache.key(source("a.cu", "Text", Map.of("h", "x")), List.of(), "13.1"),
            CubinCache.key(source("a.cu", "text", Map.of("h", "y")), List.of(), "13.1"),
            CubinCache.key(source("a.cu", "text", Map.of("hx", "")), List.of(), "13.1"),
            CubinCache.key(source("a.cu", "text", Map.of()), List.of(), "13.1"))) {
      assertTrue(keys.add(other), other);
      assertNotEquals(key, other);
    }
  }

  private static CudaSource source(String name, String text, Map<String, String> headers) {
    return new CudaSource(name, text, new TreeMap<>(headers));
  }

  @Test
  void theDirectoryIsTheUsersChoice() {
    Path home = directory.toAbsolutePath();
    Map<String, String> xdg = Map.of("XDG_CACHE_HOME", home + "/xdg");
    assertEquals(Path.of("mine"), CubinCache.of("mine", xdg, home.toString()).directory());
    assertEquals(null, CubinCache.of("off", xdg, home.toString()).directory());
    assertEquals(
        home.resolve("xdg/autocircuit/cuda"),
        CubinCache.of(null, xdg, home.toString()).directory());
    for (Map<String, String> environment :
        List.of(Map.<String, String>of(), Map.of("XDG_CACHE_HOME", "relative"))) {
      assertEquals(
          home.resolve(".cache/autocircuit/cuda"),
          CubinCache.of("", environment, home.toString()).directory());
    }
    assertEquals(null, CubinCache.of(null, Map.of(), null).directory());
    assertFalse(CubinCache.ofUser().equals(new CubinCache(directory)));
  }
}
