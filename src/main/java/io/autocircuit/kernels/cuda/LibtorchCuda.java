package io.autocircuit.kernels.cuda;

import io.autocircuit.tensor.NativeCache;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.cuda.CUDAStream;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch_cuda;

/**
 * libtorch's side of CUDA, in a class of its own: touching it loads libtorch for CUDA, which those
 * who compute on the processor never need.
 */
final class LibtorchCuda {
  private static final String LIBRARY = "/org/bytedeco/pytorch/linux-x86_64-gpu/libtorch_cuda.so";

  private LibtorchCuda() {}

  /** What is wrong with libtorch for CUDA, or null. */
  static String problem() {
    try {
      unpack();
      Loader.load(torch_cuda.class);
      return torch.cuda_is_available() ? null : "error=libtorch sees no device";
    } catch (LinkageError | IllegalStateException e) {
      return "error=" + String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    }
  }

  /**
   * Unpacks all libraries before the first is loaded. JavaCPP unpacks and loads them one by one,
   * and those need each other; where one cannot be loaded yet, it takes the library of that name of
   * libtorch for the processor, if an earlier process unpacked that. Two libtorches in one process
   * end it.
   */
  private static void unpack() {
    if (NativeCache.directory(LibtorchCuda.class, LIBRARY) == null) {
      throw new UnsatisfiedLinkError("missing=" + LIBRARY);
    }
  }

  /** The stream on which libtorch puts its work for a device, from this thread. */
  static CUstream_st currentStream(int device) {
    try (CUDAStream stream = torch_cuda.getCurrentCUDAStream((byte) device)) {
      return stream.stream();
    }
  }
}
