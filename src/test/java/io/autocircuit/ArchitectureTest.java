package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchRule;
import io.autocircuit.graph.ComputationGraph;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * The library keeps {@link ArchitectureRules}, and each rule notices the classes under {@code
 * io.autocircuit.violations} that were written to break it, and no other.
 */
@Tag("slow")
class ArchitectureTest {
  private static final String VIOLATIONS = "io.autocircuit.violations";
  private static final Path BASE = Path.of(System.getProperty("basedir", ""));

  /** Each rule, and the simple names of the classes under {@code violations} that break it. */
  private static final Map<String, Breaks> RULES =
      Map.of(
          "packages import only from their left",
          new Breaks(
              ArchitectureRules::packagesImportOnlyFromTheirLeft,
              "graph.ImportsFromTheRight",
              "tensor.HalfOfACycle"),
          "every package is in the arrow",
          new Breaks(
              ArchitectureRules::everyPackageIsInTheArrow, "window.Unlisted", "util.Whatever"),
          "no package has an empty name",
          new Breaks(
              ArchitectureRules::noPackageHasAnEmptyName, "util.Whatever", "data.common.Whatever"),
          "no cycles",
          new Breaks(
              ArchitectureRules::noCycles, "tensor.HalfOfACycle", "kernels.OtherHalfOfTheCycle"),
          "report imports no libtorch",
          new Breaks(ArchitectureRules::reportImportsNoLibtorch, "report.HoldsATensor"),
          "bindings are internal",
          new Breaks(
              ArchitectureRules::bindingsAreInternal,
              "kernels.AnnotatedBinding",
              "model.PointerBinding"),
          "native methods are internal",
          new Breaks(ArchitectureRules::nativeMethodsAreInternal, "kernels.AnnotatedBinding"),
          "internals are used by their own package",
          new Breaks(
              ArchitectureRules::internalsAreUsedByTheirOwnPackage, "model.ReachesIntoKernels"),
          "runs make tensors beside the model",
          new Breaks(
              ArchitectureRules::runsMakeTensorsBesideTheModel,
              "patch.MakesTensors",
              "prune.MakesTensors"),
          "static fields are final",
          new Breaks(ArchitectureRules::staticFieldsAreFinal, "patch.GlobalState"));

  @TempDir Path directory;

  private record Breaks(Function<ArchitectureRules, ArchRule> rule, Set<String> classes) {
    Breaks(Function<ArchitectureRules, ArchRule> rule, String... classes) {
      this(rule, Set.of(classes));
    }
  }

  private static JavaClasses library() {
    return new ClassFileImporter()
        .importUrl(ComputationGraph.class.getProtectionDomain().getCodeSource().getLocation());
  }

  private static JavaClasses violations() {
    return new ClassFileImporter().importPackages(VIOLATIONS);
  }

  @TestFactory
  Stream<DynamicTest> theLibraryKeepsTheRules() {
    JavaClasses library = library();
    assertTrue(library.contain("io.autocircuit.patch.Evaluation"), "classes of the library found");
    return RULES.entrySet().stream()
        .map(
            e ->
                DynamicTest.dynamicTest(
                    e.getKey(),
                    () ->
                        e.getValue()
                            .rule()
                            .apply(new ArchitectureRules("io.autocircuit"))
                            .check(library)));
  }

  @TestFactory
  Stream<DynamicTest> eachRuleNoticesWhoBreaksIt() {
    JavaClasses violations = violations();
    return RULES.entrySet().stream()
        .map(
            e ->
                DynamicTest.dynamicTest(
                    e.getKey(),
                    () -> {
                      List<String> details =
                          e.getValue()
                              .rule()
                              .apply(new ArchitectureRules(VIOLATIONS))
                              .evaluate(violations)
                              .getFailureReport()
                              .getDetails();
                      Set<String> noticed = new TreeSet<>();
                      for (String line : String.join("\n", details).split("\n", -1)) {
                        violations.stream()
                            .map(c -> c.getName().substring(VIOLATIONS.length() + 1))
                            .filter(name -> blames(line, name))
                            .forEach(noticed::add);
                      }
                      assertEquals(
                          new TreeSet<>(e.getValue().classes()), noticed, details::toString);
                    }));
  }

  /** Whether the first class that a line of a failure report names is that class. */
  private static boolean blames(String line, String name) {
    int first = line.indexOf(VIOLATIONS + ".");
    return first >= 0 && line.startsWith(name, first + VIOLATIONS.length() + 1);
  }

  @Test
  void everyPackageExplainsItself() {
    assertEquals(List.of(), ArchitectureRules.packagesWithoutInfo(BASE.resolve("src/main/java")));
  }

  @Test
  void aPackageThatDoesNotExplainItselfIsNoticed() throws IOException {
    write("good/A.java", "package good; class A {}");
    write("good/package-info.java", "/**\n * Does one thing.\n */\npackage good;");
    write("silent/A.java", "package silent; class A {}");
    write("bare/A.java", "package bare; class A {}");
    write("bare/package-info.java", "package bare;");
    write("blank/package-info.java", "/** */\npackage blank;");
    write("onlyothers/deeper/package-info.java", "/**\n * Deeper.\n */\npackage deeper;");
    assertEquals(
        List.of(directory.resolve("bare"), directory.resolve("blank"), directory.resolve("silent")),
        ArchitectureRules.packagesWithoutInfo(directory));
  }

  @Test
  void theLibraryKnowsNothingOfTheReferenceData() {
    assertEquals(
        List.of(), ArchitectureRules.filesMentioning(BASE.resolve("src/main"), "../shared"));
    assertEquals(List.of(), ArchitectureRules.filesMentioning(BASE.resolve("native"), "../shared"));
  }

  @Test
  void aFileThatMentionsTheReferenceDataIsNoticed() throws IOException {
    write("a/A.java", "class A { String path = \"../shared/reference\"; }");
    write("a/B.java", "class B { String path = \"shared\"; }");
    assertEquals(
        List.of(directory.resolve("a/A.java")),
        ArchitectureRules.filesMentioning(directory, "../shared"));
  }

  private void write(String name, String text) throws IOException {
    Path file = directory.resolve(name);
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
  }
}
