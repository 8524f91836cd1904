package io.autocircuit.kernels;

import io.autocircuit.kernels.CudaLaunch.Device;
import io.autocircuit.kernels.CudaLaunch.Plan;
import io.autocircuit.kernels.CudaTiling.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What is compiled for some models: the launches of their blocks, one per source and options. */
public final class ModelLaunches {
  private static final Device H100 = new Device(132, 232_448, 233_472);

  /** The types of the CUDA kernels' tensors. */
  static final List<ElementType> TYPES = List.of(ElementType.FLOAT32, ElementType.BFLOAT16);

  private ModelLaunches() {}

  /** Every kernel, in several specialisations each. */
  public static List<CudaLaunch> distinct() {
    return TYPES.stream().flatMap(type -> distinct(type).stream()).toList();
  }

  private static List<CudaLaunch> distinct(ElementType type) {
    List<Shape> shapes =
        List.of(
            new Shape(type, 64, 64, 36, 144, 768), // GPT-2 small, block 11's attention
            new Shape(type, 64, 64, 1, 156, 768), // and its MLP
            new Shape(type, 19, 16, 16, 37, 64), // stories260k: 8 queries, 4 keys, 4 values
            new Shape(type, 4, 4, 2, 3, 16384)); // rows too long for all but the naive kernels
    Map<String, CudaLaunch> launches = new LinkedHashMap<>();
    for (Shape shape : shapes) {
      List<Plan> plans =
          List.of(
              PatchForwardPlan.of(H100, CudaLaunchTest.forward(shape, false, false)),
              PatchBackwardPlan.of(H100, CudaLaunchTest.backward(shape, false, false)));
      for (Plan plan : plans) {
        for (CudaLaunch launch : plan.launches()) {
          // entries of one source and options are compiled together
          launches.putIfAbsent(launch.source() + launch.options() + launch.entry(), launch);
        }
      }
    }
    for (int width : new int[] {64, 512}) { // GPT-2, too wide for the fused kernels
      for (boolean backward : new boolean[] {false, true}) {
        Shape heads = new Shape(type, 64, 64, 12, width == 64 ? 0 : width, width);
        CudaCases.attention(H100, heads, false, CudaCases.AttentionMask.CAUSAL, false, backward, 1)
            .plan()
            .launches()
            .forEach(l -> launches.putIfAbsent(l.source() + l.options() + l.entry(), l));
      }
    }
    return List.copyOf(launches.values());
  }
}
