package io.autocircuit.kernels;

import io.autocircuit.kernels.cuda.CudaDevice;
import io.autocircuit.kernels.cuda.CudaException;
import io.autocircuit.kernels.cuda.CudaRuntime;
import io.autocircuit.kernels.cuda.CudaSource;
import io.autocircuit.kernels.cuda.Grid;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.lang.ref.Reference;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongFunction;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The kernels for tensors on one CUDA device: the sources in {@code cuda/}, compiled for the device
 * and the model's shape before their first launch, in float32 or bfloat16 (all tensors of a call;
 * sums are float32); float64 is computed by libtorch's own operations. A call returns before the
 * device has computed; libtorch's next operation on the same stream comes after it, as with its
 * own.
 *
 * <p>Safe to share between threads.
 */
public final class CudaKernels implements Kernels, AutoCloseable {
  private final CudaRuntime runtime;
  private final Device device;
  private final CudaLaunch.Device limits;
  private final LongFunction<Tensor> allocate;
  private final Kernels exact = new LibtorchKernels();
  private final Map<String, CudaSource> sources = new ConcurrentHashMap<>();

  /**
   * Kernels for the runtime's device. Closing them closes the runtime.
   *
   * @param runtime of the device; closed with these kernels
   * @throws CudaException if the compiler knows no architecture of the device
   */
  public CudaKernels(CudaRuntime runtime) {
    this(
        runtime,
        Device.cuda(runtime.device().index()),
        bytes -> Tensors.empty(ScalarType.Byte, Device.cuda(runtime.device().index()), bytes));
  }

  /**
   * As {@link #CudaKernels(CudaRuntime)}.
   *
   * @param device where tensors must be; tests say that it is the processor
   * @param allocate scratch memory of so many bytes
   */
  CudaKernels(CudaRuntime runtime, Device device, LongFunction<Tensor> allocate) {
    this.runtime = runtime;
    this.device = device;
    this.allocate = allocate;
    CudaDevice d = runtime.device();
    this.limits =
        new CudaLaunch.Device(
            d.multiprocessors(), d.sharedBytesPerBlock(), d.sharedBytesPerMultiprocessor());
  }

  @Override
  public String name() {
    return "cuda-sm_" + runtime.device().major() + runtime.device().minor();
  }

  /**
   * One line for people: what compiles the kernels, and what computes float64.
   *
   * @return the line
   */
  public String reason() {
    return "compiled by " + runtime.compilerDescription() + "; float64 by libtorch's operations";
  }

  @Override
  public void patchForward(PatchForward args) {
    PatchForwardArguments a = PatchForwardArguments.of(args, device);
    if (a.type() == ElementType.FLOAT64) {
      exact.patchForward(args);
    } else {
      run(PatchForwardPlan.of(limits, a), args);
    }
  }

  @Override
  public void patchBackward(PatchBackward args) {
    PatchBackwardArguments a = PatchBackwardArguments.of(args, device);
    if (a.type() == ElementType.FLOAT64) {
      exact.patchBackward(args);
    } else {
      run(PatchBackwardPlan.of(limits, a), args);
    }
  }

  @Override
  public void attention(Attention args) {
    AttentionArguments a = AttentionArguments.of(args, device);
    if (!args.pattern().isFused()) {
      Kernels.super.attention(args);
      return;
    }
    if (a.type() == ElementType.FLOAT64) {
      exact.attention(args);
    } else {
      run(AttentionPlan.of(limits, a), args);
    }
  }

  @Override
  public void attentionBackward(AttentionBackward args) {
    AttentionArguments a = AttentionArguments.of(args, device);
    if (!args.pattern().isFused()) {
      Kernels.super.attentionBackward(args);
      return;
    }
    if (a.type() == ElementType.FLOAT64) {
      exact.attentionBackward(args);
    } else {
      run(AttentionPlan.of(limits, a), args);
    }
  }

  @Override
  public void patchProject(PatchProject args) {
    BatchedProducts.patchProject(this, args);
  }

  @Override
  public void patchProjectBackward(PatchProjectBackward args) {
    BatchedProducts.patchProjectBackward(this, args);
  }

  @Override
  public void headOutputs(HeadOutputs args) {
    BatchedProducts.headOutputs(args);
  }

  private void run(CudaLaunch.Plan plan, Object arguments) {
    try (TensorScope scope = new TensorScope()) {
      long scratch =
          plan.scratchBytes() == 0 ? 0 : allocate.apply(plan.scratchBytes()).data_ptr().address();
      for (CudaLaunch launch : plan.launches()) {
        runtime.launch(
            new CudaRuntime.Request(
                sources.computeIfAbsent(launch.source(), CudaSource::ofLibrary),
                launch.options(),
                launch.entry()),
            new Grid(
                launch.gridX(),
                launch.gridY(),
                launch.gridZ(),
                launch.blockX(),
                launch.blockY(),
                1),
            launch.sharedBytes(),
            launch.parameters(scratch));
      }
    } finally {
      Reference.reachabilityFence(arguments);
    }
  }

  /** Waits for the device, and frees the compiled kernels. */
  @Override
  public void close() {
    try {
      device.synchronize();
    } finally {
      runtime.close();
    }
  }
}
