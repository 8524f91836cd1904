package io.autocircuit.kernels.cuda;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.cuda.cudart.CUstream_st;

/** A device that computes nothing: what would be compiled and launched is written down. */
public final class FakeCuda {
  private final FakeDriver driver = new FakeDriver();
  private final List<List<String>> compiled = new ArrayList<>();

  /** A launch: its grid, shared memory and the first words of its parameters. */
  public record Launched(Grid grid, int sharedBytes, List<Long> parameters) {}

  private final class Compiler implements CudaCompiler {
    @Override
    public String version() {
      return "13.1";
    }

    @Override
    public int[] architectures() {
      return new int[] {80, 90, 100};
    }

    @Override
    public byte[] compile(CudaSource source, List<String> options) {
      List<String> all = new ArrayList<>(options);
      all.add(source.name());
      all.addAll(source.headers().keySet());
      compiled.add(all);
      return all.toString().getBytes(StandardCharsets.UTF_8);
    }
  }

  /**
   * Its runtime, an H100's.
   *
   * @param words how many words of each launch's parameters to keep
   */
  public CudaRuntime runtime(int words) {
    driver.words = words;
    CudaDevice h100 = new CudaDevice(0, "NVIDIA H100", 9, 0, 80L << 30, 132, 232448, 233472);
    return new CudaRuntime(
        h100, driver, new Compiler(), new CubinCache(null), index -> new CUstream_st());
  }

  /** What was compiled: options, then source, then headers. */
  public List<List<String>> compiled() {
    return compiled;
  }

  /** What was launched. */
  public List<Launched> launched() {
    return driver.launches.stream()
        .map(l -> new Launched(l.grid(), l.sharedBytes(), l.parameters()))
        .toList();
  }
}
