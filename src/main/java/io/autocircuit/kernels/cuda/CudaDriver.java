package io.autocircuit.kernels.cuda;

import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.cuda.cudart.CUmod_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;

/**
 * The functions of the CUDA driver that are used, under their own names without {@code cu}. Each
 * returns its {@code CUresult}; results are written into the first argument. {@link PresetDriver}
 * calls the driver, tests put something else in its place.
 */
interface CudaDriver {
  /** The {@code CUresult} of a call that worked. */
  int SUCCESS = 0;

  /** {@code CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT}. */
  int MULTIPROCESSORS = 16;

  /** {@code CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR}. */
  int CAPABILITY_MAJOR = 75;

  /** {@code CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR}. */
  int CAPABILITY_MINOR = 76;

  /** {@code CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN}. */
  int SHARED_MEMORY_PER_BLOCK = 97;

  /** {@code CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR}. */
  int SHARED_MEMORY_PER_MULTIPROCESSOR = 81;

  /** {@code CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES}. */
  int MAX_DYNAMIC_SHARED_BYTES = 8;

  int init();

  int driverGetVersion(int[] version);

  int deviceGetCount(int[] count);

  int deviceGet(int[] device, int ordinal);

  int deviceGetName(byte[] name, int device);

  int deviceGetAttribute(int[] value, int attribute, int device);

  int deviceTotalMem(long[] bytes, int device);

  int devicePrimaryCtxRetain(CUctx_st context, int device);

  int devicePrimaryCtxRelease(int device);

  int ctxPushCurrent(CUctx_st context);

  int ctxPopCurrent();

  int moduleLoadData(CUmod_st module, Pointer image);

  int moduleUnload(CUmod_st module);

  int moduleGetFunction(CUfunc_st function, CUmod_st module, String name);

  int funcSetAttribute(CUfunc_st function, int attribute, int value);

  int launchKernel(
      CUfunc_st function,
      Grid grid,
      int sharedBytes,
      CUstream_st stream,
      PointerPointer<Pointer> parameters);

  /** The name of a {@code CUresult}, such as {@code CUDA_ERROR_NO_DEVICE}. */
  String errorName(int code);
}
