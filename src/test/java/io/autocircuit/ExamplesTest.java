package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.tools.ToolProvider;
import javax.xml.parsers.DocumentBuilderFactory;
import jdk.jshell.JShell;
import jdk.jshell.Snippet;
import jdk.jshell.SnippetEvent;
import jdk.jshell.SourceCodeAnalysis;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The script and the notebook of docs/examples run as they are. */
@Tag("slow")
class ExamplesTest {
  private static final Path EXAMPLES = Path.of("docs", "examples");

  @TempDir Path folder;

  private static String classPath() {
    return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
  }

  private static String coordinates() throws Exception {
    var project =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(Path.of("pom.xml").toFile())
            .getDocumentElement();
    List<String> words = new ArrayList<>();
    for (String name : List.of("groupId", "artifactId", "version")) {
      for (var n = project.getFirstChild(); n != null; n = n.getNextSibling()) {
        if (n.getNodeName().equals(name)) {
          words.add(n.getTextContent().strip());
        }
      }
    }
    return String.join(":", words);
  }

  @Test
  void theScript() throws Exception {
    Path script = EXAMPLES.resolve("Circuit.java");
    assertTrue(Files.readString(script).contains("//DEPS " + coordinates() + "\n"));
    ByteArrayOutputStream messages = new ByteArrayOutputStream();
    String[] words = {"-proc:none", "-cp", classPath(), "-d", folder.toString(), script.toString()};
    int failed = ToolProvider.getSystemJavaCompiler().run(null, messages, messages, words);
    assertEquals(0, failed, messages::toString);
    PrintStream before = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (URLClassLoader loader = new URLClassLoader(new URL[] {folder.toUri().toURL()})) {
      System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
      loader
          .loadClass("Circuit")
          .getMethod("main", String[].class)
          .invoke(null, (Object) new String[0]);
    } finally {
      System.setOut(before);
    }
    String text = printed.toString(StandardCharsets.UTF_8);
    assertTrue(text.contains("A0.2->A1.1.K"), text);
    assertTrue(text.contains("9 of 81 edges"), text);
  }

  @Test
  void theNotebook() throws Exception {
    JsonNode cells =
        new ObjectMapper().readTree(EXAMPLES.resolve("circuit.ipynb").toFile()).get("cells");
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (JShell shell =
        JShell.builder()
            .out(new PrintStream(printed, true, StandardCharsets.UTF_8))
            .remoteVMOptions("--class-path", classPath(), "-XX:TieredStopAtLevel=1")
            .build()) {
      for (String path : classPath().split(java.io.File.pathSeparator, -1)) {
        shell.addToClasspath(path);
      }
      run(shell, "import java.util.*;"); // as the kernels do
      int count = 0;
      for (JsonNode cell : cells) {
        StringBuilder text = new StringBuilder();
        cell.get("source").forEach(line -> text.append(line.asText()));
        if (text.toString().startsWith("%maven ")) {
          assertEquals("%maven " + coordinates(), text.toString());
        } else if (cell.get("cell_type").asText().equals("code")) {
          run(shell, text.toString());
          count++;
        }
      }
      assertEquals(5, count, "cells of code");
    }
    String text = printed.toString(StandardCharsets.UTF_8);
    assertTrue(text.contains("A0.2->A1.1.K"), text);
    assertTrue(text.contains("   9 edges: "), text);
  }

  private static void run(JShell shell, String code) {
    String left = code;
    while (!left.isBlank()) {
      SourceCodeAnalysis.CompletionInfo next = shell.sourceCodeAnalysis().analyzeCompletion(left);
      for (SnippetEvent event : shell.eval(next.source())) {
        assertEquals(
            Snippet.Status.VALID,
            event.status(),
            () -> next.source() + shell.diagnostics(event.snippet()).toList());
        assertEquals(null, event.exception(), next.source());
      }
      left = next.remaining();
    }
  }
}
