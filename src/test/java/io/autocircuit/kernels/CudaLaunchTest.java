package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.CudaLaunch.Device;
import io.autocircuit.kernels.CudaLaunch.Plan;
import io.autocircuit.kernels.CudaTiling.Shape;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import org.junit.jupiter.api.Test;

class CudaLaunchTest {
  private static final Device H100 = new Device(132, 232_448, 233_472);
  private static final Normalization LAYER_NORM =
      new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);

  private static int option(CudaLaunch launch, String name) {
    String prefix = "-DAUTOCIRCUIT_" + name + "=";
    return launch.options().stream()
        .filter(option -> option.startsWith(prefix))
        .mapToInt(option -> Integer.parseInt(option.substring(prefix.length())))
        .findFirst()
        .orElseThrow();
  }

  private static Shape shape(int b, int t, int k, int s, int d) {
    return new Shape(ElementType.FLOAT32, b, t, k, s, d);
  }

  /** A tensor of these strides, the last one 1. */
  private static TensorView tensor(long address, long... strides) {
    return new TensorView("tensor", address, new long[0], strides);
  }

  static PatchForwardArguments forward(
      Shape s,
      TensorView resid,
      TensorView delta,
      TensorView mask,
      Normalization norm,
      TensorView out,
      TensorView rstd) {
    return new PatchForwardArguments(
        s.type(),
        s.prompts(),
        s.positions(),
        s.destinations(),
        s.sources(),
        s.channels(),
        resid,
        delta,
        mask,
        norm,
        out,
        rstd);
  }

  /** A contiguous call; the mask has axes of their own where its strides are not 0. */
  static PatchForwardArguments forward(Shape s, boolean perPrompt, boolean perPosition) {
    return forward(s, perPrompt, perPosition, 1 << 20, 1 << 23);
  }

  private static PatchForwardArguments forward(
      Shape s, boolean perPrompt, boolean perPosition, long resid, long out) {
    long rows = s.rows();
    long d = s.channels();
    long plane = (long) s.destinations() * s.sources();
    boolean reads = s.sources() > 0;
    long perPromptStride = (perPosition ? s.positions() : 1) * plane;
    return forward(
        s,
        tensor(resid, s.positions() * d, d, 1),
        reads ? tensor(1 << 21, rows * d, s.positions() * d, d, 1) : TensorView.NONE,
        reads
            ? tensor(
                1 << 22, perPrompt ? perPromptStride : 0, perPosition ? plane : 0, s.sources(), 1)
            : TensorView.NONE,
        LAYER_NORM,
        tensor(out, rows * d, s.positions() * d, d, 1),
        TensorView.NONE);
  }

  static PatchBackwardArguments backward(Shape s, boolean perPrompt, boolean perPosition) {
    PatchForwardArguments f = forward(s, perPrompt, perPosition);
    long rows = s.rows();
    long d = s.channels();
    return new PatchBackwardArguments(
        s.type(),
        s.prompts(),
        s.positions(),
        s.destinations(),
        s.sources(),
        d,
        f.out(),
        tensor(1 << 24, rows * d, s.positions() * d, d, 1),
        tensor(1 << 25, rows, s.positions(), 1),
        f.delta(),
        f.mask(),
        LAYER_NORM,
        s.sources() > 0 ? tensor(1 << 26, 1) : TensorView.NONE,
        perPrompt,
        perPosition,
        f.resid(),
        f.delta());
  }

  private static long field(CudaLaunch launch, CallLayout layout, String name) {
    return launch.fields().get(layout.index(name));
  }

  @Test
  void gpt2SmallBlock11() {
    Plan plan = PatchForwardPlan.of(H100, forward(shape(64, 64, 36, 144, 768), false, false));
    CudaLaunch launch = plan.launches().get(0);
    assertEquals(1, plan.launches().size());
    assertEquals(
        List.of(
            "-DAUTOCIRCUIT_BFLOAT16=0",
            "-DAUTOCIRCUIT_VECTOR=4",
            "-DAUTOCIRCUIT_PIECES=1",
            "-DAUTOCIRCUIT_DESTINATIONS=36",
            "-DAUTOCIRCUIT_STAGES=8",
            "-DAUTOCIRCUIT_CHUNKED=0",
            "-DAUTOCIRCUIT_THREADS=192",
            "-DAUTOCIRCUIT_BLOCKS=2"),
        launch.options());
    assertEquals(264, launch.gridX());
    assertEquals(192, launch.blockX());
    assertEquals(4L * 4096 * 768 * (144 + 1 + 36), plan.bytesMoved());
    assertEquals(2L * 36 * 144 * 4096 * 768 + 8L * 36 * 4096 * 768, plan.operations());
    assertEquals(0, plan.scratchBytes());
    assertTrue(2 * (launch.sharedBytes() + 1024) <= H100.sharedBytesPerMultiprocessor());
  }

  @Test
  void channelsAreCoveredOnce() {
    for (int d = 1; d <= 1700; d = d < 140 ? d + 1 : d + 61) {
      for (long misaligned : new long[] {0, 4, 8}) {
        PatchForwardArguments shifted =
            forward(shape(1, 2, 3, 2, d), false, false, (1 << 20) + misaligned, 1 << 23);
        CudaLaunch launch = PatchForwardPlan.of(H100, shifted).launches().get(0);
        int vector = option(launch, "VECTOR");
        int pieces = option(launch, "PIECES");
        int[] owners = new int[d];
        for (int x = 0; x < launch.blockX(); x++) {
          for (int piece = 0; piece < pieces; piece++) {
            int channel = (piece * launch.blockX() + x) * vector;
            for (int c = channel; channel < d && c < channel + vector; c++) {
              owners[c]++; // past the end, if the vector does not divide d
            }
          }
        }
        for (int owner : owners) {
          assertEquals(1, owner, "D=" + d);
        }
        assertEquals(0, d % vector);
        assertEquals(0, misaligned % (4L * vector));
        assertTrue(launch.blockX() % 32 == 0 && launch.blockX() * launch.blockY() <= 1024);
        assertTrue(launch.blockX() * launch.blockY() <= option(launch, "THREADS"));
      }
    }
  }

  @Test
  void rowsAreCoveredOnce() {
    int[] sizes = {1, 2, 3, 7, 31, 32, 33, 64};
    for (int b : sizes) {
      for (int t : sizes) {
        for (int axes = 0; axes < 4; axes++) {
          boolean perPrompt = (axes & 1) != 0;
          boolean perPosition = (axes & 2) != 0;
          PatchForwardArguments f = forward(shape(b, t, 5, 3, 40), perPrompt, perPosition);
          CudaLaunch launch = PatchForwardPlan.of(H100, f).launches().get(0);
          CallLayout layout = CallLayout.PATCH_FORWARD_LAUNCH;
          long groups = field(launch, layout, "rows.groups");
          long groupRows = field(launch, layout, "rows.group_rows");
          long tilesPerGroup = field(launch, layout, "tiles_per_group");
          assertEquals(b, field(launch, layout, "B"));
          assertTrue(tilesPerGroup * launch.blockY() >= groupRows);
          assertTrue((tilesPerGroup - 1) * launch.blockY() < groupRows);
          assertTrue(launch.gridX() <= groups * tilesPerGroup);
          int[] seen = new int[b * t];
          for (long g = 0; g < groups; g++) {
            int first = (int) (g * field(launch, layout, "rows.group_step"));
            for (long i = 0; i < groupRows; i++) {
              int row = (int) (first + i * field(launch, layout, "rows.row_step"));
              seen[row]++;
              if (perPrompt) {
                assertEquals(first / t, row / t);
              }
              if (perPosition) {
                assertEquals(first % t, row % t);
              }
            }
          }
          for (int count : seen) {
            assertEquals(1, count);
          }
        }
      }
    }
  }

  @Test
  void launchesStayWithinTheDevice() {
    Device small = new Device(1, 101_376, 102_400);
    for (Device device : List.of(H100, small, new Device(108, 166_912, 167_936))) {
      for (int k : new int[] {1, 3, 4, 36, 37, 96, 600}) {
        for (int s : new int[] {0, 1, 33, 144, 157, 1249, 5000}) {
          for (int d : new int[] {1, 64, 768, 1600, 4096, 12_288, 20_000}) {
            for (ElementType type : ModelLaunches.TYPES) {
              Shape shape = new Shape(type, 2, 17, k, s, d);
              Plan forward = PatchForwardPlan.of(device, forward(shape, true, false));
              Plan backward = PatchBackwardPlan.of(device, backward(shape, true, false));
              check(device, forward);
              check(device, backward);
              long last =
                  backward.launches().stream()
                      .filter(launch -> launch.entry().equals("patch_backward"))
                      .mapToLong(
                          launch ->
                              field(launch, CallLayout.PATCH_BACKWARD_LAUNCH, "first")
                                  + option(launch, "DESTINATIONS"))
                      .max()
                      .orElse(k);
              assertTrue(last >= k);
              CudaLaunch launch = forward.launches().get(0);
              if (launch.entry().equals("patch_forward")) {
                int tile = option(launch, "DESTINATIONS");
                assertTrue(launch.gridY() * tile >= k && (launch.gridY() - 1) * tile < k);
              }
            }
          }
        }
      }
    }
  }

  private static void check(Device device, Plan plan) {
    for (CudaLaunch launch : plan.launches()) {
      assertTrue(launch.gridX() >= 1, launch::toString);
      assertTrue(launch.gridY() >= 1 && launch.gridY() <= 65_535, launch::toString);
      assertTrue(launch.gridZ() >= 1 && launch.gridZ() <= 65_535, launch::toString);
      assertTrue(launch.blockX() * launch.blockY() <= 1024, launch::toString);
      assertTrue(
          launch.sharedBytes() >= 0 && launch.sharedBytes() <= device.sharedBytesPerBlock(),
          launch::toString);
    }
  }

  @Test
  void optionsDoNotDependOnRowsSourcesOrTheDevice() {
    List<String> options =
        PatchForwardPlan.of(H100, forward(shape(64, 64, 36, 144, 768), false, false))
            .launches()
            .get(0)
            .options();
    for (int s : new int[] {0, 1, 13, 157}) {
      Plan plan =
          PatchForwardPlan.of(
              new Device(7, 232_448, 233_472), forward(shape(1, 3, 36, s, 768), true, true));
      assertEquals(options, plan.launches().get(0).options());
    }
  }

  @Test
  void scratchHoldsThePartialSums() {
    Shape shape = shape(64, 64, 36, 144, 768);
    Plan plan = PatchBackwardPlan.of(H100, backward(shape, false, false));
    CudaLaunch products = plan.launches().get(1);
    assertEquals("patch_backward_products", products.entry());
    assertEquals(256, products.gridX());
    assertEquals(256L * 36 * 144 * 4, plan.scratchBytes());
    long[] with = products.parameters(4242);
    assertEquals(4242, with[products.scratchField()]);
    assertEquals(0, products.parameters(0)[products.scratchField()]);
    assertNotEquals(-1, products.scratchField());
    assertEquals(-1, plan.launches().get(0).scratchField());
    assertEquals("patch_backward_sums", plan.launches().get(2).entry());
    assertTrue(plan.launches().get(2).gridX() * 64L >= 36 * 144);
    // an entry per row: no second stage
    Plan perRow = PatchBackwardPlan.of(H100, backward(shape, true, true));
    assertEquals(0, perRow.scratchBytes());
    assertEquals(2, perRow.launches().size());
  }

  @Test
  void productsCoverAllRowsDestinationsAndSources() {
    for (int k : new int[] {1, 2, 3, 4, 5, 36, 37, 75}) {
      for (int s : new int[] {1, 31, 32, 33, 144, 145, 157, 290}) {
        for (int rows : new int[] {1, 263, 264, 265, 1000}) {
          Plan plan = PatchBackwardPlan.of(H100, backward(shape(1, rows, k, s, 8), false, false));
          CudaLaunch launch = plan.launches().get(1);
          int lanes = option(launch, "LANES_K");
          assertTrue(launch.gridZ() * lanes * option(launch, "TILE_K") >= k);
          assertTrue(launch.gridY() * 2 * (32 / lanes) * option(launch, "TILE_S") >= s);
          assertTrue(option(launch, "TILE_K") * option(launch, "TILE_S") <= 81);
          long chunkRows = field(launch, CallLayout.MASK_GRADIENT_LAUNCH, "chunk_rows");
          long chunks = field(launch, CallLayout.MASK_GRADIENT_LAUNCH, "chunks_per_group");
          assertTrue(chunkRows * chunks >= rows && chunkRows * (chunks - 1) < rows);
        }
      }
    }
  }

  @Test
  void nothingToDoIsNoLaunch() {
    Shape shape = shape(2, 3, 4, 5, 8);
    PatchBackwardArguments b = backward(shape, false, false);
    Plan plan =
        PatchBackwardPlan.of(
            H100,
            new PatchBackwardArguments(
                shape.type(),
                b.prompts(),
                b.positions(),
                b.destinations(),
                b.sources(),
                b.channels(),
                b.gradOut(),
                TensorView.NONE,
                TensorView.NONE,
                TensorView.NONE,
                TensorView.NONE,
                Normalization.NONE,
                TensorView.NONE,
                false,
                false,
                TensorView.NONE,
                TensorView.NONE));
    assertEquals(List.of(), plan.launches());
  }

  @Test
  void missingAndMisalignedTensorsAreRefused() {
    Shape shape = shape(2, 3, 4, 5, 8);
    PatchForwardArguments f = forward(shape, false, false);
    IllegalArgumentException missing =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                PatchForwardPlan.of(
                    H100,
                    forward(
                        shape,
                        f.resid(),
                        f.delta(),
                        TensorView.NONE,
                        LAYER_NORM,
                        f.out(),
                        TensorView.NONE)));
    assertEquals("mask=none; it is needed with these arguments", missing.getMessage());
    assertThrows(
        IllegalArgumentException.class,
        () -> PatchForwardPlan.of(H100, forward(shape, false, false, 1 << 20, (1 << 23) + 1)));
    assertThrows(IllegalArgumentException.class, () -> new Device(1, 49_152, 65_536));
    assertThrows(IllegalArgumentException.class, () -> shape(0, 1, 1, 1, 1));
    assertThrows(IllegalArgumentException.class, () -> shape(1 << 15, 1 << 15, 1, 1, 1));
  }

  @Test
  void theSourcesTravelWithTheLibrary() throws IOException {
    for (String name :
        List.of(
            "calls.h",
            "common.cuh",
            "patch_forward.cu",
            "patch_forward_naive.cu",
            "patch_backward.cu",
            "patch_backward_mask.cu",
            "patch_backward_naive.cu")) {
      try (InputStream in =
          CudaLaunch.class.getClassLoader().getResourceAsStream("io/autocircuit/cuda/" + name)) {
        assertTrue(in != null && in.readAllBytes().length > 0, name);
      }
    }
  }
}
