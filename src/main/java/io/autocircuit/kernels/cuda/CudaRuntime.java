package io.autocircuit.kernels.cuda;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.IntFunction;
import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.cuda.cudart.CUmod_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;

/**
 * One device: compiles kernels for it, loads them and launches them, in the primary context, which
 * it shares with libtorch, on libtorch's current stream. A launch returns before the kernel has
 * run; nothing here waits for the device, so an error inside a kernel shows in a later call.
 *
 * <p>Safe to share between threads. Closing it unloads the kernels; the device must have finished
 * with them.
 */
public final class CudaRuntime implements AutoCloseable {
  /** The shared memory a kernel may use without asking for more, in bytes. */
  private static final int USUAL_SHARED_BYTES = 48 << 10;

  /** Without it, ptxas spills what it moves forward in kernels that use all registers. */
  private static final String FEW_REGISTERS = "--ptxas-options=--register-usage-level=0";

  private final CudaDevice device;
  private final CudaStatus.Calls calls;
  private final CudaCompiler compiler;
  private final CubinCache cache;
  private final IntFunction<CUstream_st> stream;
  private final int handle;
  private final CUctx_st context = new CUctx_st();
  private final Map<Request, Kernel> kernels = new ConcurrentHashMap<>();

  /** A kernel in the device's memory, and how much dynamic shared memory it may use. */
  private static final class Kernel {
    private final CUmod_st module;
    private final CUfunc_st function;
    private int sharedBytes = USUAL_SHARED_BYTES;

    Kernel(CUmod_st module, CUfunc_st function) {
      this.module = module;
      this.function = function;
    }
  }

  /**
   * What to compile and take from it.
   *
   * @param source the kernel's source
   * @param options the compiler's options that specialise it ({@code -DNAME=VALUE}), in a fixed
   *     order
   * @param entry the kernel's name, {@code extern "C"}
   */
  public record Request(CudaSource source, List<String> options, String entry) {
    /**
     * A request, with a copy of the options.
     *
     * @param source the kernel's source
     * @param options the compiler's options
     * @param entry the kernel's name
     */
    public Request {
      options = List.copyOf(options);
    }
  }

  /**
   * The runtime of a device.
   *
   * @param device the device
   * @param cache of compiled kernels
   * @return the runtime; to be closed
   * @throws CudaException if the device's context cannot be had
   */
  public static CudaRuntime open(CudaDevice device, CubinCache cache) {
    return new CudaRuntime(
        device, new PresetDriver(), new Nvrtc(), cache, LibtorchCuda::currentStream);
  }

  CudaRuntime(
      CudaDevice device,
      CudaDriver driver,
      CudaCompiler compiler,
      CubinCache cache,
      IntFunction<CUstream_st> stream) {
    this.device = device;
    this.calls = new CudaStatus.Calls(driver);
    this.compiler = compiler;
    this.cache = cache;
    this.stream = stream;
    int[] ordinal = new int[1];
    calls.check("cuInit", driver.init(), "");
    calls.check("cuDeviceGet", driver.deviceGet(ordinal, device.index()), where());
    handle = ordinal[0];
    calls.check(
        "cuDevicePrimaryCtxRetain", driver.devicePrimaryCtxRetain(context, handle), where());
  }

  /**
   * The device.
   *
   * @return the device
   */
  public CudaDevice device() {
    return device;
  }

  private String where() {
    return "device=cuda:" + device.index();
  }

  /**
   * Launches a kernel, which is compiled and loaded before its first launch.
   *
   * @param request the kernel
   * @param grid blocks and threads
   * @param sharedBytes dynamic shared memory of a block
   * @param parameters the fields of the structure that is the kernel's one parameter, eight bytes
   *     each: integers, addresses, the bits of doubles. The memory they point to must live until
   *     the kernel has run; what libtorch allocated for its current stream does, even if it is
   *     freed earlier, because it is only used again by later work on that stream
   * @throws CudaException if it cannot be compiled, loaded or launched
   */
  public void launch(Request request, Grid grid, int sharedBytes, long[] parameters) {
    inContext(
        () -> {
          Kernel kernel = kernels.computeIfAbsent(request, r -> load(r, cubin(r)));
          allow(kernel, request, sharedBytes);
          // the driver copies the structure during the call
          try (LongPointer structure = new LongPointer(parameters);
              PointerPointer<Pointer> addresses = new PointerPointer<>(1)) {
            addresses.put(0, structure);
            calls.check(
                "cuLaunchKernel",
                calls
                    .driver()
                    .launchKernel(
                        kernel.function,
                        grid,
                        sharedBytes,
                        stream.apply(device.index()),
                        addresses),
                where(request) + ", " + grid + ", sharedBytes=" + sharedBytes);
          }
        });
  }

  /**
   * Compiles and loads a kernel now, so that its first launch does not wait for the compiler.
   *
   * @param request the kernel
   * @throws CudaException if it cannot be compiled or loaded
   */
  public void prepare(Request request) {
    inContext(() -> kernels.computeIfAbsent(request, r -> load(r, cubin(r))));
  }

  private String where(Request request) {
    return where() + ", kernel=" + request.entry();
  }

  /** More shared memory than every kernel has must be asked for. */
  private void allow(Kernel kernel, Request request, int sharedBytes) {
    if (sharedBytes > device.sharedBytesPerBlock()) {
      throw new CudaException(
          "kernel="
              + request.entry()
              + " needs sharedBytes="
              + sharedBytes
              + ", but a block of "
              + where()
              + " ("
              + device.name()
              + ") may have "
              + device.sharedBytesPerBlock()
              + "; use a smaller model or --device cpu");
    }
    synchronized (kernel) {
      if (sharedBytes > kernel.sharedBytes) {
        calls.check(
            "cuFuncSetAttribute",
            calls
                .driver()
                .funcSetAttribute(
                    kernel.function, CudaDriver.MAX_DYNAMIC_SHARED_BYTES, sharedBytes),
            where(request) + ", sharedBytes=" + sharedBytes);
        kernel.sharedBytes = sharedBytes;
      }
    }
  }

  private byte[] cubin(Request request) {
    List<String> options = options(device, compiler.architectures(), request.options());
    String key = CubinCache.key(request.source(), options, compiler.version());
    return cache.get(key, () -> compiler.compile(request.source(), options));
  }

  private Kernel load(Request request, byte[] cubin) {
    CudaDriver driver = calls.driver();
    CUmod_st module = new CUmod_st();
    try (BytePointer image = new BytePointer(cubin)) {
      calls.check("cuModuleLoadData", driver.moduleLoadData(module, image), where(request));
    }
    CUfunc_st function = new CUfunc_st();
    int code = driver.moduleGetFunction(function, module, request.entry());
    if (code != CudaDriver.SUCCESS) {
      driver.moduleUnload(module);
    }
    calls.check("cuModuleGetFunction", code, where(request));
    return new Kernel(module, function);
  }

  /**
   * What compiles the kernels and for what, for people: {@code NVRTC 13.1, sm_90}.
   *
   * @return the line
   */
  public String compilerDescription() {
    return "NVRTC " + compiler.version() + ", sm_" + architecture(device, compiler.architectures());
  }

  /**
   * The compiler's options: the architecture, the language and the use of registers, then the
   * kernel's own.
   */
  static List<String> options(CudaDevice device, int[] architectures, List<String> own) {
    List<String> options = new ArrayList<>();
    options.add("--gpu-architecture=sm_" + architecture(device, architectures));
    options.add("--std=c++17");
    options.add(FEW_REGISTERS);
    options.addAll(own);
    return List.copyOf(options);
  }

  /**
   * The device's architecture or, where the compiler is older than the device, the newest it knows
   * of the same generation.
   *
   * @throws CudaException if the compiler knows none of that generation
   */
  private static int architecture(CudaDevice device, int[] known) {
    int wanted = 10 * device.major() + device.minor();
    return Arrays.stream(known)
        .filter(a -> a / 10 == device.major() && a <= wanted)
        .max()
        .orElseThrow(
            () ->
                new CudaException(
                    "NVRTC knows architectures="
                        + Arrays.toString(known)
                        + ", none for "
                        + device.name()
                        + ", sm_"
                        + wanted
                        + "; install an NVRTC that does, or use --device cpu"));
  }

  private void inContext(Runnable part) {
    CudaDriver driver = calls.driver();
    calls.check("cuCtxPushCurrent", driver.ctxPushCurrent(context), where());
    try {
      part.run();
    } finally {
      driver.ctxPopCurrent(); // a failure here would hide the first one
    }
  }

  @Override
  public void close() {
    try {
      inContext(
          () -> {
            for (Map.Entry<Request, Kernel> kernel : kernels.entrySet()) {
              calls.check(
                  "cuModuleUnload",
                  calls.driver().moduleUnload(kernel.getValue().module),
                  where(kernel.getKey()));
            }
          });
    } finally {
      kernels.clear();
      calls.check(
          "cuDevicePrimaryCtxRelease", calls.driver().devicePrimaryCtxRelease(handle), where());
    }
  }
}
