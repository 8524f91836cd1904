package io.autocircuit.kernels;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One launch of a CUDA kernel: which source is compiled with which options, which entry is launched
 * on which grid, and its parameters. The static methods plan the launches of a call from shapes,
 * strides and addresses alone: plain arithmetic that touches no device and no tensor.
 *
 * <p>How to run a {@link Plan}:
 *
 * <ol>
 *   <li>allocate {@link Plan#scratchBytes()} bytes of device memory (16-byte aligned), if not 0;
 *   <li>for each launch, in order and on one stream: compile the resource {@code
 *       io/autocircuit/cuda/<source>.cu} with {@link #options()} (NVRTC: add {@code --std=c++17},
 *       {@code --gpu-architecture=sm_XX}, {@code --ptxas-options=--register-usage-level=0} against
 *       spills, and {@code common.cuh} as a named header; no include path is needed), take the
 *       function {@link #entry()}, whose name is not mangled;
 *   <li>when {@link #sharedBytes()} exceeds 48 KiB, raise the function's {@code
 *       MAX_DYNAMIC_SHARED_SIZE_BYTES} to it;
 *   <li>launch it with the grid ({@link #gridX()}, {@link #gridY()}, {@link #gridZ()}), the block
 *       ({@link #blockX()}, {@link #blockY()}, 1), and <em>one</em> kernel parameter: a structure
 *       passed by value, whose bytes are those of {@link #parameters(long)} in the machine's order.
 *       {@code cuLaunchKernel}'s {@code kernelParams} is an array of one pointer, to these longs.
 * </ol>
 *
 * <p>The options depend on D, K, the element type and the alignment, for {@code
 * patch_backward_mask} on S in a few steps, and on the device's shared memory where that is scarce
 * (fewer stages; a mask of very many sources read in chunks); never on the number of rows, the
 * strides or the number of multiprocessors. So a model needs few compilations. They come in one
 * fixed order, so that the list can be part of a cache key.
 *
 * <p>The structures, field by field (each 8 bytes: a pointer, a {@code long long}, or a {@code
 * double}; strides in elements; cuda/common.cuh declares them):
 *
 * <pre>
 * ForwardParameters   patch_forward, patch_forward_naive
 *   const void* resid; resid_b; resid_t; const void* delta; delta_s; delta_b; delta_t;
 *   const void* mask; mask_b; mask_t; mask_k; void* out; void* rstd;
 *   B; T; K; S; D; normalization; double epsilon;
 *   groups; group_rows; group_step; row_step; tiles_per_group; chunk
 * CircuitParameters   patch_forward_circuit, patch_forward_circuit_naive
 *   const void* resid; resid_b; resid_t; const void* delta; delta_s; delta_b; delta_t;
 *   const int* offsets; const int* sources; prompts_per_list; list_positions;
 *   void* out; void* rstd; B; T; K; S; D; normalization; double epsilon
 * BackwardParameters  patch_backward, patch_backward_naive_{norm,resid,delta}
 *   void* grad; const void* normalized; normalized_k; normalized_b; normalized_t;
 *   const void* rstd; rstd_k; rstd_b; rstd_t; const void* mask; mask_b; mask_t; mask_k;
 *   void* resid_grad; resid_b; resid_t; void* delta_grad; grad_s; grad_b; grad_t;
 *   B; T; K; S; D; normalization; groups; group_rows; group_step; row_step;
 *   tiles_per_group; chunk; first
 * MaskGradParameters  patch_backward_products, patch_backward_sums, patch_backward_naive_mask
 *   const void* grad; const void* delta; delta_s; delta_b; delta_t; void* mask_grad;
 *   float* partial; B; T; K; S; D; groups; group_rows; group_step; row_step;
 *   chunk_rows; chunks_per_group
 * </pre>
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

  /** Copies the lists. */
  public CudaLaunch {
    options = List.copyOf(options);
    fields = List.copyOf(fields);
  }

  /**
   * The kernel's parameter.
   *
   * @param scratchAddress the device address of {@link Plan#scratchBytes()} bytes; ignored by
   *     launches that need none
   */
  public long[] parameters(long scratchAddress) {
    long[] longs = fields.stream().mapToLong(Long::longValue).toArray();
    if (scratchField >= 0) {
      longs[scratchField] = scratchAddress;
    }
    return longs;
  }

  /** How numbers are stored; sums are float32 in both cases. */
  public enum ElementType {
    /** IEEE binary32. */
    FLOAT32(4),
    /** The upper half of a binary32. */
    BFLOAT16(2);

    private final int bytes;

    ElementType(int bytes) {
      this.bytes = bytes;
    }

    /** The size of an element in bytes. */
    public int bytes() {
      return bytes;
    }
  }

  /**
   * What the arithmetic needs to know of a device.
   *
   * @param multiprocessors their number
   * @param sharedBytesPerBlock the most shared memory a block may ask for ({@code
   *     MAX_SHARED_MEMORY_PER_BLOCK_OPTIN})
   * @param sharedBytesPerMultiprocessor {@code MAX_SHARED_MEMORY_PER_MULTIPROCESSOR}
   */
  public record Device(
      int multiprocessors, int sharedBytesPerBlock, int sharedBytesPerMultiprocessor) {
    /**
     * Checks the limits.
     *
     * @throws IllegalArgumentException if they are below what every device of compute capability
     *     8.0 or later has (99 KiB of shared memory per block)
     */
    public Device {
      if (multiprocessors < 1
          || sharedBytesPerBlock < 99 << 10
          || sharedBytesPerMultiprocessor < sharedBytesPerBlock) {
        throw invalid(
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
   * A tensor in device memory. Its last axis is contiguous where it has one of channels or sources.
   *
   * @param address of its first element; 0 for no tensor
   * @param strides of its axes but the last, in elements; 0 where an axis has length 1 or is
   *     broadcast. {@code rstd} has none of channels, so all of its axes.
   */
  public record Strided(long address, List<Long> strides) {
    /** No tensor. */
    public static final Strided NONE = new Strided(0, List.of());

    /** Copies the list. */
    public Strided {
      strides = List.copyOf(strides);
    }

    /** A tensor of these strides. */
    public static Strided of(long address, long... strides) {
      return new Strided(address, Arrays.stream(strides).boxed().toList());
    }

    /** Whether there is a tensor. */
    public boolean present() {
      return address != 0;
    }

    long stride(int axis) {
      return axis < strides.size() ? strides.get(axis) : 0;
    }
  }

  /**
   * The sizes of a call.
   *
   * @param type of all tensors but lists
   * @param prompts B, 1 or more
   * @param positions T, 1 or more
   * @param destinations K, 1 or more
   * @param sources S, 0 or more
   * @param channels D, 1 or more
   */
  public record Shape(
      ElementType type, int prompts, int positions, int destinations, int sources, int channels) {
    /**
     * Checks the sizes.
     *
     * @throws IllegalArgumentException if one is out of range, or there are 2^30 rows (b,t) or more
     */
    public Shape {
      if (prompts < 1
          || positions < 1
          || destinations < 1
          || sources < 0
          || channels < 1
          || (long) prompts * positions >= 1 << 30
          || channels > 1 << 24
          || destinations > 1 << 20
          || sources > 1 << 20) {
        throw invalid(
            "prompts="
                + prompts
                + " positions="
                + positions
                + " destinations="
                + destinations
                + " sources="
                + sources
                + " channels="
                + channels,
            "use sizes of 1 or more (sources: 0 or more) and fewer than 2^30 rows");
      }
    }

    long rows() {
      return (long) prompts * positions;
    }
  }

  /**
   * {@link Kernels.PatchForward} as addresses.
   *
   * @param resid {@code [B,T,D]}
   * @param delta {@code [S,B,T,D]}, none when S is 0
   * @param mask {@code [B,T,K,S]}, strides 0 where it is broadcast, none when S is 0
   * @param out contiguous {@code [K,B,T,D]}
   * @param rstd contiguous {@code [K,B,T]}, 0 for none
   */
  public record Forward(
      Shape shape,
      Strided resid,
      Strided delta,
      Strided mask,
      Normalization norm,
      long out,
      long rstd) {}

  /**
   * {@link Forward} with lists of patched sources in place of a mask of zeros and ones: compressed
   * sparse rows of int32.
   *
   * @param resid {@code [B,T,D]}
   * @param delta {@code [S,B,T,D]}
   * @param offsets address of {@code [L·K + 1]} int32, ascending from 0: list (l,k) is {@code
   *     sources[offsets[l·K + k]] … sources[offsets[l·K + k + 1] - 1]}
   * @param sources address of the int32 source indices, in [0,S); within a list in ascending order
   * @param promptsPerList how many consecutive prompts share the lists; B for one circuit, the
   *     number of prompts when the prompts axis holds circuits × prompts. The lists of row (b,t)
   *     are l = b / promptsPerList · listPositions + (t, or 0 when listPositions is 1)
   * @param listPositions 1, or T when every position has lists of its own
   * @param out contiguous {@code [K,B,T,D]}
   * @param rstd contiguous {@code [K,B,T]}, 0 for none
   * @param edges the number of list entries summed over all rows (b,t), for {@link
   *     Plan#bytesMoved()} and {@link Plan#operations()} only
   */
  public record ForwardCircuit(
      Shape shape,
      Strided resid,
      Strided delta,
      long offsets,
      long sources,
      int promptsPerList,
      int listPositions,
      Normalization norm,
      long out,
      long rstd,
      long edges) {}

  /**
   * {@link Kernels.PatchBackward} as addresses.
   *
   * @param gradOut contiguous {@code [K,B,T,D]}
   * @param normalized {@code [K,B,T,D]}; none without normalisation
   * @param rstd {@code [K,B,T]}, all three strides; none without normalisation
   * @param delta {@code [S,B,T,D]}; needed with maskGrad
   * @param mask {@code [B,T,K,S]}; needed with deltaGrad
   * @param maskGrad contiguous {@code [B or 1, T or 1, K, S]}, 0 for none
   * @param perPrompt whether maskGrad's first axis has length B
   * @param perPosition whether maskGrad's second axis has length T
   * @param residGrad {@code [B,T,D]}, or none
   * @param deltaGrad {@code [S,B,T,D]}, or none
   */
  public record Backward(
      Shape shape,
      long gradOut,
      Strided normalized,
      Strided rstd,
      Strided delta,
      Strided mask,
      Normalization norm,
      long maskGrad,
      boolean perPrompt,
      boolean perPosition,
      Strided residGrad,
      Strided deltaGrad) {}

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
  public record Plan(
      List<CudaLaunch> launches, long scratchBytes, long bytesMoved, long operations) {
    /** Copies the list. */
    public Plan {
      launches = List.copyOf(launches);
    }
  }

  /** Sums of a thread (destinations × channels) that fit into registers beside all else. */
  private static final int SUMS = 144;

  private static final int MAX_WARPS = 12;
  private static final int MAX_CHANNELS = 32;
  private static final int REGISTERS = 65536;
  private static final int MAX_GRID_YZ = 65535;

  // Of patch_backward_mask.cu.
  private static final int PRODUCT_THREADS = 192;
  private static final int PRODUCT_WIDE = 48;
  private static final int PRODUCT_CHUNKS = 264;
  private static final int[] PRODUCT_TILES = {1, 2, 3, 5, 7, 9};

  /**
   * Plans {@code out[k,b,t,:] = norm(resid[b,t,:] + Σ_s mask[b,t,k,s] · delta[s,b,t,:])}.
   *
   * @throws IllegalArgumentException if an address is missing or not aligned to its elements
   */
  public static Plan patchForward(Device device, Forward call) {
    Shape shape = call.shape();
    required("resid", call.resid().address());
    required("out", call.out());
    if (shape.sources() > 0) {
      required("delta", call.delta().address());
      required("mask", call.mask().address());
    }
    boolean reads = shape.sources() > 0;
    Layout layout =
        Layout.of(
            shape, alignment(shape, call.out(), call.resid(), reads ? call.delta() : Strided.NONE));
    boolean perPrompt = reads && call.mask().stride(0) != 0 && shape.prompts() > 1;
    boolean perPosition = reads && call.mask().stride(1) != 0 && shape.positions() > 1;
    Groups groups = Groups.of(shape, perPrompt, perPosition);
    Fields head =
        new Fields()
            .tensor(call.resid(), 2)
            .tensor(call.delta(), 3)
            .tensor(call.mask(), 3)
            .add(call.out(), call.rstd())
            .shape(shape)
            .add(code(call.norm()), Double.doubleToRawLongBits(call.norm().epsilon()))
            .groups(groups);
    List<CudaLaunch> launches = new ArrayList<>();
    Tiling tiling =
        layout == null ? null : Tiling.of(device, shape, layout, groups, false, shape.sources());
    if (tiling == null) {
      launches.add(
          naive(
              "patch_forward_naive",
              "patch_forward_naive",
              shape,
              shape.rows() * shape.destinations(),
              head.add(0, 0)));
    } else {
      int tilesOfDestinations = ceil(shape.destinations(), tiling.destinations);
      int blocks =
          (int)
              Math.min(
                  tiling.tiles,
                  Math.max(
                      1, (long) device.multiprocessors() * tiling.blocks / tilesOfDestinations));
      launches.add(
          new CudaLaunch(
              "patch_forward",
              tiling.options(shape, layout),
              "patch_forward",
              blocks,
              tilesOfDestinations,
              1,
              32 * layout.warps,
              tiling.rows,
              tiling.sharedBytes,
              head.add(tiling.tilesPerGroup, tiling.chunk).list,
              -1));
    }
    long row = shape.rows() * shape.channels();
    long k = shape.destinations();
    long s = shape.sources();
    return new Plan(
        launches,
        0,
        shape.type().bytes() * row * (s + 1 + k),
        2 * k * s * row + norms(call.norm(), k * row));
  }

  /**
   * Plans {@link #patchForward} for lists of patched sources.
   *
   * @throws IllegalArgumentException if an address is missing or not aligned to its elements, or
   *     the lists do not fit the shape
   */
  public static Plan patchForwardCircuit(Device device, ForwardCircuit call) {
    Shape shape = call.shape();
    required("resid", call.resid().address());
    required("out", call.out());
    required("offsets", call.offsets());
    if (call.edges() > 0) {
      required("delta", call.delta().address());
      required("sources", call.sources());
    }
    if (call.promptsPerList() < 1
        || (call.listPositions() != 1 && call.listPositions() != shape.positions())) {
      throw invalid(
          "promptsPerList=" + call.promptsPerList() + " listPositions=" + call.listPositions(),
          "pass 1 or more, and 1 or the number of positions");
    }
    Layout layout = Layout.of(shape, alignment(shape, call.out(), call.resid(), call.delta()));
    List<Long> fields =
        new Fields()
            .tensor(call.resid(), 2)
            .tensor(call.delta(), 3)
            .add(call.offsets(), call.sources(), call.promptsPerList(), call.listPositions())
            .add(call.out(), call.rstd())
            .shape(shape)
            .add(code(call.norm()), Double.doubleToRawLongBits(call.norm().epsilon()))
            .list;
    List<CudaLaunch> launches = new ArrayList<>();
    long items = shape.rows() * shape.destinations();
    if (layout == null) {
      launches.add(
          naive(
              "patch_forward_naive",
              "patch_forward_circuit_naive",
              shape,
              items,
              new Fields(fields)));
    } else {
      int rows = Math.max(1, 8 / layout.warps);
      int threads = 32 * layout.warps * rows;
      int blocks = Math.max(1, 768 / threads);
      launches.add(
          new CudaLaunch(
              "patch_forward_circuit",
              List.of(
                  option("BFLOAT16", shape.type() == ElementType.BFLOAT16 ? 1 : 0),
                  option("VECTOR", layout.vector),
                  option("PIECES", layout.pieces),
                  option("THREADS", threads),
                  option("BLOCKS", layout.channels() > 8 ? 1 : blocks)),
              "patch_forward_circuit",
              (int)
                  Math.min((items + rows - 1) / rows, (long) device.multiprocessors() * blocks * 4),
              1,
              1,
              32 * layout.warps,
              rows,
              8 * (threads / 32) * 4,
              fields,
              -1));
    }
    long row = shape.rows() * shape.channels();
    return new Plan(
        launches,
        0,
        shape.type().bytes()
            * ((shape.destinations() + 1L) * row
                + Math.min(call.edges(), shape.sources() * shape.rows()) * shape.channels()),
        call.edges() * shape.channels() + norms(call.norm(), shape.destinations() * row));
  }

  /**
   * Plans the gradients of {@link Kernels.PatchBackward}.
   *
   * @throws IllegalArgumentException if an address is missing or not aligned to its elements
   */
  public static Plan patchBackward(Device device, Backward call) {
    Shape shape = call.shape();
    required("gradOut", call.gradOut());
    boolean normalizes = call.norm().kind() != Normalization.Kind.NONE;
    if (normalizes) {
      required("normalized", call.normalized().address());
      required("rstd", call.rstd().address());
    }
    boolean deltas = call.deltaGrad().present() && shape.sources() > 0;
    if (deltas) {
      required("mask", call.mask().address());
    }
    boolean masks = call.maskGrad() != 0 && shape.sources() > 0;
    if (masks) {
      required("delta", call.delta().address());
    }
    List<CudaLaunch> launches = new ArrayList<>();
    if (normalizes || deltas || call.residGrad().present()) {
      gradients(device, call, normalizes, deltas, launches);
    }
    long scratch = masks ? maskGradient(device, call, launches) : 0;
    long row = shape.rows() * shape.channels();
    long k = shape.destinations();
    long s = shape.sources();
    long elements = normalizes ? 3 * k * row : k * row;
    long operations = norms(call.norm(), k * row);
    if (call.residGrad().present()) {
      elements += 2 * row;
      operations += k * row;
    }
    if (deltas) {
      elements += 2 * s * row;
      operations += 2 * k * s * row;
    }
    if (masks) {
      elements += s * row;
      operations += 2 * k * s * row;
    }
    return new Plan(launches, scratch, elements * shape.type().bytes(), operations);
  }

  private static void gradients(
      Device device, Backward call, boolean normalizes, boolean deltas, List<CudaLaunch> launches) {
    Shape shape = call.shape();
    Layout layout =
        Layout.of(
            shape,
            alignment(
                shape,
                call.gradOut(),
                normalizes ? call.normalized() : Strided.NONE,
                call.residGrad(),
                deltas ? call.deltaGrad() : Strided.NONE));
    boolean perPrompt = deltas && call.mask().stride(0) != 0 && shape.prompts() > 1;
    boolean perPosition = deltas && call.mask().stride(1) != 0 && shape.positions() > 1;
    Groups groups = Groups.of(shape, perPrompt, perPosition);
    int sources = deltas ? shape.sources() : 0;
    Shape effective =
        new Shape(
            shape.type(),
            shape.prompts(),
            shape.positions(),
            shape.destinations(),
            sources,
            shape.channels());
    List<Long> head =
        new Fields()
            .add(call.gradOut())
            .tensor(call.normalized(), 3)
            .tensor(call.rstd(), 3)
            .tensor(call.mask(), 3)
            .tensor(call.residGrad(), 2)
            .tensor(deltas ? call.deltaGrad() : Strided.NONE, 3)
            .shape(effective)
            .add(code(call.norm()))
            .groups(groups)
            .list;
    Tiling tiling =
        layout == null ? null : Tiling.of(device, effective, layout, groups, true, sources);
    if (tiling == null) {
      List<Long> fields = new Fields(head).add(0, 0, 0).list;
      if (normalizes) {
        launches.add(
            naive(
                "patch_backward_naive",
                "patch_backward_naive_norm",
                shape,
                shape.rows() * shape.destinations(),
                new Fields(fields)));
      }
      if (call.residGrad().present()) {
        launches.add(
            naive(
                "patch_backward_naive",
                "patch_backward_naive_resid",
                shape,
                shape.rows(),
                new Fields(fields)));
      }
      if (deltas) {
        launches.add(
            naive(
                "patch_backward_naive",
                "patch_backward_naive_delta",
                shape,
                shape.rows() * sources,
                new Fields(fields)));
      }
      return;
    }
    for (int first = 0; first < shape.destinations(); first += tiling.destinations) {
      launches.add(
          new CudaLaunch(
              "patch_backward",
              tiling.options(effective, layout),
              "patch_backward",
              (int) Math.min(tiling.tiles, (long) device.multiprocessors() * tiling.blocks),
              1,
              1,
              32 * layout.warps,
              tiling.rows,
              tiling.sharedBytes,
              new Fields(head).add(tiling.tilesPerGroup, tiling.chunk, first).list,
              -1));
    }
  }

  /** Adds the launches of patch_backward_mask.cu; returns the scratch bytes they need. */
  private static long maskGradient(Device device, Backward call, List<CudaLaunch> launches) {
    Shape shape = call.shape();
    Groups groups = Groups.of(shape, call.perPrompt(), call.perPosition());
    int vector =
        alignment(shape, call.gradOut(), call.delta()) * shape.type().bytes() % 16 == 0
            ? 16 / shape.type().bytes()
            : 1;
    int lanesK = shape.destinations() < 4 ? 1 : 4;
    int tilesK = ceil(shape.destinations(), 36);
    int tileK = ceil(ceil(shape.destinations(), tilesK), lanesK);
    int lanesS = 2 * 32 / lanesK;
    int limit = lanesK == 1 ? 3 : 9;
    int tilesS = ceil(shape.sources(), lanesS * limit);
    int tileS = limit;
    for (int candidate : PRODUCT_TILES) {
      if (candidate <= limit && (long) candidate * lanesS * tilesS >= shape.sources()) {
        tileS = candidate;
        break;
      }
    }
    int rowsOfStage = lanesK * tileK + lanesS * tileS;
    int stageBytes = rowsOfStage * (PRODUCT_WIDE * shape.type().bytes() + 16);
    int stages = 2 * (3 * stageBytes + 1024) <= device.sharedBytesPerMultiprocessor() ? 3 : 2;
    if (stages * stageBytes > device.sharedBytesPerBlock()) {
      stages = 2;
    }
    int sharedBytes = Math.max(stages * stageBytes, 2 * 64 * tileK * tileS * 4);
    long chunkRows = ceil(shape.rows(), PRODUCT_CHUNKS);
    chunkRows = Math.min(chunkRows, groups.rows);
    long chunks = ceil(groups.rows, chunkRows);
    if (tilesS > MAX_GRID_YZ
        || tilesK > MAX_GRID_YZ
        || sharedBytes > device.sharedBytesPerBlock()
        || groups.count * chunks > Integer.MAX_VALUE) {
      throw invalid(
          "destinations=" + shape.destinations() + " sources=" + shape.sources(),
          "cut the call into parts");
    }
    Fields fields =
        new Fields()
            .add(call.gradOut())
            .tensor(call.delta(), 3)
            .add(call.maskGrad(), 0)
            .shape(shape)
            .groups(groups)
            .add(chunkRows, chunks);
    String type = option("BFLOAT16", shape.type() == ElementType.BFLOAT16 ? 1 : 0);
    List<String> options =
        List.of(
            type,
            option("VECTOR", vector),
            option("STAGES", stages),
            option("LANES_K", lanesK),
            option("TILE_K", tileK),
            option("TILE_S", tileS),
            option("BLOCKS", 2));
    int partial = 6;
    launches.add(
        new CudaLaunch(
            "patch_backward_mask",
            options,
            "patch_backward_products",
            (int) (groups.count * chunks),
            tilesS,
            tilesK,
            PRODUCT_THREADS,
            1,
            sharedBytes,
            fields.list,
            partial));
    if (chunks == 1) {
      return 0;
    }
    long entries = groups.count * shape.destinations() * shape.sources();
    launches.add(
        new CudaLaunch(
            "patch_backward_mask",
            options,
            "patch_backward_sums",
            Math.toIntExact(ceil(entries, 64)),
            1,
            1,
            64,
            1,
            0,
            fields.list,
            partial));
    return 4 * entries * chunks;
  }

  private static CudaLaunch naive(
      String source, String entry, Shape shape, long threads, Fields fields) {
    return new CudaLaunch(
        source,
        List.of(option("BFLOAT16", shape.type() == ElementType.BFLOAT16 ? 1 : 0)),
        entry,
        Math.toIntExact(ceil(threads, 64)),
        1,
        1,
        64,
        1,
        0,
        fields.list,
        -1);
  }

  /**
   * How the threads of a row share out its channels: access p of thread x is at channel (p·32·warps
   * + x)·vector. Depends on D, the element type and the alignment alone, since it decides in which
   * order the normalisation adds.
   */
  private record Layout(int vector, int pieces, int warps) {
    /** Null if the row is too long for the registers of a block. */
    static Layout of(Shape shape, int alignment) {
      int channels = shape.channels();
      int vector = 1;
      while (vector < 4 && alignment % (2 * vector) == 0 && 2 * vector * 32 <= channels) {
        vector *= 2;
      }
      int lanes = channels / vector;
      int pieces = Math.max(Math.min(4 / vector, ceil(lanes, 32)), ceil(lanes, 32 * MAX_WARPS));
      if (pieces * vector > MAX_CHANNELS) {
        return null;
      }
      return new Layout(vector, pieces, ceil(lanes, 32 * pieces));
    }

    int channels() {
      return vector * pieces;
    }
  }

  /**
   * Rows (b,t) that share one mask, or are summed into one entry; see {@code Rows} in common.cuh.
   */
  private record Groups(long count, long rows, long groupStep, long rowStep) {
    static Groups of(Shape shape, boolean perPrompt, boolean perPosition) {
      long b = shape.prompts();
      long t = shape.positions();
      if (perPrompt && perPosition) {
        return new Groups(b * t, 1, 1, 1);
      }
      if (perPrompt) {
        return new Groups(b, t, t, 1);
      }
      return perPosition ? new Groups(t, b, 1, t) : new Groups(1, b * t, 0, 1);
    }
  }

  /**
   * How patch_forward and patch_backward cut a call into tiles.
   *
   * @param destinations of a tile
   * @param rows of a tile
   * @param stages slots of the ring
   * @param threads the most threads a block of this layout has
   * @param blocks at once on a multiprocessor
   * @param chunk sources whose mask stands in shared memory
   */
  private record Tiling(
      int destinations,
      int rows,
      int stages,
      int threads,
      int blocks,
      int chunk,
      int sharedBytes,
      long tilesPerGroup,
      long tiles) {
    /** Null if the shared memory does not hold the least. */
    static Tiling of(
        Device device, Shape shape, Layout layout, Groups groups, boolean gradients, int sources) {
      int warps = layout.warps;
      int channels = layout.channels();
      int tilesOfDestinations = ceil(shape.destinations(), Math.max(1, SUMS / channels));
      if (tilesOfDestinations > MAX_GRID_YZ) {
        return null;
      }
      int destinations = ceil(shape.destinations(), tilesOfDestinations);
      int width = roundUp(destinations, 4);
      int mostRows = Math.max(1, 6 / warps);
      int threads = 32 * warps * mostRows;
      int sums = destinations * channels;
      int others = sums < 128 ? 40 : 20; // a full block has to live with few
      int registers = Math.min(255, Math.max(64, roundUp(sums + channels + others, 8)));
      int blocks = Math.max(1, Math.min(4, REGISTERS / (threads * registers)));
      int slot = threads * channels * shape.type().bytes();
      int stages = slot <= 6 << 10 ? 8 : slot <= 16 << 10 ? 4 : 2;
      int rows = (int) Math.min(mostRows, groups.rows);
      int slots = gradients ? stages : stages + 1;
      int entries = gradients ? 2 * destinations : destinations;
      int fixed = 16 + slots * slot + 8 * (threads / 32) * roundUp(entries, 4) + 4 * (width + 4);
      int available =
          Math.min(
              device.sharedBytesPerBlock(), device.sharedBytesPerMultiprocessor() / blocks - 1024);
      int chunk = sources;
      if (fixed + maskBytes(chunk, width) > available) {
        chunk = (available - fixed - 16) / (128 * (width + 4) + 4) * 32;
        if (chunk <= 0) {
          return null;
        }
      }
      long tilesPerGroup = ceil(groups.rows, rows);
      return new Tiling(
          destinations,
          rows,
          stages,
          threads,
          blocks,
          chunk,
          (int) (fixed + maskBytes(chunk, width)),
          tilesPerGroup,
          groups.count * tilesPerGroup);
    }

    private static long maskBytes(int chunk, int width) {
      return 4L * chunk * (width + 4) + roundUp(4 * ceil(chunk, 32), 16);
    }

    List<String> options(Shape shape, Layout layout) {
      return List.of(
          option("BFLOAT16", shape.type() == ElementType.BFLOAT16 ? 1 : 0),
          option("VECTOR", layout.vector),
          option("PIECES", layout.pieces),
          option("DESTINATIONS", destinations),
          option("STAGES", stages),
          option("CHUNKED", chunk < shape.sources() ? 1 : 0),
          option("THREADS", threads),
          option("BLOCKS", blocks));
    }
  }

  /** Collects the fields of a structure. */
  private static final class Fields {
    private final List<Long> list = new ArrayList<>();

    Fields() {}

    Fields(List<Long> start) {
      list.addAll(start);
    }

    Fields add(long... values) {
      for (long value : values) {
        list.add(value);
      }
      return this;
    }

    Fields tensor(Strided tensor, int strides) {
      add(tensor.address());
      for (int axis = 0; axis < strides; axis++) {
        add(tensor.stride(axis));
      }
      return this;
    }

    Fields shape(Shape shape) {
      return add(
          shape.prompts(),
          shape.positions(),
          shape.destinations(),
          shape.sources(),
          shape.channels());
    }

    Fields groups(Groups groups) {
      return add(groups.count, groups.rows, groups.groupStep, groups.rowStep);
    }
  }

  /** The most elements, up to 16 bytes, that can be moved at once in all of these tensors. */
  private static int alignment(Shape shape, long contiguous, Strided... tensors) {
    int bytes = shape.type().bytes();
    long bits = Math.multiplyExact((long) shape.channels(), bytes) | contiguous | 16;
    for (Strided tensor : tensors) {
      if (tensor.present()) {
        bits |= tensor.address();
        for (long stride : tensor.strides()) {
          bits |= stride * bytes;
        }
      }
    }
    long aligned = Long.lowestOneBit(bits);
    if (aligned < bytes) {
      throw invalid("address alignment=" + aligned, "align tensors to their elements");
    }
    return (int) (aligned / bytes);
  }

  private static long norms(Normalization norm, long elements) {
    return norm.kind() == Normalization.Kind.NONE ? 0 : 8 * elements;
  }

  /** The number of {@code Normalization} in common.cuh. */
  private static int code(Normalization norm) {
    return switch (norm.kind()) {
      case NONE -> 0;
      case LAYER_NORM -> 1;
      case RMS_NORM -> 2;
    };
  }

  private static String option(String name, int value) {
    return "-DAUTOCIRCUIT_" + name + "=" + value;
  }

  private static int ceil(int n, int by) {
    return (n + by - 1) / by;
  }

  private static long ceil(long n, long by) {
    return (n + by - 1) / by;
  }

  private static int roundUp(int n, int to) {
    return ceil(n, to) * to;
  }

  private static void required(String name, long address) {
    if (address == 0) {
      throw invalid(name + "=none", "it is needed with these arguments");
    }
  }

  private static IllegalArgumentException invalid(String what, String cure) {
    return new IllegalArgumentException(what + "; " + cure);
  }
}
