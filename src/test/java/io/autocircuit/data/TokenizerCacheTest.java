package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import io.autocircuit.Forked;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** DJL's cache: in processes of its own, since a library is loaded once. */
@Tag("slow")
class TokenizerCacheTest {
  @TempDir Path folder;

  @Test
  void damagedLibrariesAreRepaired() throws Exception {
    assertEquals(List.of("loaded"), load("first"));
    Path library = library();
    for (long size : new long[] {0, 1000, Files.size(library) - 1}) {
      try (FileChannel channel = FileChannel.open(library, StandardOpenOption.WRITE)) {
        channel.truncate(size);
      }
      assertEquals(List.of("loaded"), load("after " + size));
    }
    Files.delete(library);
    assertEquals(List.of("loaded"), load("removed"));
  }

  @Test
  void twoFirstUsesAtOnceBothEndWell() throws Exception {
    ExecutorService both = Executors.newFixedThreadPool(2);
    try {
      List<Future<List<String>>> runs = new ArrayList<>();
      for (String name : List.of("one", "other")) {
        runs.add(both.submit(() -> load(name)));
      }
      for (Future<List<String>> run : runs) {
        assertEquals(List.of("loaded"), run.get());
      }
    } finally {
      both.shutdownNow();
    }
  }

  @Test
  void aCacheThatCannotBeUsedIsOneLineThatNamesIt() throws Exception {
    Path file = Files.writeString(folder.resolve("cache"), "");
    List<String> lines = load("file");
    assertEquals(1, lines.size(), lines::toString);
    assertTrue(lines.get(0).startsWith("native library cache=" + file), lines::toString);
    assertTrue(lines.get(0).contains("DJL_CACHE_DIR"), lines::toString);
  }

  @Test
  void platformsHaveTheNamesOfDjl() {
    assertEquals("linux-x86_64", TokenizerCache.platform("Linux", "amd64"));
    assertEquals("linux-aarch64", TokenizerCache.platform("Linux", "aarch64"));
    assertEquals("osx-aarch64", TokenizerCache.platform("Mac OS X", "aarch64"));
    assertEquals("win-x86_64", TokenizerCache.platform("Windows 11", "amd64"));
  }

  /** A process that loads the library. */
  public static final class Child {
    private Child() {}

    /** No words. */
    public static void main(String[] words) {
      try {
        TokenizerCache.prepare();
        LibUtils.checkStatus();
        System.out.println("loaded");
      } catch (IllegalStateException e) {
        System.out.println(e.getMessage());
      }
    }
  }

  private List<String> load(String name) throws IOException, InterruptedException {
    return Forked.run(
        folder.resolve(name + ".log"),
        List.of(
            "-DDJL_CACHE_DIR=" + folder.resolve("cache"),
            "-DOPT_OUT_TRACKING=true",
            "-Dai.djl.offline=true"),
        Map.of("DJL_CACHE_DIR", ""),
        Child.class);
  }

  private Path library() throws IOException {
    try (Stream<Path> files = Files.walk(folder.resolve("cache"))) {
      return files
          .filter(f -> f.endsWith(System.mapLibraryName("tokenizers")))
          .findFirst()
          .orElseThrow();
    }
  }
}
