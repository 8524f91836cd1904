package io.autocircuit;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.pytorch.global.torch;

/**
 * The rules of {@code docs/architecture.md}, for whatever lies under a root package: the library,
 * or a set of classes that breaks them.
 *
 * @param root the root package, such as {@code io.autocircuit}
 */
record ArchitectureRules(String root) {
  /** The packages under the root. Each imports only from itself and those before it. */
  static final List<String> ARROW =
      List.of(
          "graph",
          "files",
          "catalogue",
          "hub",
          "tensor",
          "kernels",
          "data",
          "objective",
          "model",
          "patch",
          "formats",
          "task",
          "prune",
          "metric",
          "experiment",
          "benchmark",
          "report",
          "cli");

  /** Names that say nothing about what a package is for. */
  private static final List<String> EMPTY_NAMES = List.of("util", "utils", "misc", "common");

  private static final Set<String> PROCESSOR_FACTORIES = Set.of("empty", "zeros", "of");

  private static final Set<String> LIBTORCH_FACTORIES =
      Set.of(
          "arange",
          "empty",
          "eye",
          "from_blob",
          "full",
          "linspace",
          "ones",
          "rand",
          "randint",
          "randn",
          "scalar_tensor",
          "tensor",
          "tril_indices",
          "triu_indices",
          "zeros");

  private static final Pattern DOCUMENTED =
      Pattern.compile("\\A/\\*\\*\\s+\\*\\s+\\S.*?\\*/\\s+package ", Pattern.DOTALL);

  /** Which package of the arrow a class is in; −1 for none. */
  private int place(JavaClass c) {
    String name = c.getPackageName();
    if (!name.startsWith(root + ".")) {
      return -1;
    }
    String rest = name.substring(root.length() + 1);
    int dot = rest.indexOf('.');
    return ARROW.indexOf(dot < 0 ? rest : rest.substring(0, dot));
  }

  ArchRule packagesImportOnlyFromTheirLeft() {
    return classes()
        .should(
            new ArchCondition<JavaClass>("import only from packages to their left in " + ARROW) {
              @Override
              public void check(JavaClass from, ConditionEvents events) {
                from.getDirectDependenciesFromSelf().stream()
                    .filter(d -> place(d.getTargetClass()) > place(from))
                    .forEach(d -> events.add(SimpleConditionEvent.violated(d, d.getDescription())));
              }
            });
  }

  ArchRule everyPackageIsInTheArrow() {
    return classes()
        .should(
            new ArchCondition<JavaClass>("be in one of the packages " + ARROW) {
              @Override
              public void check(JavaClass c, ConditionEvents events) {
                if (place(c) < 0 && !c.getSimpleName().equals("package-info")) {
                  events.add(
                      SimpleConditionEvent.violated(c, c.getName() + " is in an unlisted package"));
                }
              }
            });
  }

  ArchRule noPackageHasAnEmptyName() {
    return noClasses()
        .should()
        .resideInAnyPackage(
            EMPTY_NAMES.stream().map(n -> root + ".." + n + "..").toArray(String[]::new));
  }

  ArchRule noCycles() {
    return slices().matching(root + ".(**)").should().beFreeOfCycles();
  }

  ArchRule reportImportsNoLibtorch() {
    return noClasses()
        .that()
        .resideInAPackage(root + ".report..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.bytedeco..");
  }

  ArchRule bindingsAreInternal() {
    return noClasses()
        .that()
        .resideOutsideOfPackages(root + ".kernels.internal..", root + ".tensor.internal..")
        .should()
        .beAssignableTo(Pointer.class)
        .orShould()
        .beAnnotatedWith(Platform.class);
  }

  ArchRule nativeMethodsAreInternal() {
    return methods()
        .that()
        .areDeclaredInClassesThat()
        .resideOutsideOfPackages(
            root + ".kernels.internal..", root + ".tensor.internal..", root + ".cli.internal..")
        .should()
        .notHaveModifier(JavaModifier.NATIVE);
  }

  ArchRule internalsAreUsedByTheirOwnPackage() {
    return classes()
        .should(
            new ArchCondition<JavaClass>("use no other package's internals") {
              @Override
              public void check(JavaClass from, ConditionEvents events) {
                from.getDirectDependenciesFromSelf().stream()
                    .filter(d -> d.getTargetClass().getPackageName().startsWith(root + "."))
                    .filter(d -> d.getTargetClass().getPackageName().contains(".internal"))
                    .filter(d -> place(d.getTargetClass()) != place(from))
                    .forEach(d -> events.add(SimpleConditionEvent.violated(d, d.getDescription())));
              }
            });
  }

  /**
   * Tensors of a model's runs are made by its placement, so that they are beside its weights. The
   * factories that know no device are for what is loaded and for tests.
   */
  ArchRule runsMakeTensorsBesideTheModel() {
    return noClasses()
        .that()
        .resideInAnyPackage(root + ".objective..", root + ".patch..", root + ".prune..")
        .or()
        .resideInAPackage(root + ".metric..")
        .or()
        .haveFullyQualifiedName(root + ".model.Transformer")
        .should()
        .callMethodWhere(
            describe(
                "make tensors on the processor",
                call ->
                    (call.getTargetOwner().isEquivalentTo(Tensors.class)
                            && PROCESSOR_FACTORIES.contains(call.getName())
                        || call.getTargetOwner().isEquivalentTo(torch.class)
                            && LIBTORCH_FACTORIES.contains(call.getName()))));
  }

  ArchRule staticFieldsAreFinal() {
    return fields().that().areStatic().should().beFinal();
  }

  /** The directories under {@code sources} that hold classes but no documented package-info. */
  static List<Path> packagesWithoutInfo(Path sources) {
    return files(sources)
        .filter(f -> f.toString().endsWith(".java"))
        .map(Path::getParent)
        .distinct()
        .filter(
            d -> {
              Path info = d.resolve("package-info.java");
              return !Files.isRegularFile(info) || !DOCUMENTED.matcher(text(info)).find();
            })
        .toList();
  }

  /** The files under {@code directory} whose text contains {@code forbidden}. */
  static List<Path> filesMentioning(Path directory, String forbidden) {
    return files(directory).filter(f -> text(f).contains(forbidden)).toList();
  }

  private static Stream<Path> files(Path directory) {
    try (Stream<Path> walk = Files.walk(directory)) {
      return walk.filter(Files::isRegularFile).sorted().toList().stream();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Bytes as characters: the rules look for ASCII only, and images are no UTF-8. */
  private static String text(Path file) {
    try {
      return Files.readString(file, StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
