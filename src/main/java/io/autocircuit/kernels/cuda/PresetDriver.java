package io.autocircuit.kernels.cuda;

import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.cuda.cudart.CUmod_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;

/**
 * The driver itself, through the JavaCPP Presets for CUDA. The first call loads their native part
 * and throws a {@link LinkageError} where that fails; {@link CudaStatus} looks before.
 */
final class PresetDriver implements CudaDriver {
  @Override
  public int init() {
    return cudart.cuInit(0);
  }

  @Override
  public int driverGetVersion(int[] version) {
    return cudart.cuDriverGetVersion(version);
  }

  @Override
  public int deviceGetCount(int[] count) {
    return cudart.cuDeviceGetCount(count);
  }

  @Override
  public int deviceGet(int[] device, int ordinal) {
    return cudart.cuDeviceGet(device, ordinal);
  }

  @Override
  public int deviceGetName(byte[] name, int device) {
    return cudart.cuDeviceGetName(name, name.length, device);
  }

  @Override
  public int deviceGetAttribute(int[] value, int attribute, int device) {
    return cudart.cuDeviceGetAttribute(value, attribute, device);
  }

  @Override
  public int deviceTotalMem(long[] bytes, int device) {
    try (SizeTPointer size = new SizeTPointer(1)) {
      int code = cudart.cuDeviceTotalMem(size, device);
      bytes[0] = size.get();
      return code;
    }
  }

  @Override
  public int devicePrimaryCtxRetain(CUctx_st context, int device) {
    return cudart.cuDevicePrimaryCtxRetain(context, device);
  }

  @Override
  public int devicePrimaryCtxRelease(int device) {
    return cudart.cuDevicePrimaryCtxRelease(device);
  }

  @Override
  public int ctxPushCurrent(CUctx_st context) {
    return cudart.cuCtxPushCurrent(context);
  }

  @Override
  public int ctxPopCurrent() {
    return cudart.cuCtxPopCurrent(new CUctx_st());
  }

  @Override
  public int moduleLoadData(CUmod_st module, Pointer image) {
    return cudart.cuModuleLoadData(module, image);
  }

  @Override
  public int moduleUnload(CUmod_st module) {
    return cudart.cuModuleUnload(module);
  }

  @Override
  public int moduleGetFunction(CUfunc_st function, CUmod_st module, String name) {
    return cudart.cuModuleGetFunction(function, module, name);
  }

  @Override
  public int funcSetAttribute(CUfunc_st function, int attribute, int value) {
    return cudart.cuFuncSetAttribute(function, attribute, value);
  }

  @Override
  public int launchKernel(
      CUfunc_st function,
      Grid grid,
      int sharedBytes,
      CUstream_st stream,
      PointerPointer<Pointer> parameters) {
    return cudart.cuLaunchKernel(
        function,
        grid.blocksX(),
        grid.blocksY(),
        grid.blocksZ(),
        grid.threadsX(),
        grid.threadsY(),
        grid.threadsZ(),
        sharedBytes,
        stream,
        parameters,
        new PointerPointer<Pointer>());
  }

  @Override
  public String errorName(int code) {
    try (PointerPointer<BytePointer> name = new PointerPointer<>(1)) {
      name.put(0, (Pointer) null);
      cudart.cuGetErrorName(code, name);
      BytePointer text = name.get(BytePointer.class, 0);
      return text == null || text.isNull() ? "unknown" : text.getString();
    }
  }
}
