package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** {@code docs/defects.md}: every defect that is known has a row, and every row a test that is. */
class DefectsDocumentTest {
  private static final Path TESTS = Path.of("src/test/java");
  private static final Pattern ID = Pattern.compile("^\\| ([A-Z]\\d+[ab]?) \\|", Pattern.MULTILINE);
  private static final Pattern CODE = Pattern.compile("`([^`]+)`");

  private static List<String[]> rows() throws IOException {
    List<String[]> rows = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of("docs/defects.md"))) {
      if (line.matches("\\| [A-Z]\\d.*")) {
        rows.add(line.substring(2, line.length() - 2).split(" \\| "));
      }
    }
    return rows;
  }

  private static TreeMap<String, String> sources() throws IOException {
    TreeMap<String, String> sources = new TreeMap<>();
    try (Stream<Path> files = Files.walk(TESTS)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".java")).toList()) {
        String name = file.getFileName().toString();
        sources.put(name.substring(0, name.length() - ".java".length()), Files.readString(file));
      }
    }
    return sources;
  }

  @Test
  void everyRowNamesTestsThatThereAre() throws IOException {
    TreeMap<String, String> sources = sources();
    int found = 0;
    for (String[] row : rows()) {
      String cell = row[row.length - 1];
      assertEquals(4, row.length, row[0]);
      String type = "";
      int here = 0;
      for (Matcher m = CODE.matcher(cell); m.find(); ) {
        String[] words = m.group(1).split("\\.");
        if (Character.isUpperCase(m.group(1).charAt(0))) {
          type = words[0];
          assertTrue(sources.containsKey(type), row[0] + ": there is no " + type);
          here++;
        }
        // others without a class are kinds of cases, in parentheses, or tests of A to D
        boolean ofList = m.group(1).matches("[a-d]\\d+_\\w+");
        if (words.length == 2 || ofList) {
          String of = ofList ? "SpecificationDefectsTest" : type;
          String name = words[words.length - 1];
          assertTrue(
              sources.get(of).contains("void " + name + "("),
              row[0] + ": " + of + " has no test " + name);
          here++;
        }
      }
      assertTrue(here > 0 || cell.equals("the same"), row[0] + " names no test");
      found += here;
    }
    assertTrue(found > 100, found + " tests are named");
  }

  @Test
  void everyKnownDefectOfEapIgAndItsKindHasARow() throws IOException {
    Path list = Path.of(System.getProperty("reference.dir", ""), "../spec/eap-ig.md");
    boolean there = Files.isRegularFile(list);
    if (!there) {
      System.out.println("DefectsDocumentTest skipped: no specification beside reference.dir");
    }
    assumeTrue(there, "no specification beside reference.dir");
    List<String> missing = new ArrayList<>();
    ID.matcher(Files.readString(list)).results().forEach(m -> missing.add(m.group(1)));
    assertTrue(missing.size() > 40, missing::toString);
    rows().forEach(row -> missing.removeAll(List.of(row[0].split(", "))));
    assertEquals(List.of(), missing);
  }
}
