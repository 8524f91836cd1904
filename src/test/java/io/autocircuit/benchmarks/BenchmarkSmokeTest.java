package io.autocircuit.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.tensor.TensorScope;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.runner.BenchmarkList;
import org.openjdk.jmh.runner.BenchmarkListEntry;
import org.openjdk.jmh.runner.format.OutputFormat;
import org.openjdk.jmh.runner.format.OutputFormatFactory;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Calls every benchmark method once, at the smallest shape; the set-up checks the answers, and for
 * the kernels this test does so again.
 */
class BenchmarkSmokeTest {
  /** The methods that JMH will find, by class. */
  private static final Map<String, Set<String>> METHODS =
      Map.of(
          "PatchForwardBenchmark",
          Set.of("fused", "naive", "einsumOfDelta", "autocircuit", "matmul"),
          "PatchBackwardBenchmark",
          Set.of("fused", "naive", "einsum", "matmuls"),
          "PatchProjectBackwardBenchmark",
          Set.of("fused", "separate"),
          "AttentionBenchmark",
          Set.of("fused", "libtorch"),
          "CircuitBenchmark",
          Set.of("plain", "compile", "fromNothing", "asNeighbour"),
          "EngineBenchmark",
          Set.of("plain", "dense", "eap", "acdcStep"));

  @Test
  void everyMethodThatJmhFindsRuns() throws Exception {
    OutputFormat silent =
        OutputFormatFactory.createFormatInstance(
            new PrintStream(System.out, false, StandardCharsets.UTF_8), VerboseMode.SILENT);
    Map<String, Set<String>> found = new TreeMap<>();
    for (BenchmarkListEntry e : BenchmarkList.defaultList().getAll(silent, List.of())) {
      String type = e.getUserClassQName();
      found
          .computeIfAbsent(type, t -> new TreeSet<>())
          .add(e.getUsername().substring(type.length() + 1));
    }
    Map<String, Set<String>> simple = new TreeMap<>();
    found.forEach(
        (type, methods) -> simple.put(type.substring(type.lastIndexOf('.') + 1), methods));
    assertEquals(METHODS, simple);
    for (Map.Entry<String, Set<String>> e : found.entrySet()) {
      runAll(Class.forName(e.getKey()), e.getValue());
    }
  }

  private static void runAll(Class<?> type, Set<String> methods) throws Exception {
    Object benchmark = type.getConstructor().newInstance();
    for (Field f : type.getFields()) {
      if (f.isAnnotationPresent(Param.class)) {
        f.set(benchmark, smallest(f));
      }
    }
    for (Method m : type.getMethods()) {
      if (m.isAnnotationPresent(Setup.class)) {
        m.invoke(benchmark);
      }
    }
    try (TensorScope scope = new TensorScope()) {
      for (String m : methods) {
        assertNotNull(type.getMethod(m).invoke(benchmark), m);
      }
    } finally {
      for (Method m : type.getMethods()) {
        if (m.isAnnotationPresent(TearDown.class)) {
          m.invoke(benchmark);
        }
      }
    }
  }

  /** The first value of a parameter; an enumeration without values has all, smallest first. */
  private static Object smallest(Field parameter) {
    String value = parameter.getAnnotation(Param.class).value()[0];
    if (parameter.getType() == int.class) {
      return Integer.parseInt(value);
    }
    for (Object constant : parameter.getType().getEnumConstants()) {
      if (value.equals(Param.BLANK_ARGS) || constant.toString().equals(value)) {
        return constant;
      }
    }
    throw new AssertionError(parameter + " has no constant " + value);
  }

  @Test
  void patchForward() {
    PatchForwardBenchmark benchmark = new PatchForwardBenchmark();
    benchmark.shape = Shape.SMALL;
    benchmark.setUp();
    List<Supplier<Tensor>> variants =
        List.of(benchmark::fused, benchmark::einsumOfDelta, benchmark::autocircuit);
    try (TensorScope scope = new TensorScope()) {
      Tensor expected = benchmark.naive().clone();
      for (Supplier<Tensor> variant : variants) {
        assertTrue(torch.allclose(expected, variant.get(), 1e-4, 1e-5, false));
      }
      benchmark.matmul();
    } finally {
      benchmark.tearDown();
    }
  }

  @Test
  void patchBackward() {
    PatchBackwardBenchmark benchmark = new PatchBackwardBenchmark();
    benchmark.shape = Shape.SMALL;
    benchmark.setUp();
    try (TensorScope scope = new TensorScope()) {
      // the projection is idempotent, so each call finds the gradient it left
      Tensor expected = benchmark.naive().clone();
      for (Supplier<Tensor> variant :
          List.<Supplier<Tensor>>of(benchmark::fused, benchmark::einsum, benchmark::matmuls)) {
        assertTrue(torch.allclose(expected, variant.get(), 1e-4, 1e-3, false));
      }
    } finally {
      benchmark.tearDown();
    }
  }

  @Test
  void aWrongVariantIsRefused() {
    try (TensorScope scope = new TensorScope()) {
      Tensor one = torch.ones(3);
      assertThrows(
          IllegalStateException.class,
          () -> Variants.requireClose("x", one, one.mul(new Scalar(1.001))));
      assertThrows(
          IllegalStateException.class,
          () -> Variants.requireClose("x", one, one.mul(new Scalar(Double.NaN))));
      Variants.requireClose("x", one, one.mul(new Scalar(1.000001)));
    }
  }
}
