package io.autocircuit.kernels.cuda;

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
  private LibtorchCuda() {}

  /** What is wrong with libtorch for CUDA, or null. */
  static String problem() {
    try {
      Loader.load(torch_cuda.class);
      return torch.cuda_is_available() ? null : "error=libtorch sees no device";
    } catch (LinkageError e) {
      return "error=" + String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    }
  }

  /** The stream on which libtorch puts its work for a device, from this thread. */
  static CUstream_st currentStream(int device) {
    try (CUDAStream stream = torch_cuda.getCurrentCUDAStream((byte) device)) {
      return stream.stream();
    }
  }
}
