package io.autocircuit.kernels.cuda;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Loader;

/** What of CUDA is there. {@link Machine} looks at this machine, tests say what they like. */
interface CudaInstallation {
  /** What is wrong with a part, as {@code name=value}; null if it is there and loads. */
  String problem(CudaPart part);

  /** The driver; asked for only when {@link CudaPart#RUNTIME} and those before it are there. */
  CudaDriver driver();

  /** What is wrong with libtorch's side of CUDA; null if it can use a device. */
  String libtorchProblem();

  /** This machine and the jars on the class path. */
  final class Machine implements CudaInstallation {
    private static final String PLATFORM = "linux-x86_64";
    private static final List<String> NATIVES =
        List.of(
            "/org/bytedeco/cuda/" + PLATFORM + "/libjnicudart.so",
            "/org/bytedeco/cuda/" + PLATFORM + "/libjninvrtc.so",
            "/org/bytedeco/pytorch/" + PLATFORM + "-gpu/libjnitorch_cuda.so");

    /** Where the presets look besides the linker's own places. */
    private static final List<Path> DIRECTORIES =
        List.of(
            Path.of("/usr/local/cuda-13.1/lib64"),
            Path.of("/usr/local/cuda-13.1/extras/CUPTI/lib64"),
            Path.of("/usr/local/cuda/lib64"),
            Path.of("/usr/local/cuda/extras/CUPTI/lib64"));

    @Override
    public String problem(CudaPart part) {
      if (part == CudaPart.PRESETS) {
        return natives();
      }
      List<String> missing = new ArrayList<>();
      for (String library : part.libraries()) {
        String error = load(library);
        if (error != null) {
          missing.add(error);
        }
      }
      return missing.isEmpty() ? null : String.join(", ", missing);
    }

    private static String natives() {
      if (!Loader.getPlatform().equals(PLATFORM)) {
        return "platform=" + Loader.getPlatform() + ", CUDA is supported on " + PLATFORM;
      }
      for (String file : NATIVES) {
        if (CudaInstallation.class.getResource(file) == null) {
          return "missing=" + file.substring(file.lastIndexOf('/') + 1);
        }
      }
      return null;
    }

    /** Loads a library for the process; what is wrong, or null. */
    private static String load(String library) {
      if (CudaInstallation.class.getResource("/org/bytedeco/cuda/" + PLATFORM + "/" + library)
          != null) {
        return null; // the presets' redist jar brings it
      }
      String error = open(library);
      for (Path directory : DIRECTORIES) {
        Path file = directory.resolve(library);
        if (error != null && Files.isRegularFile(file)) {
          error = open(file.toString());
        }
      }
      return error == null ? null : error(library, error);
    }

    /** The linker's message without what everybody knows. */
    static String error(String library, String message) {
      boolean absent = message.contains("No such file") && message.contains(library + ":");
      return library + (absent ? " not found" : ": " + message);
    }

    private static String open(String library) {
      try {
        Loader.loadGlobal(library);
        return null;
      } catch (LinkageError | RuntimeException e) {
        return String.valueOf(e.getMessage());
      }
    }

    @Override
    public CudaDriver driver() {
      return new PresetDriver();
    }

    @Override
    public String libtorchProblem() {
      return LibtorchCuda.problem();
    }
  }
}
