package io.autocircuit.kernels.cuda;

import java.util.List;

/**
 * What must be installed or in the jar for CUDA to work, in the order in which it is looked for.
 */
enum CudaPart {
  /** NVIDIA's driver, as programs see it. */
  DRIVER("no NVIDIA driver", "install driver 580 or newer, or use --device cpu"),
  /** The native parts of the JavaCPP presets. */
  PRESETS(
      "no CUDA in this build",
      "build with `mvn -Pcuda package` (docs/cuda.md), or use --device cpu"),
  /** CUDA's runtime, which the preset of the driver is linked with. */
  RUNTIME("no CUDA 13 runtime", "install the CUDA 13 toolkit (docs/cuda.md), or use --device cpu"),
  /** NVIDIA's run-time compiler. */
  NVRTC(
      "no NVRTC, which compiles the kernels",
      "install the CUDA 13 toolkit or its package cuda-nvrtc-13-1 (docs/cuda.md), or use --device"
          + " cpu"),
  /** What libtorch for CUDA, and the presets that its own loads, are linked with. */
  LIBRARIES(
      "libraries of CUDA 13 missing",
      "install the CUDA 13 toolkit, cuDNN 9 and NCCL 2 (docs/cuda.md), or use --device cpu");

  private final String problem;
  private final String cure;

  CudaPart(String problem, String cure) {
    this.problem = problem;
    this.cure = cure;
  }

  /** What is wrong where it is missing, in a few words. */
  String problem() {
    return problem;
  }

  /** The shared libraries that must load, those that others need first. */
  List<String> libraries() {
    return switch (this) {
      case DRIVER -> List.of("libcuda.so.1");
      case PRESETS -> List.of();
      case RUNTIME -> List.of("libcudart.so.13");
      case NVRTC -> List.of("libnvrtc.so.13");
      case LIBRARIES ->
          List.of(
              "libnvJitLink.so.13",
              "libcublasLt.so.13",
              "libcublas.so.13",
              "libcufft.so.12",
              "libcurand.so.10",
              "libcusparse.so.12",
              "libcusolver.so.12",
              "libcusolverMg.so.12",
              "libcupti.so.13",
              "libcufile.so.0",
              "libnccl.so.2",
              "libcudnn.so.9",
              "libcudnn_graph.so.9",
              "libcudnn_ops.so.9",
              "libcudnn_adv.so.9",
              "libcudnn_cnn.so.9");
    };
  }

  /** One line: the problem, the facts in brackets, and the cure. */
  String message(String facts) {
    return problem + " (" + facts + "); " + cure;
  }
}
