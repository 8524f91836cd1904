package io.autocircuit.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.Placement;
import java.lang.reflect.RecordComponent;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.pytorch.Tensor;

/**
 * Kernels in libtorch's operations that demand every tensor of a call on one device. The fused
 * operations are batched products, as on a CUDA device.
 */
public final class PlacedKernels implements Kernels {
  private final Device device;
  private final Kernels exact = new LibtorchKernels();
  private final Map<String, Integer> calls = new TreeMap<>();

  public PlacedKernels(Device device) {
    this.device = device;
  }

  /** How often each operation was called. */
  public Map<String, Integer> calls() {
    return calls;
  }

  @Override
  public String name() {
    return "placed";
  }

  @Override
  public void patchForward(PatchForward args) {
    check(args);
    exact.patchForward(args);
  }

  @Override
  public void patchBackward(PatchBackward args) {
    check(args);
    exact.patchBackward(args);
  }

  @Override
  public void patchProject(PatchProject args) {
    check(args);
    BatchedProducts.patchProject(this, args);
  }

  @Override
  public void patchProjectBackward(PatchProjectBackward args) {
    check(args);
    BatchedProducts.patchProjectBackward(this, args);
  }

  @Override
  public void attention(Attention args) {
    check(args);
    Kernels.super.attention(args);
  }

  @Override
  public void attentionBackward(AttentionBackward args) {
    check(args);
    Kernels.super.attentionBackward(args);
  }

  @Override
  public void headOutputs(HeadOutputs args) {
    check(args);
    BatchedProducts.headOutputs(args);
  }

  private void check(Record args) {
    String name = args.getClass().getSimpleName();
    calls.merge(name, 1, Integer::sum);
    try {
      for (RecordComponent c : args.getClass().getRecordComponents()) {
        if (c.getAccessor().invoke(args) instanceof Tensor t) {
          assertEquals(device, Placement.of(t).device(), name + "." + c.getName());
        }
      }
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }
}
