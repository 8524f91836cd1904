package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.internal.NativeKernels;
import io.autocircuit.tensor.NativeThreads;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas_full;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

class KernelsProviderTest {
  private static final Set<InstructionSet> OLD =
      EnumSet.of(InstructionSet.BASELINE, InstructionSet.AVX2);

  @Test
  void autoTakesTheBestAndSaysSo() {
    assertEquals(InstructionSet.AVX2, KernelsProvider.select("auto", OLD));
    assertEquals(
        InstructionSet.BASELINE,
        KernelsProvider.select("auto", EnumSet.of(InstructionSet.BASELINE)));
    KernelsProvider.Choice choice = KernelsProvider.choose("auto");
    InstructionSet best = KernelsProvider.select("auto", InstructionSet.available());
    assertEquals("cpu-" + best.label(), choice.kernels().name());
    assertTrue(choice.reason().endsWith(best.label()), choice.reason());
  }

  @Test
  void aRequestIsObeyedOrRefused() {
    assertEquals(InstructionSet.BASELINE, KernelsProvider.select("baseline", OLD));
    assertEquals(
        "kernels=avx512 cannot run on this machine, which has baseline, avx2; use one of those or"
            + " auto",
        assertThrows(IllegalArgumentException.class, () -> KernelsProvider.select("avx512", OLD))
            .getMessage());
    assertEquals(
        "kernels=sse9 is unknown; use auto, libtorch, reference, baseline, avx2, avx512",
        assertThrows(IllegalArgumentException.class, () -> KernelsProvider.choose("sse9"))
            .getMessage());
    assertEquals("cpu-baseline", KernelsProvider.choose("baseline").kernels().name());
    assertEquals("cpu-reference", KernelsProvider.choose("reference").kernels().name());
  }

  @Test
  void libtorchsOperationsServeWhereNoLibraryOfOursIs() {
    KernelsProvider.Choice choice = KernelsProvider.choose("auto", true, "macosx-arm64");
    assertEquals("libtorch", choice.kernels().name());
    assertEquals(
        "libtorch's operations, as there is no native library of ours for macosx-arm64",
        choice.reason());
    // what is asked for by name is never replaced, and nothing is where the library is there
    assertEquals("cpu-baseline", KernelsProvider.choose("baseline", true, "-").kernels().name());
    assertTrue(KernelsProvider.choose("auto", false, "-").kernels().name().startsWith("cpu-"));
    assertFalse(NativeLibrary.missing());
  }

  @Test
  void libtorchsOperationsCanBeAskedFor() {
    KernelsProvider.Choice choice = KernelsProvider.choose("libtorch");
    assertEquals("libtorch", choice.kernels().name());
    assertEquals("libtorch's operations, as requested", choice.reason());
    assertTrue(KernelsProvider.ours());
    assertEquals(1, blasThreads());
    WithKernels.run(
        "libtorch",
        () -> {
          assertFalse(KernelsProvider.ours());
          assertEquals("libtorch", KernelsProvider.choose().kernels().name());
          assertEquals(2, blasThreads());
        });
    assertTrue(KernelsProvider.ours());
  }

  /** OpenBLAS's threads where native operations get two. */
  private static int blasThreads() {
    try (NativeThreads threads = KernelsProvider.threads(2)) {
      return openblas_full.openblas_get_num_threads();
    }
  }

  @Test
  void aMissingLibrarySaysHowToGetIt() {
    assertNull(NativeLibrary.library(NativeKernels.class, "plan9-mips"));
    assertNotNull(NativeLibrary.library(NativeKernels.class, Loader.getPlatform()));
    UnsatisfiedLinkError cause = new UnsatisfiedLinkError("no jniautocircuit");
    IllegalStateException e = NativeLibrary.unusable("plan9-mips", null, cause);
    assertEquals(
        "native library missing: platform=plan9-mips, name=jniautocircuit; run `mvn package` on"
            + " this platform (it needs g++), or use a jar that was built there",
        e.getMessage());
    assertSame(cause, e.getCause());
  }

  @Test
  void aBrokenLibraryIsAnErrorThatNamesIt() throws IOException {
    IllegalStateException e =
        NativeLibrary.unusable(
            "linux-x86_64",
            URI.create("file:/lib.so").toURL(),
            new UnsatisfiedLinkError("wrong ELF class"));
    assertEquals(
        "native library broken: file=file:/lib.so, error=wrong ELF class; delete target/ and"
            + " JavaCPP's cache (by default ~/.javacpp/cache), then run `mvn package`",
        e.getMessage());
  }

  @Test
  void oneOpenMpRuntimeInTheProcess() throws IOException {
    Path maps = Path.of("/proc/self/maps");
    Assumptions.assumeTrue(Files.exists(maps), "skipped: no /proc/self/maps here");
    InstructionSet.available();
    NativeThreads.one().close(); // loads libtorch and OpenBLAS too
    List<String> runtimes;
    try (Stream<String> lines = Files.lines(maps)) {
      runtimes =
          lines
              .filter(line -> line.matches(".*/lib(g|i)?omp[^/]*"))
              .map(line -> line.substring(line.indexOf('/')))
              .distinct()
              .toList();
    }
    assertEquals(1, runtimes.size(), runtimes.toString());
  }
}
