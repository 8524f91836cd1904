package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.cli.internal.ProcessImage;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Starts of a jar in processes of their own: what they load, and that they say the same. */
@Tag("slow")
@EnabledOnOs(OS.LINUX)
class StartTest {
  private static final long SECONDS = 180;

  @TempDir static Path directory;
  private static Path jar;

  @TempDir Path folder;

  private record Ended(int code, String out, String err) {}

  /** Our classes as a jar that names the others'. */
  @BeforeAll
  static void aJar() throws IOException, URISyntaxException {
    jar = directory.resolve("autocircuit-of-tests.jar");
    Manifest manifest = new Manifest();
    Attributes attributes = manifest.getMainAttributes();
    attributes.put(Attributes.Name.MANIFEST_VERSION, "1.0");
    attributes.put(Attributes.Name.MAIN_CLASS, Start.class.getName());
    attributes.put(
        Attributes.Name.CLASS_PATH,
        Arrays.stream(classPath().split(File.pathSeparator, -1))
            .filter(p -> p.endsWith(".jar"))
            .map(p -> Path.of(p).toUri().toString())
            .collect(Collectors.joining(" ")));
    Path classes = Path.of(Start.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    try (OutputStream out = Files.newOutputStream(jar);
        JarOutputStream zip = new JarOutputStream(out, manifest);
        Stream<Path> files = Files.walk(classes)) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        zip.putNextEntry(new ZipEntry(classes.relativize(file).toString()));
        zip.write(Files.readAllBytes(file));
        zip.closeEntry();
      }
    }
  }

  private static String classPath() {
    return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
  }

  private Ended run(List<String> options, List<String> words) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.addAll(words);
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectOutput(folder.resolve("stdout").toFile())
            .redirectError(folder.resolve("stderr").toFile());
    builder
        .environment()
        .keySet()
        .removeAll(Set.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"));
    Process process = builder.start();
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

  /** {@code java -jar}, with the archive in a directory of this test. */
  private Ended jar(List<String> options, String... words) throws Exception {
    List<String> all = new ArrayList<>(List.of("-Dautocircuit.archive=" + cache()));
    all.addAll(options);
    List<String> rest = new ArrayList<>(List.of("-jar", jar.toString()));
    rest.addAll(List.of(words));
    return run(all, rest);
  }

  private Path cache() {
    return folder.resolve("start");
  }

  private List<String> cached(String end) throws IOException {
    try (Stream<Path> files = Files.list(cache())) {
      return files.map(Path::toString).filter(f -> f.endsWith(end)).toList();
    }
  }

  @Test
  void withAndWithoutAnArchiveACommandSaysTheSame() throws Exception {
    String[] words = {"discover", "--edges", "0,9", "--out", folder.resolve("out").toString()};
    Ended plain = jar(List.of("-Dautocircuit.archive=off"), words);
    assertEquals(0, plain.code(), plain::err);
    assertFalse(Files.exists(cache()));
    assertEquals(plain, jar(List.of(), words), "that makes the archive");
    assertEquals(1, cached(".new").size());
    assertEquals(plain, jar(List.of(), words), "that reads it");
    assertEquals(1, cached(".jsa").size());
    assertEquals(List.of(), cached(".new"));

    // Chosen as the virtual machine says: from the archive, ours and what JNI looks up of libtorch
    Ended log = jar(List.of("-Xlog:class+load"), words);
    List<String> loaded = log.out().lines().filter(l -> l.contains(" source: ")).toList();
    long shared = loaded.stream().filter(l -> l.contains("shared objects file (top)")).count();
    assertTrue(shared > 500, "classes from the archive: " + shared + " of " + loaded.size());
    assertTrue(
        loaded.stream().filter(l -> l.contains("io.autocircuit.")).count() > 300, "ours are read");
    assertEquals(
        List.of(),
        loaded.stream()
            .filter(l -> l.contains("] io.autocircuit.") && l.contains("source: file:"))
            .filter(l -> !l.contains("cli.Start ") && !l.contains("cli.ClassArchive "))
            .filter(l -> !l.contains("cli.internal.ProcessImage "))
            // what implements picocli's interfaces, which are too old for an archive
            .filter(
                l ->
                    !l.matches(
                        ".*(Main\\$Version|HubOption\\$Factory|EntryOptions\\$\\w*Adder) .*"))
            .toList(),
        "ours that are not in the archive");
  }

  @Test
  void anArchiveThatIsDamagedOrOfAnotherJarIsPassedOver() throws Exception {
    String[] words = {"discover", "--no-such-option"};
    Ended plain = jar(List.of("-Dautocircuit.archive=off"), words);
    assertEquals(2, plain.code());
    assertEquals(plain, jar(List.of(), words));
    assertEquals(plain, jar(List.of(), words));
    Path archive = Path.of(cached(".jsa").get(0));
    assertEquals(plain, jar(List.of("-XX:+UseParallelGC"), words), "another collector");
    assertTrue(archive.toFile().setWritable(true));
    byte[] bytes = Files.readAllBytes(archive);
    Files.write(archive, Arrays.copyOf(bytes, bytes.length / 2));
    assertEquals(plain, jar(List.of(), words), "half of an archive, which is made again");
    assertEquals(plain, jar(List.of(), words));
    archive = Path.of(cached(".jsa").get(0));
    // a jar that was changed since, under the name of the one before
    FileTime before = Files.getLastModifiedTime(jar);
    try {
      assertTrue(jar.toFile().setLastModified(1_000_000_000_000L));
      assertEquals(plain, jar(List.of(), words), "another jar");
      assertFalse(Files.exists(archive), "its archive is removed");
    } finally {
      Files.setLastModifiedTime(jar, before);
    }
  }

  @Test
  void wordsArriveAsTheyWereTyped() throws Exception {
    String strange = "ä\n \"'$* \\ ";
    Ended plain = jar(List.of("-Dautocircuit.archive=off"), "discover", strange, "");
    assertEquals(2, plain.code());
    assertEquals(plain, jar(List.of(), "discover", strange, ""));
    assertEquals(1, cached(".new").size());
    Path file = Files.writeString(directory.resolve("a file"), "");
    assertEquals(
        plain, jar(List.of("-Dautocircuit.archive=" + file), "discover", strange, ""), "a file");
  }

  @Test
  void aCommandLoadsOnlyWhatItNeeds() throws Exception {
    assertEquals(
        // org.apache: quantiles of intervals
        Set.of("io.autocircuit", "picocli", "org.bytedeco", "com.fasterxml", "org.apache"),
        origins("discover", "--edges", "0,9", "--out", folder.resolve("out").toString()),
        "what discover loads");
  }

  /** Where the classes that a command loads are from, beside the virtual machine's own. */
  private Set<String> origins(String... words) throws Exception {
    List<String> all = new ArrayList<>(List.of("-cp", classPath(), Main.class.getName()));
    all.addAll(List.of(words));
    Ended ended = run(List.of("-Xlog:class+load:file=" + folder.resolve("log")), all);
    assertEquals(0, ended.code(), ended::err);
    Set<String> origins = new TreeSet<>();
    for (String line : Files.readAllLines(folder.resolve("log"))) {
      String name = line.replaceFirst("^(\\[[^\\]]*\\])+ ", "").split(" ", -1)[0];
      if (!name.matches("(java|jdk|sun|javax|com\\.sun)\\..*")) {
        String[] parts = name.split("\\.", -1);
        origins.add(parts[0].equals("picocli") ? parts[0] : parts[0] + "." + parts[1]);
      }
    }
    return origins;
  }

  @Test
  void theLibraryLiesBesideItsClass() {
    assertTrue(ProcessImage.class.getResource(ProcessImage.LIBRARY) != null, "made by the build");
  }
}
