package io.autocircuit.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.Forked;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What libtorch's OpenMP runtime reads when this library loads it, in processes of their own. */
@Tag("slow")
class NativeTuningTest {
  @TempDir Path folder;

  /** Uses the library, and nothing of its set-up. */
  public static final class Use {
    private Use() {}

    /** No words. */
    public static void main(String[] words) {
      try (TensorScope scope = new TensorScope()) {
        System.out.println("sum " + Tensors.zeros(ScalarType.Float, 2).sum().item_float());
      }
      System.out.println("idle threads sleep: " + NativeTuning.idleThreadsSleep());
    }
  }

  /** What the process prints; libgomp tells its settings when it is loaded. */
  private List<String> printed(List<String> java, Map<String, String> environment)
      throws Exception {
    Map<String, String> all = new java.util.TreeMap<>(environment);
    all.put("OMP_DISPLAY_ENV", "verbose");
    return Forked.run(folder.resolve("log"), java, all, Use.class).stream()
        .map(String::strip)
        .filter(l -> l.contains("GOMP_SPINCOUNT") || l.startsWith("sum") || l.startsWith("idle"))
        .map(l -> l.replaceFirst("^\\[host\\] ", ""))
        .toList();
  }

  @Test
  void theFirstUseTunes() throws Exception {
    assertEquals(
        List.of("GOMP_SPINCOUNT = '0'", "sum 0.0", "idle threads sleep: true"),
        printed(List.of(), Map.of()));
  }

  @Test
  void aPropertySwitchesItOff() throws Exception {
    List<String> lines = printed(List.of("-Dautocircuit.tuning=false"), Map.of());
    assertEquals(3, lines.size(), lines::toString);
    assertEquals(false, lines.get(0).contains("'0'"), lines::toString);
    assertEquals("idle threads sleep: false", lines.get(2));
  }

  @Test
  void whatTheEnvironmentSaysWins() throws Exception {
    List<String> lines = printed(List.of(), Map.of("OMP_WAIT_POLICY", "active"));
    assertEquals(false, lines.get(0).contains("'0'"), lines::toString);
    assertEquals("idle threads sleep: false", lines.get(2));
  }
}
