package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.Exhaustive;
import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.tensor.NativeThreads;
import io.autocircuit.tensor.NativeTuning;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.net.URL;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The first start of an installation, in processes of its own with a cache of its own. */
@Tag("slow")
class FirstStartTest {
  private static final int KILLS = Exhaustive.on() ? 10 : 4;
  private static final long SECONDS = 120;

  /** Bytes of the native libraries, about; the kills are spread over them. */
  private static final long LIBRARIES = 450_000_000;

  @TempDir Path folder;

  @Test
  void aFirstStartThatIsKilledTimeAndAgainLeavesAWorkingInstallation() throws Exception {
    Path cache = folder.resolve("cache");
    List<String> discover =
        List.of(
            "-Dorg.bytedeco.javacpp.cachedir=" + cache,
            // nothing is unpacked to the directory for temporary files
            "-Djava.io.tmpdir=" + folder.resolve("none"),
            Main.class.getName(),
            "discover",
            "--edges",
            "0,5",
            "--out",
            folder.resolve("out").toString());
    int killed = 0;
    for (int i = 1; i <= KILLS; i++) {
      Process process = start(discover);
      while (process.isAlive() && size(cache) < i * LIBRARIES / (KILLS + 1)) {
        Thread.sleep(2);
      }
      killed += process.isAlive() ? 1 : 0;
      process.destroyForcibly().waitFor();
      assertOnlyWholeLibraries(cache);
    }
    assertEquals(KILLS, killed, "killed while they unpacked");
    assertEquals(new Ended(0, "", ""), quiet(ended(discover)));
    try (Stream<Path> left = Files.walk(cache)) {
      assertEquals(
          List.of(), left.filter(f -> f.toString().endsWith("-unpacking")).toList(), "leftovers");
    }
    // what is damaged later is repaired: a library that is loaded by others, before JavaCPP looks
    Path libtorch;
    try (Stream<Path> files = Files.walk(cache)) {
      libtorch = files.filter(f -> f.endsWith("libtorch_cpu.so")).findFirst().orElseThrow();
    }
    try (var channel =
        java.nio.channels.FileChannel.open(libtorch, java.nio.file.StandardOpenOption.WRITE)) {
      channel.truncate(20_000_000);
    }
    assertEquals(new Ended(0, "", ""), quiet(ended(discover)));
    assertOnlyWholeLibraries(cache);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-Dorg.bytedeco.javacpp.cachedir=FILE",
        "-Dorg.bytedeco.javacpp.cachedir=FILE/below",
        "-Dorg.bytedeco.javacpp.cachedir=/proc/1/cache",
        "-Duser.home=FILE",
        "-Duser.home=/proc/1",
        "-Duser.home=?"
      })
  void aCacheThatCannotBeUsedIsOneLine(String option) throws Exception {
    Path temporary = Files.createDirectory(folder.resolve("temporary"));
    Path file = Files.writeString(folder.resolve("a file"), "");
    Path out = folder.resolve("out");
    Ended ended =
        ended(
            List.of(
                option.replace("FILE", file.toString()),
                "-Djava.io.tmpdir=" + temporary,
                Main.class.getName(),
                "discover",
                "--out",
                out.toString()));
    assertEquals(1, ended.code(), ended::toString);
    assertEquals("", ended.out());
    assertEquals(1, ended.err().lines().count(), ended::err);
    assertTrue(ended.err().startsWith("autocircuit: native library cache"), ended::err);
    assertTrue(ended.err().contains("-Dorg.bytedeco.javacpp.cachedir=DIR"), ended::err);
    assertFalse(Files.exists(out));
    // nothing with a name that others can foretell
    try (Stream<Path> files = Files.list(temporary)) {
      assertEquals(List.of(), files.toList());
    }
  }

  @Test
  void whoeverComesFirstUnpacksTheLibraries() throws Exception {
    Path file = Files.writeString(folder.resolve("a file"), "");
    Path temporary = Files.createDirectory(folder.resolve("temporary"));
    Ended ended =
        ended(
            List.of(
                "-Duser.home=" + file, "-Djava.io.tmpdir=" + temporary, FirstUses.class.getName()));
    assertEquals(0, ended.code(), ended::toString);
    List<String> refused =
        ended.out().lines().filter(l -> l.contains("native library cache=" + file)).toList();
    assertEquals(FirstUses.USES.size(), refused.size(), ended.out());
    try (Stream<Path> files = Files.list(temporary)) {
      assertEquals(List.of(), files.toList());
    }
  }

  /** The first uses of this library that need native ones; prints what each says. */
  public static final class FirstUses {
    /** A use. */
    interface Use {
      void run() throws Exception;
    }

    static final List<Use> USES =
        List.of(
            NativeTuning::apply,
            () -> new TensorScope().close(),
            () -> Tensors.zeros(ScalarType.Float, 1),
            () -> NativeThreads.one().close(),
            () -> Safetensors.open(Path.of("model.safetensors")).close(),
            () -> KernelsProvider.choose(),
            () -> HuggingFaceTokenizer.load(Path.of("tokenizer.json")));

    private FirstUses() {}

    /** No words. */
    public static void main(String[] words) {
      for (Use use : USES) {
        try {
          use.run();
          System.out.println("worked");
        } catch (Throwable e) {
          Throwable last = e;
          while (last.getCause() != null && !(last instanceof IllegalStateException)) {
            last = last.getCause();
          }
          System.out.println(last.getMessage());
        }
      }
    }
  }

  private record Ended(int code, String out, String err) {}

  /** Without what a good run says. */
  private static Ended quiet(Ended ended) {
    return ended.code() == 0 && ended.out().contains("report: ")
        ? new Ended(0, "", ended.err())
        : ended;
  }

  private Process start(List<String> words) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "-XX:-UsePerfData",
            "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"))));
    command.addAll(words);
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectOutput(folder.resolve("stdout").toFile())
            .redirectError(folder.resolve("stderr").toFile());
    builder.environment().keySet().removeAll(List.of("DJL_CACHE_DIR", "JAVA_TOOL_OPTIONS"));
    return builder.start();
  }

  private Ended ended(List<String> words) throws IOException, InterruptedException {
    Process process = start(words);
    try {
      assertTrue(process.waitFor(SECONDS, TimeUnit.SECONDS), "not done after " + SECONDS + " s");
    } finally {
      process.destroyForcibly();
    }
    return new Ended(
        process.exitValue(),
        Files.readString(folder.resolve("stdout")),
        Files.readString(folder.resolve("stderr")));
  }

  private static long size(Path directory) throws IOException {
    long[] size = {0};
    if (Files.exists(directory)) {
      Files.walkFileTree(
          directory,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
              size[0] += attributes.size();
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
              if (e instanceof NoSuchFileException) {
                return FileVisitResult.CONTINUE; // renamed meanwhile
              }
              throw e;
            }
          });
    }
    return size[0];
  }

  /** Every file has a temporary name, or the size that it has in its jar. */
  private static void assertOnlyWholeLibraries(Path cache) throws IOException {
    TreeMap<String, Long> wrong = new TreeMap<>();
    TreeSet<String> found = new TreeSet<>();
    try (Stream<Path> files = Files.walk(cache)) {
      for (Path file : files.filter(f -> !f.getFileName().toString().startsWith(".")).toList()) {
        if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
          Path inJar = cache.relativize(file);
          String name = "/" + inJar.subpath(1, inJar.getNameCount());
          URL resource = FirstStartTest.class.getResource(name.replace("_nolapack.so.0", ".so.0"));
          assertNotNull(resource, name);
          found.add(name);
          if (Files.size(file) != resource.openConnection().getContentLengthLong()) {
            wrong.put(name, Files.size(file));
          }
        }
      }
    }
    assertEquals(new TreeMap<>(), wrong, () -> "parts of libraries among " + found);
  }
}
