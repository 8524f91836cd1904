package io.autocircuit.kernels.cuda;

import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.cuda.global.nvrtc;
import org.bytedeco.cuda.nvrtc._nvrtcProgram;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.javacpp.SizeTPointer;

/**
 * NVIDIA's run-time compiler, through the JavaCPP Presets for CUDA. It needs no device; but the
 * presets load the driver's library with it, so that must be there. Holds nothing; safe to share
 * between threads.
 */
final class Nvrtc implements CudaCompiler {
  /** {@code NVRTC_SUCCESS}. */
  private static final int SUCCESS = 0;

  /** {@code NVRTC_ERROR_COMPILATION}. */
  private static final int REFUSED = 6;

  @Override
  public String version() {
    int[] major = new int[1];
    int[] minor = new int[1];
    check("nvrtcVersion", nvrtc.nvrtcVersion(major, minor), "");
    return major[0] + "." + minor[0];
  }

  @Override
  public int[] architectures() {
    int[] count = new int[1];
    check("nvrtcGetNumSupportedArchs", nvrtc.nvrtcGetNumSupportedArchs(count), "");
    int[] all = new int[count[0]];
    check("nvrtcGetSupportedArchs", nvrtc.nvrtcGetSupportedArchs(all), "");
    return all;
  }

  @Override
  public byte[] compile(CudaSource source, List<String> options) {
    try (PointerScope scope = new PointerScope()) {
      _nvrtcProgram program = new _nvrtcProgram();
      Strings names = Strings.of(List.copyOf(source.headers().keySet()));
      Strings texts = Strings.of(List.copyOf(source.headers().values()));
      Strings arguments = Strings.of(options);
      String what = "source=" + source.name();
      check(
          "nvrtcCreateProgram",
          nvrtc.nvrtcCreateProgram(
              program,
              terminated(source.text()),
              terminated(source.name()),
              source.headers().size(),
              texts.array(),
              names.array()),
          what);
      try {
        int code = nvrtc.nvrtcCompileProgram(program, options.size(), arguments.array());
        if (code == REFUSED) {
          throw refused(source, options, log(program));
        }
        check("nvrtcCompileProgram", code, what + ", options=" + options);
        SizeTPointer size = new SizeTPointer(1);
        check("nvrtcGetCUBINSize", nvrtc.nvrtcGetCUBINSize(program, size), what);
        byte[] cubin = new byte[Math.toIntExact(size.get())];
        check("nvrtcGetCUBIN", nvrtc.nvrtcGetCUBIN(program, cubin), what);
        return cubin;
      } finally {
        nvrtc.nvrtcDestroyProgram(program);
        Reference.reachabilityFence(names);
        Reference.reachabilityFence(texts);
        Reference.reachabilityFence(arguments);
      }
    }
  }

  /** An array of C strings, with the strings, which it must not outlive. */
  private record Strings(List<BytePointer> strings, PointerPointer<Pointer> array) {
    static Strings of(List<String> texts) {
      List<BytePointer> strings = new ArrayList<>();
      PointerPointer<Pointer> array = new PointerPointer<>(Math.max(1, texts.size()));
      for (String text : texts) {
        BytePointer string = terminated(text);
        array.put(strings.size(), string);
        strings.add(string);
      }
      return new Strings(strings, array);
    }
  }

  private static String log(_nvrtcProgram program) {
    SizeTPointer size = new SizeTPointer(1);
    check("nvrtcGetProgramLogSize", nvrtc.nvrtcGetProgramLogSize(program, size), "");
    byte[] text = new byte[Math.toIntExact(size.get())];
    check("nvrtcGetProgramLog", nvrtc.nvrtcGetProgramLog(program, text), "");
    int length = 0;
    while (length < text.length && text[length] != 0) {
      length++;
    }
    return new String(text, 0, length, StandardCharsets.UTF_8);
  }

  /** A C string, in UTF-8 whatever the platform's charset. */
  private static BytePointer terminated(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return new BytePointer(Arrays.copyOf(bytes, bytes.length + 1));
  }

  /** The exception for a source that does not compile; its message holds the compiler's. */
  static CudaException refused(CudaSource source, List<String> options, String log) {
    return new CudaException(
        "NVRTC does not compile source="
            + source.name()
            + ", options="
            + options
            + ": "
            + log.strip().replaceAll("\\s*\\R\\s*", " | ")
            + "; report this with the device's name, and use --device cpu meanwhile");
  }

  private static void check(String call, int code, String context) {
    if (code != SUCCESS) {
      throw new CudaException(
          call
              + " failed: error="
              + nvrtc.nvrtcGetErrorString(code).getString()
              + (context.isEmpty() ? "" : ", " + context)
              + "; see that libnvrtc.so.13 and libnvrtc-builtins.so.13.1 are of one CUDA release, or"
              + " use --device cpu");
    }
  }
}
