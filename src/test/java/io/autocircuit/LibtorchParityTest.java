package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.kernels.KernelsProvider;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * {@link ReferenceParityTest} as on a machine that our native library is not compiled for: every
 * model's every case in libtorch's operations; of the largest model those of one evaluation each,
 * as the others (training, ACDC, curves) take minutes and are the same operations again. All:
 * {@code -Dtest=ReferenceParityTest -Dautocircuit.kernels=libtorch}.
 */
@Tag("slow")
class LibtorchParityTest extends ReferenceParityTest {
  /** The model whose every case is run. */
  private static final String WHOLE = "tiny-llama-gqa";

  private static final Set<String> OF_ONE_EVALUATION =
      Set.of("graph", "logits", "mask_gradient", "patched_logits", "src_ablations");

  private static String before;

  @BeforeAll
  static void askForLibtorch() {
    before = System.getProperty(KernelsProvider.PROPERTY);
    System.setProperty(KernelsProvider.PROPERTY, "libtorch");
  }

  @AfterAll
  static void setBack() {
    if (before == null) {
      System.clearProperty(KernelsProvider.PROPERTY);
    } else {
      System.setProperty(KernelsProvider.PROPERTY, before);
    }
  }

  @Override
  boolean wanted(Path folder, String kind) {
    return folder.getFileName().toString().equals(WHOLE) || OF_ONE_EVALUATION.contains(kind);
  }

  @Override
  boolean whole() {
    return false;
  }

  @Test
  @Override
  void everyCaseOfEveryModel() throws IOException {
    assertEquals("libtorch", KernelsProvider.choose().kernels().name());
    super.everyCaseOfEveryModel();
  }
}
