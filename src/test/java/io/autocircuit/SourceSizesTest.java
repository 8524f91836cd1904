package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.LineMap;
import com.sun.source.tree.MethodTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreeScanner;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;

/** No source file of the library is over 500 lines, and no method over 80. */
class SourceSizesTest {
  private static final int FILE = 500;
  private static final int METHOD = 80;
  private static final Path SOURCES =
      Path.of(System.getProperty("basedir", "")).resolve("src/main/java");

  private static List<Path> sources() throws IOException {
    try (Stream<Path> all = Files.walk(SOURCES)) {
      return all.filter(p -> p.toString().endsWith(".java")).toList();
    }
  }

  @Test
  void filesAreShort() throws IOException {
    List<String> tooLong = new ArrayList<>();
    List<Path> sources = sources();
    for (Path p : sources) {
      int lines = Files.readAllLines(p).size();
      if (lines > FILE) {
        tooLong.add(SOURCES.relativize(p) + ": " + lines + " lines");
      }
    }
    assertTrue(sources.size() > 100, "sources found: " + sources.size());
    assertEquals(List.of(), tooLong);
  }

  @Test
  void methodsAreShort() throws IOException {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    List<String> found = new ArrayList<>();
    int[] methods = new int[1];
    try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
      JavacTask task =
          (JavacTask)
              compiler.getTask(
                  null,
                  files,
                  null,
                  List.of("-proc:none"),
                  null,
                  files.getJavaFileObjectsFromPaths(sources()));
      SourcePositions positions = Trees.instance(task).getSourcePositions();
      for (CompilationUnitTree unit : task.parse()) {
        LineMap lines = unit.getLineMap();
        new TreeScanner<Void, Void>() {
          @Override
          public Void visitMethod(MethodTree method, Void nothing) {
            long first = lines.getLineNumber(positions.getStartPosition(unit, method));
            long end = positions.getEndPosition(unit, method);
            long count = end < 0 ? 0 : lines.getLineNumber(end) - first + 1;
            methods[0]++;
            if (count > METHOD) {
              found.add(unit.getSourceFile().getName() + " " + method.getName() + ": " + count);
            }
            return super.visitMethod(method, nothing);
          }
        }.scan(unit, null);
      }
    }
    assertTrue(methods[0] > 1000, "methods found: " + methods[0]);
    assertEquals(List.of(), found);
  }
}
