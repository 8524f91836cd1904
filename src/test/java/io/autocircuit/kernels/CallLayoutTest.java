package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The layouts in Java against the structures in C. */
class CallLayoutTest {
  private static final Path NATIVE = Path.of("native").toAbsolutePath();
  private static final Path CUDA = Path.of("cuda").toAbsolutePath();

  @TempDir Path directory;

  /** A program that compiles if, and only if, every field is where Java writes it. */
  private static String program(List<CallLayout> layouts, int shift) {
    StringBuilder text =
        new StringBuilder("#include \"emulator.h\"\n#include \"common.cuh\"\n#include <cstddef>\n");
    text.append("#include <type_traits>\nusing namespace autocircuit;\n");
    for (CallLayout layout : layouts) {
      String type = layout.structure();
      int at = 0;
      for (CallLayout.Field field : layout.fields()) {
        String of = "offsetof(" + type + ", " + field.name() + ")";
        String member = "decltype(std::declval<" + type + ">()." + field.name() + ")";
        String kind =
            switch (field.kind()) {
              case INTEGER -> "std::is_same_v<" + member + ", Int>";
              case REAL -> "std::is_same_v<" + member + ", double>";
              case ADDRESS -> "std::is_pointer_v<" + member + ">";
            };
        text.append("static_assert(").append(of).append(" == ").append(8 * at++ + shift);
        text.append(" && ").append(kind).append(", \"").append(field.name()).append("\");\n");
      }
      text.append("static_assert(sizeof(").append(type).append(") == ").append(8 * at);
      text.append(", \"size\");\n");
    }
    return text.toString();
  }

  private int compile(String program, Path log) throws Exception {
    Path source = Files.writeString(directory.resolve("layout.cpp"), program);
    return new ProcessBuilder(
            "g++",
            "-std=c++17",
            "-fsyntax-only",
            "-Wno-invalid-offsetof",
            "-I" + NATIVE.resolve("include"),
            "-I" + CUDA,
            "-I" + CUDA.resolve("test"),
            source.toString())
        .redirectErrorStream(true)
        .redirectOutput(log.toFile())
        .start()
        .waitFor();
  }

  @Test
  void everyFieldIsWhereTheCompilerPutsIt() throws Exception {
    assumeTrue(
        Programs.run("g++", "--version"), "no g++: the layouts of calls are not compared with C");
    Path log = directory.resolve("log.txt");
    assertEquals(0, compile(program(CallLayout.all(), 0), log), () -> Programs.printed(log));
    // and a layout that is wrong is seen
    assertEquals(
        1, compile(program(List.of(CallLayout.ACTIVATION), 8), log), () -> Programs.printed(log));
    assertTrue(
        Programs.printed(log).contains("static assertion failed"), () -> Programs.printed(log));
  }

  @Test
  void everyStructureHasALayout() throws IOException {
    List<String> structures = new ArrayList<>();
    Matcher call =
        Pattern.compile("struct (\\w+Call) \\{")
            .matcher(Files.readString(NATIVE.resolve("include/calls.h")));
    while (call.find()) {
      structures.add(call.group(1) + "<void>");
    }
    Matcher launch =
        Pattern.compile("struct (\\w+Launch) :")
            .matcher(Files.readString(CUDA.resolve("common.cuh")));
    while (launch.find()) {
      structures.add(launch.group(1));
    }
    assertEquals(structures, CallLayout.all().stream().map(CallLayout::structure).toList());
  }

  @Test
  void fieldsAreWrittenInOrderAndListsFollow() {
    long[] call =
        CallLayout.ACTIVATION
            .writer()
            .integers(1, 0, 7)
            .address(64)
            .address(0)
            .address(128)
            .words(new int[] {3, -4}, new int[] {5});
    assertArrayEquals(new long[] {1, 0, 7, 64, 0, 128, 3, -4, 5}, call);
    assertEquals(3, CallLayout.ACTIVATION.index("x"));
  }

  @Test
  void wrongWritesAreRefused() {
    CallLayout.Writer kind = CallLayout.ACTIVATION.writer().integers(1, 0, 7);
    assertEquals(
        "field=Field[name=x, kind=ADDRESS] of ActivationCall<void> is no REAL; write the fields in"
            + " the order of CallLayout",
        assertThrows(IllegalStateException.class, () -> kind.real(1)).getMessage());
    assertEquals(
        "field=Field[name=x, kind=ADDRESS] of ActivationCall<void> is not written",
        assertThrows(IllegalStateException.class, kind::words).getMessage());
    CallLayout.Writer full = CallLayout.ACTIVATION.writer().integers(1, 0, 7);
    full.address(1).address(1).address(1);
    assertTrue(
        assertThrows(IllegalStateException.class, () -> full.address(1))
            .getMessage()
            .startsWith("field=none of ActivationCall<void> is no ADDRESS"));
    assertTrue(
        assertThrows(IllegalArgumentException.class, () -> CallLayout.ACTIVATION.index("y"))
            .getMessage()
            .startsWith("field=y is not in ActivationCall<void>"));
  }
}
