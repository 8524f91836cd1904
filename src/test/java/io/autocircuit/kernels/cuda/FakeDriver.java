package io.autocircuit.kernels.cuda;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.cuda.cudart.CUmod_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;

/** A driver without a device: writes down what it is asked, and fails where it is told to. */
final class FakeDriver implements CudaDriver {
  /** A device it claims to have. */
  record Claimed(String name, int major, int minor, long memory) {}

  /** A launch, with as many words of the structure as {@code words} says. */
  record Launch(Grid grid, int sharedBytes, List<Long> parameters) {}

  final List<String> calls = new ArrayList<>();
  final List<Launch> launches = new ArrayList<>();
  final List<byte[]> images = new ArrayList<>();
  final Map<String, Integer> failures = new HashMap<>();
  List<Claimed> devices = List.of(new Claimed("NVIDIA H100", 9, 0, 80L << 30));
  int version = 13010;
  int words = 3;

  private int called(String call) {
    calls.add(call);
    return failures.getOrDefault(call, SUCCESS);
  }

  @Override
  public int init() {
    return called("init");
  }

  @Override
  public int driverGetVersion(int[] out) {
    out[0] = version;
    return called("driverGetVersion");
  }

  @Override
  public int deviceGetCount(int[] count) {
    count[0] = devices.size();
    return called("deviceGetCount");
  }

  @Override
  public int deviceGet(int[] device, int ordinal) {
    device[0] = ordinal;
    return called("deviceGet");
  }

  @Override
  public int deviceGetName(byte[] name, int device) {
    byte[] bytes = devices.get(device).name().getBytes(StandardCharsets.UTF_8);
    System.arraycopy(bytes, 0, name, 0, bytes.length);
    return called("deviceGetName");
  }

  @Override
  public int deviceGetAttribute(int[] value, int attribute, int device) {
    value[0] =
        switch (attribute) {
          case MULTIPROCESSORS -> 132;
          case CAPABILITY_MAJOR -> devices.get(device).major();
          case CAPABILITY_MINOR -> devices.get(device).minor();
          case SHARED_MEMORY_PER_BLOCK -> 232448;
          case SHARED_MEMORY_PER_MULTIPROCESSOR -> 233472;
          default -> throw new AssertionError("attribute=" + attribute);
        };
    return called("deviceGetAttribute");
  }

  @Override
  public int deviceTotalMem(long[] bytes, int device) {
    bytes[0] = devices.get(device).memory();
    return called("deviceTotalMem");
  }

  @Override
  public int devicePrimaryCtxRetain(CUctx_st context, int device) {
    return called("devicePrimaryCtxRetain");
  }

  @Override
  public int devicePrimaryCtxRelease(int device) {
    return called("devicePrimaryCtxRelease");
  }

  @Override
  public int ctxPushCurrent(CUctx_st context) {
    return called("ctxPushCurrent");
  }

  @Override
  public int ctxPopCurrent() {
    return called("ctxPopCurrent");
  }

  @Override
  public int moduleLoadData(CUmod_st module, Pointer image) {
    byte[] bytes = new byte[Math.toIntExact(image.limit())];
    new org.bytedeco.javacpp.BytePointer(image).get(bytes);
    images.add(bytes);
    return called("moduleLoadData");
  }

  @Override
  public int moduleUnload(CUmod_st module) {
    return called("moduleUnload");
  }

  @Override
  public int moduleGetFunction(CUfunc_st function, CUmod_st module, String name) {
    return called("moduleGetFunction " + name);
  }

  @Override
  public int funcSetAttribute(CUfunc_st function, int attribute, int value) {
    return called("funcSetAttribute " + attribute + "=" + value);
  }

  @Override
  public int launchKernel(
      CUfunc_st function,
      Grid grid,
      int sharedBytes,
      CUstream_st stream,
      PointerPointer<Pointer> parameters) {
    LongPointer structure = new LongPointer(parameters.get(Pointer.class, 0));
    List<Long> values = new ArrayList<>();
    for (int i = 0; i < words; i++) {
      values.add(structure.get(i));
    }
    launches.add(new Launch(grid, sharedBytes, values));
    return called("launchKernel");
  }

  @Override
  public String errorName(int code) {
    return switch (code) {
      case 2 -> "CUDA_ERROR_OUT_OF_MEMORY";
      case 100 -> "CUDA_ERROR_NO_DEVICE";
      case 209 -> "CUDA_ERROR_NO_BINARY_FOR_GPU";
      case 700 -> "CUDA_ERROR_ILLEGAL_ADDRESS";
      case 701 -> "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES";
      default -> "CUDA_ERROR_" + code;
    };
  }
}
