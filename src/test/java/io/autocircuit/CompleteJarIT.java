package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Test;

/** What is in the jars that the build made: whose software, under which licence. */
class CompleteJarIT {
  private static final Path LICENCES = Path.of("src/licences");
  private static final String INSIDE = "META-INF/licenses/";

  /** A licence or a notice in a library's jar. */
  private static final Pattern LICENCE =
      Pattern.compile("META-INF/([^/]*(LICEN[CS]E|NOTICE)[^/]*|AL2\\.0|LGPL2\\.1)");

  private static final Pattern NATIVE = Pattern.compile(".*\\.(so|dll|dylib)(\\.\\d+)*");

  private static JarFile complete() throws IOException {
    return new JarFile(System.getProperty("complete.jar", "target/autocircuit.jar"));
  }

  private static JarFile own() throws IOException {
    return new JarFile(System.getProperty("own.jar", "target/autocircuit-0.2.0-SNAPSHOT.jar"));
  }

  /** Cells of the rows of a table of THIRD-PARTY.md. */
  private static List<List<String>> table(String title) throws IOException {
    String page = Files.readString(Path.of("THIRD-PARTY.md"));
    String section = page.substring(page.indexOf("## " + title)).substring(3);
    int end = section.indexOf("\n## ");
    List<List<String>> rows = new ArrayList<>();
    for (String line : (end < 0 ? section : section.substring(0, end)).split("\n", -1)) {
      if (line.startsWith("| `")) {
        String[] cells = line.substring(1, line.length() - 1).split("\\|", -1);
        rows.add(Arrays.stream(cells).map(String::strip).toList());
      }
    }
    assertTrue(rows.size() > 5, title + " rows=" + rows.size());
    return rows;
  }

  private static List<String> quoted(String cell) {
    Matcher m = Pattern.compile("`([^`]+)`").matcher(cell);
    return m.results().map(r -> r.group(1)).toList();
  }

  @Test
  void everyLibraryIsListedWithItsVersionAndNoOther() throws IOException {
    JsonNode bill =
        new ObjectMapper()
            .readTree(new File(System.getProperty("bill.of.materials", "target/bom.json")));
    Set<String> built = new TreeSet<>();
    for (JsonNode c : bill.get("components")) {
      built.add(
          c.get("group").asText() + ":" + c.get("name").asText() + " " + c.get("version").asText());
    }
    Set<String> listed = new TreeSet<>();
    for (List<String> row : table("Java libraries")) {
      listed.add(quoted(row.get(0)).get(0) + " " + row.get(1));
    }
    assertEquals(built, listed);
    try (JarFile jar = complete()) {
      byte[] inside = read(jar, "META-INF/sbom/autocircuit.cdx.json");
      assertEquals(bill, new ObjectMapper().readTree(inside));
    }
  }

  @Test
  void everyNativeLibraryIsListed() throws IOException {
    List<Pattern> known = new ArrayList<>();
    for (List<String> row : table("Native libraries")) {
      String prefix = quoted(row.get(0)).get(0);
      known.add(
          Pattern.compile(
              Arrays.stream(prefix.split("\\*", -1))
                      .map(Pattern::quote)
                      .collect(Collectors.joining("[^/]+"))
                  + ".*"));
    }
    Set<Integer> used = new HashSet<>();
    try (JarFile jar = complete()) {
      for (String name : names(jar)) {
        if (NATIVE.matcher(name).matches()) {
          int row = 0;
          while (row < known.size() && !known.get(row).matcher(name).matches()) {
            row++;
          }
          assertTrue(row < known.size(), name + " is not in THIRD-PARTY.md");
          used.add(row);
        }
      }
    }
    assertEquals(known.size(), used.size(), "rows of THIRD-PARTY.md that name nothing");
  }

  @Test
  void everyTextTravelsInTheJar() throws IOException {
    try (JarFile jar = complete()) {
      Set<String> texts = new TreeSet<>();
      for (String title : List.of("Java libraries", "Native libraries")) {
        for (List<String> row : table(title)) {
          List<String> named = quoted(row.get(row.size() - 1));
          assertTrue(!named.isEmpty(), "no text for " + row);
          texts.addAll(named);
        }
      }
      Set<String> there = new TreeSet<>();
      try (Stream<Path> files = Files.walk(LICENCES)) {
        for (Path file : files.filter(Files::isRegularFile).toList()) {
          String name = LICENCES.relativize(file).toString().replace(File.separatorChar, '/');
          assertArrayEquals(Files.readAllBytes(file), read(jar, INSIDE + name), name);
          there.add(name.split("/", -1)[0]);
        }
      }
      assertEquals(texts, there, "texts that THIRD-PARTY.md names, and those there are");
      assertArrayEquals(
          Files.readAllBytes(Path.of("THIRD-PARTY.md")), read(jar, INSIDE + "THIRD-PARTY.md"));
    }
  }

  /** What a library's own jar says of its licence is among the texts, byte for byte. */
  @Test
  void librariesOwnTextsAreTheirs() throws IOException {
    Set<String> ours = new HashSet<>();
    try (Stream<Path> files = Files.walk(LICENCES)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        ours.add(Files.readString(file));
      }
    }
    String path =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    Set<String> libraries =
        table("Java libraries").stream()
            .map(row -> quoted(row.get(0)).get(0).split(":")[1] + "-" + row.get(1))
            .collect(Collectors.toSet());
    int texts = 0;
    for (String place : path.split(File.pathSeparator)) {
      String file = Path.of(place).getFileName().toString();
      if (libraries.stream().anyMatch(l -> file.startsWith(l) && file.endsWith(".jar"))) {
        try (JarFile jar = new JarFile(place)) {
          for (String name : names(jar)) {
            if (LICENCE.matcher(name).matches()) {
              String text = new String(read(jar, name), java.nio.charset.StandardCharsets.UTF_8);
              assertTrue(ours.contains(text), file + "!/" + name);
              texts++;
            }
          }
        }
      }
    }
    assertTrue(texts > 10, "texts=" + texts);
  }

  @Test
  void theLicenceOfBothJarsIsOurs() throws IOException {
    for (JarFile jar : List.of(complete(), own())) {
      try (jar) {
        assertArrayEquals(Files.readAllBytes(Path.of("LICENSE")), read(jar, "META-INF/LICENSE"));
        List<String> others =
            names(jar).stream()
                .filter(n -> LICENCE.matcher(n).matches() && !n.equals("META-INF/LICENSE"))
                .toList();
        assertEquals(List.of(), others, jar.getName());
      }
    }
  }

  @Test
  void ourOwnJarHoldsOurFilesAlone() throws IOException {
    try (JarFile jar = own()) {
      List<String> foreign =
          names(jar).stream()
              .filter(n -> !n.startsWith("io/autocircuit/") && !n.startsWith("META-INF/"))
              .toList();
      assertEquals(List.of(), foreign);
      Attributes manifest = jar.getManifest().getMainAttributes();
      assertEquals("io.autocircuit", manifest.getValue("Automatic-Module-Name"));
      assertNotNull(manifest.getValue("Implementation-Version"));
    }
  }

  private static List<String> names(JarFile jar) {
    return jar.stream().filter(e -> !e.isDirectory()).map(ZipEntry::getName).toList();
  }

  private static byte[] read(JarFile jar, String name) throws IOException {
    ZipEntry entry = jar.getEntry(name);
    assertNotNull(entry, name + " is not in " + jar.getName());
    try (var in = jar.getInputStream(entry)) {
      return in.readAllBytes();
    }
  }
}
