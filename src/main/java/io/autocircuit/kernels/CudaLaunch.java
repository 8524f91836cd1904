package io.autocircuit.kernels;

import java.util.List;

/**
 * One launch of a CUDA kernel: which source is compiled with which options, which entry is launched
 * on which grid, and its parameters. {@link PatchForwardPlan} and {@link PatchBackwardPlan} plan
 * the launches of a call from shapes, strides and addresses alone: plain arithmetic that touches no
 * device and no tensor.
 *
 * <p>How to run a {@link Plan}:
 *
 * <ol>
 *   <li>allocate {@link Plan#scratchBytes()} bytes of device memory (16-byte aligned), if not 0;
 *   <li>for each launch, in order and on one stream: compile the resource {@code
 *       io/autocircuit/cuda/<source>.cu} with {@link #options()} (NVRTC: add {@code --std=c++17},
 *       {@code --gpu-architecture=sm_XX}, {@code --ptxas-options=--register-usage-level=0} against
 *       spills, and the headers it includes by name; no include path is needed), take the function
 *       {@link #entry()}, whose name is not mangled;
 *   <li>when {@link #sharedBytes()} exceeds 48 KiB, raise the function's {@code
 *       MAX_DYNAMIC_SHARED_SIZE_BYTES} to it;
 *   <li>launch it with the grid ({@link #gridX()}, {@link #gridY()}, {@link #gridZ()}), the block
 *       ({@link #blockX()}, {@link #blockY()}, 1), and <em>one</em> kernel parameter: a structure
 *       passed by value, whose bytes are those of {@link #parameters(long)} in the machine's order
 *       ({@link CallLayout} lists its fields). {@code cuLaunchKernel}'s {@code kernelParams} is an
 *       array of one pointer, to these longs.
 * </ol>
 *
 * <p>The options depend on D, K, the element type and the alignment, for {@code
 * patch_backward_mask} on S in a few steps, and on the device's shared memory where that is scarce
 * (fewer stages; a mask of very many sources read in chunks); never on the number of rows, the
 * strides or the number of multiprocessors. So a model needs few compilations. They come in one
 * fixed order, so that the list can be part of a cache key.
 *
 * @param source the stem of the source, such as {@code patch_forward}
 * @param options the compiler's {@code -D} options
 * @param entry the kernel's name
 * @param gridX blocks along x, 1 or more
 * @param gridY blocks along y, 1 to 65535
 * @param gridZ blocks along z, 1 to 65535
 * @param blockX threads of a block along x
 * @param blockY threads of a block along y; z is 1
 * @param sharedBytes dynamic shared memory of a block
 * @param fields the parameters, with 0 for the scratch memory's address
 * @param scratchField which of the fields is the scratch memory's address; -1 for none
 */
public record CudaLaunch(
    String source,
    List<String> options,
    String entry,
    int gridX,
    int gridY,
    int gridZ,
    int blockX,
    int blockY,
    int sharedBytes,
    List<Long> fields,
    int scratchField) {

  /**
   * Copies the lists.
   *
   * @param source the stem of the source
   * @param options the compiler's options
   * @param entry the kernel's name
   * @param gridX blocks along x
   * @param gridY blocks along y
   * @param gridZ blocks along z
   * @param blockX threads of a block along x
   * @param blockY threads of a block along y
   * @param sharedBytes dynamic shared memory of a block
   * @param scratchField the scratch memory's field; -1 for none
   * @param fields the parameters
   */
  public CudaLaunch {
    options = List.copyOf(options);
    fields = List.copyOf(fields);
  }

  /**
   * The kernel's parameter.
   *
   * @param scratchAddress the device address of {@link Plan#scratchBytes()} bytes; ignored by
   *     launches that need none
   * @return the fields of the structure
   */
  public long[] parameters(long scratchAddress) {
    long[] longs = fields.stream().mapToLong(Long::longValue).toArray();
    if (scratchField >= 0) {
      longs[scratchField] = scratchAddress;
    }
    return longs;
  }

  /**
   * What the arithmetic needs to know of a device.
   *
   * @param multiprocessors their number
   * @param sharedBytesPerBlock the most shared memory a block may ask for ({@code
   *     MAX_SHARED_MEMORY_PER_BLOCK_OPTIN})
   * @param sharedBytesPerMultiprocessor {@code MAX_SHARED_MEMORY_PER_MULTIPROCESSOR}
   */
  record Device(int multiprocessors, int sharedBytesPerBlock, int sharedBytesPerMultiprocessor) {
    /**
     * Checks the limits.
     *
     * @throws IllegalArgumentException if they are below what every device of compute capability
     *     8.0 or later has (99 KiB of shared memory per block)
     */
    Device {
      if (multiprocessors < 1
          || sharedBytesPerBlock < 99 << 10
          || sharedBytesPerMultiprocessor < sharedBytesPerBlock) {
        throw TensorView.invalid(
            "multiprocessors="
                + multiprocessors
                + " sharedBytesPerBlock="
                + sharedBytesPerBlock
                + " sharedBytesPerMultiprocessor="
                + sharedBytesPerMultiprocessor,
            "pass the attributes of a device of compute capability 8.0 or later");
      }
    }
  }

  /**
   * The launches of a call, in order.
   *
   * @param launches none if there is nothing to do
   * @param scratchBytes device memory the launches share; its content need not be kept, and need
   *     not be cleared
   * @param bytesMoved the bytes the call must move at least: each input read once, each output
   *     written once
   * @param operations its floating-point operations, a multiply-add counted as two
   */
  record Plan(List<CudaLaunch> launches, long scratchBytes, long bytesMoved, long operations) {
    /** Copies the list. */
    Plan {
      launches = List.copyOf(launches);
    }
  }

  /** A launch of one thread for each of {@code threads} items, as the naive kernels want it. */
  static CudaLaunch naive(
      String source, String entry, CudaTiling.Shape shape, long threads, long[] fields) {
    return new CudaLaunch(
        source,
        List.of(CudaTiling.typeOption(shape)),
        entry,
        Math.toIntExact(CudaTiling.ceil(threads, 64)),
        1,
        1,
        64,
        1,
        0,
        boxed(fields),
        -1);
  }

  /** The fields as a list. */
  static List<Long> boxed(long[] fields) {
    return java.util.Arrays.stream(fields).boxed().toList();
  }
}
