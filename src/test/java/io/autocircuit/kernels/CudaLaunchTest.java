package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.kernels.CudaLaunch.Backward;
import io.autocircuit.kernels.CudaLaunch.Device;
import io.autocircuit.kernels.CudaLaunch.ElementType;
import io.autocircuit.kernels.CudaLaunch.Forward;
import io.autocircuit.kernels.CudaLaunch.ForwardCircuit;
import io.autocircuit.kernels.CudaLaunch.Plan;
import io.autocircuit.kernels.CudaLaunch.Shape;
import io.autocircuit.kernels.CudaLaunch.Strided;
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

  /** A contiguous call; the mask has axes of their own where its strides are not 0. */
  static Forward forward(Shape s, boolean perPrompt, boolean perPosition) {
    long rows = (long) s.prompts() * s.positions();
    long d = s.channels();
    long plane = (long) s.destinations() * s.sources();
    boolean reads = s.sources() > 0;
    long perPromptStride = (perPosition ? s.positions() : 1) * plane;
    return new Forward(
        s,
        Strided.of(1 << 20, s.positions() * d, d),
        reads ? Strided.of(1 << 21, rows * d, s.positions() * d, d) : Strided.NONE,
        reads
            ? Strided.of(
                1 << 22, perPrompt ? perPromptStride : 0, perPosition ? plane : 0, s.sources())
            : Strided.NONE,
        LAYER_NORM,
        1 << 23,
        0);
  }

  static Backward backward(Shape s, boolean perPrompt, boolean perPosition) {
    Forward f = forward(s, perPrompt, perPosition);
    long rows = (long) s.prompts() * s.positions();
    long d = s.channels();
    return new Backward(
        s,
        1 << 23,
        Strided.of(1 << 24, rows * d, s.positions() * d, d),
        Strided.of(1 << 25, rows, s.positions(), 1),
        f.delta(),
        f.mask(),
        LAYER_NORM,
        s.sources() > 0 ? 1 << 26 : 0,
        perPrompt,
        perPosition,
        f.resid(),
        f.delta());
  }

  static ForwardCircuit circuit(Shape s) {
    Forward f = forward(s, false, false);
    return new ForwardCircuit(
        s, f.resid(), f.delta(), 1 << 27, 1 << 28, s.prompts(), 1, LAYER_NORM, f.out(), 0, 1);
  }

  @Test
  void gpt2SmallBlock11() {
    Plan plan = CudaLaunch.patchForward(H100, forward(shape(64, 64, 36, 144, 768), false, false));
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
        Forward f = forward(shape(1, 2, 3, 2, d), false, false);
        Forward shifted =
            new Forward(
                f.shape(),
                new Strided(f.resid().address() + misaligned, f.resid().strides()),
                f.delta(),
                f.mask(),
                f.norm(),
                f.out(),
                0);
        CudaLaunch launch = CudaLaunch.patchForward(H100, shifted).launches().get(0);
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
          Forward f = forward(shape(b, t, 5, 3, 40), perPrompt, perPosition);
          CudaLaunch launch = CudaLaunch.patchForward(H100, f).launches().get(0);
          List<Long> fields = launch.fields();
          long groups = fields.get(20);
          long groupRows = fields.get(21);
          long tilesPerGroup = fields.get(24);
          assertEquals(b, fields.get(13));
          assertTrue(tilesPerGroup * launch.blockY() >= groupRows);
          assertTrue((tilesPerGroup - 1) * launch.blockY() < groupRows);
          assertTrue(launch.gridX() <= groups * tilesPerGroup);
          int[] seen = new int[b * t];
          for (long g = 0; g < groups; g++) {
            int first = (int) (g * fields.get(22));
            for (long i = 0; i < groupRows; i++) {
              int row = (int) (first + i * fields.get(23));
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
            for (ElementType type : ElementType.values()) {
              Shape shape = new Shape(type, 2, 17, k, s, d);
              Plan forward = CudaLaunch.patchForward(device, forward(shape, true, false));
              Plan backward = CudaLaunch.patchBackward(device, backward(shape, true, false));
              check(device, forward);
              check(device, backward);
              long last =
                  backward.launches().stream()
                      .filter(launch -> launch.entry().equals("patch_backward"))
                      .mapToLong(launch -> launch.fields().get(32) + option(launch, "DESTINATIONS"))
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
        CudaLaunch.patchForward(H100, forward(shape(64, 64, 36, 144, 768), false, false))
            .launches()
            .get(0)
            .options();
    for (int s : new int[] {0, 1, 13, 157}) {
      Plan plan =
          CudaLaunch.patchForward(
              new Device(7, 232_448, 233_472), forward(shape(1, 3, 36, s, 768), true, true));
      assertEquals(options, plan.launches().get(0).options());
    }
  }

  @Test
  void scratchHoldsThePartialSums() {
    Shape shape = shape(64, 64, 36, 144, 768);
    Plan plan = CudaLaunch.patchBackward(H100, backward(shape, false, false));
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
    Plan perRow = CudaLaunch.patchBackward(H100, backward(shape, true, true));
    assertEquals(0, perRow.scratchBytes());
    assertEquals(2, perRow.launches().size());
  }

  @Test
  void productsCoverAllRowsDestinationsAndSources() {
    for (int k : new int[] {1, 2, 3, 4, 5, 36, 37, 75}) {
      for (int s : new int[] {1, 31, 32, 33, 144, 145, 157, 290}) {
        for (int rows : new int[] {1, 263, 264, 265, 1000}) {
          Plan plan =
              CudaLaunch.patchBackward(H100, backward(shape(1, rows, k, s, 8), false, false));
          CudaLaunch launch = plan.launches().get(1);
          int lanes = option(launch, "LANES_K");
          assertTrue(launch.gridZ() * lanes * option(launch, "TILE_K") >= k);
          assertTrue(launch.gridY() * 2 * (32 / lanes) * option(launch, "TILE_S") >= s);
          assertTrue(option(launch, "TILE_K") * option(launch, "TILE_S") <= 81);
          long chunkRows = launch.fields().get(16);
          long chunks = launch.fields().get(17);
          assertTrue(chunkRows * chunks >= rows && chunkRows * (chunks - 1) < rows);
        }
      }
    }
  }

  @Test
  void nothingToDoIsNoLaunch() {
    Shape shape = shape(2, 3, 4, 5, 8);
    Backward b = backward(shape, false, false);
    Plan plan =
        CudaLaunch.patchBackward(
            H100,
            new Backward(
                shape,
                b.gradOut(),
                Strided.NONE,
                Strided.NONE,
                Strided.NONE,
                Strided.NONE,
                Normalization.NONE,
                0,
                false,
                false,
                Strided.NONE,
                Strided.NONE));
    assertEquals(List.of(), plan.launches());
  }

  @Test
  void missingAndMisalignedTensorsAreRefused() {
    Shape shape = shape(2, 3, 4, 5, 8);
    Forward f = forward(shape, false, false);
    IllegalArgumentException missing =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                CudaLaunch.patchForward(
                    H100,
                    new Forward(
                        shape, f.resid(), f.delta(), Strided.NONE, LAYER_NORM, f.out(), 0)));
    assertEquals("mask=none; it is needed with these arguments", missing.getMessage());
    assertThrows(
        IllegalArgumentException.class,
        () ->
            CudaLaunch.patchForward(
                H100,
                new Forward(shape, f.resid(), f.delta(), f.mask(), LAYER_NORM, f.out() + 1, 0)));
    assertThrows(IllegalArgumentException.class, () -> new Device(1, 49_152, 65_536));
    assertThrows(IllegalArgumentException.class, () -> shape(0, 1, 1, 1, 1));
    assertThrows(IllegalArgumentException.class, () -> shape(1 << 15, 1 << 15, 1, 1, 1));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            CudaLaunch.patchForwardCircuit(
                H100,
                new ForwardCircuit(
                    shape, f.resid(), f.delta(), 8, 8, 0, 1, LAYER_NORM, f.out(), 0, 1)));
  }

  @Test
  void theSourcesTravelWithTheLibrary() throws IOException {
    for (String name :
        List.of(
            "common.cuh",
            "patch_forward.cu",
            "patch_forward_circuit.cu",
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
