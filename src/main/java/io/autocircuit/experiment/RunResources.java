package io.autocircuit.experiment;

import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.patch.LearnedConstants;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.SharedOutputs;
import io.autocircuit.patch.SourceConstants;
import io.autocircuit.task.Task;
import io.autocircuit.tensor.Device;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * What runs of one process share: kernels, the hashes of files, and of the latest model and prompts
 * all that was loaded and computed of them. Runs of one model and prompts should follow each other;
 * when others come, these are closed. Not for use by several threads.
 *
 * <p>Files are taken not to change while this is open: they are hashed once.
 */
public final class RunResources implements AutoCloseable {
  /** Of the memory for runs, what shared outputs may hold beside it: one part of so many. */
  private static final long SHARE = 8;

  private final Map<Device, KernelsProvider.Choice> kernels = new HashMap<>();
  private final Map<List<?>, RunSpec> pinned = new HashMap<>();
  private final Map<RunSpec.Graph, RunSpec.Graph> pinnedGraphs = new HashMap<>();
  private List<?> key = List.of();
  private Task task;
  private SharedOutputs shared;
  private MemoryBudget memory;
  private Map<Object, Double> plainSeconds = new HashMap<>();
  private Map<Object, LearnedConstants> constants = new HashMap<>();

  /** Nothing is loaded yet. */
  public RunResources() {}

  /**
   * A spec with the hashes of all files, each of which is read once.
   *
   * @param spec any spec
   * @return as {@link RunSpec#pinned}
   * @throws io.autocircuit.files.DataException if a file cannot be read
   */
  public RunSpec pinned(RunSpec spec) {
    List<?> files = List.of(spec.model(), spec.prompts().source());
    RunSpec known = pinned.get(files);
    if (known == null) {
      known = spec.pinned();
      pinned.put(files, known);
      pinned.put(List.of(known.model(), known.prompts().source()), known);
    }
    RunPrompts prompts = spec.prompts().withSource(known.prompts().source());
    return new RunSpec(
        known.version(),
        known.model(),
        spec.processing(),
        spec.numbers(),
        prompts.withTokenizer(known.prompts().tokenizer()),
        graph(spec.graph()),
        RunAlgorithms.pinned(spec.scoring()),
        spec.judging(),
        spec.constants().map(StoredFile::pinned),
        spec.official().map(OfficialSource::pinned),
        spec.seed(),
        spec.machine());
  }

  /** The autoencoders of a graph are read once. */
  private RunSpec.Graph graph(RunSpec.Graph graph) {
    return graph.autoencoders().isEmpty()
        ? graph
        : pinnedGraphs.computeIfAbsent(graph, AutoencoderSource::pinned);
  }

  KernelsProvider.Choice kernels(Device device) {
    return kernels.computeIfAbsent(device, KernelsProvider::choose);
  }

  /**
   * The task of a run.
   *
   * @param spec with the hashes of all files
   * @param load loads it where it is not the latest
   */
  Task task(RunSpec spec, DeviceChoice on, Supplier<Task> load) {
    List<?> wanted = List.of(loaded(spec), on.device());
    if (!wanted.equals(key)) {
      closeTask();
      task = load.get();
      key = wanted;
    }
    return task;
  }

  /**
   * What a run loads: runs with equal ones share their model and prompts where they follow each
   * other.
   *
   * @param spec with the hashes of all files
   * @return to be compared with those of other runs
   */
  public static Object loaded(RunSpec spec) {
    return List.of(
        spec.model(),
        spec.processing(),
        spec.numbers(),
        spec.prompts().withSplit(PromptSplit.ALL).withBatchSize(RunPrompts.BATCH_SIZE),
        spec.graph().autoencoders(),
        seeded(spec) ? spec.seed() : "any");
  }

  /** The memory for runs where nothing says it: what there was at first, so that all have one. */
  MemoryBudget memory(Supplier<MemoryBudget> standard) {
    if (memory == null) {
      memory = standard.get();
    }
    return memory;
  }

  /** Whether the model or all of the prompts may depend on the seed. */
  private static boolean seeded(RunSpec spec) {
    boolean files =
        spec.model() instanceof ModelSource.Directory
            || spec.model() instanceof ModelSource.Embedded;
    PromptSource prompts = spec.prompts().source();
    return !files
        || !(prompts instanceof PromptSource.File || prompts instanceof PromptSource.Embedded);
  }

  /** What the runs of the latest task share, within a part of the memory for runs. */
  SharedOutputs shared(MemoryBudget memory) {
    if (shared == null) {
      shared = new SharedOutputs(memory.bytes() / SHARE);
    }
    return shared;
  }

  /** Seconds of a plain pass over some prompts of the latest task; measured once. */
  double plainSeconds(Object prompts, Supplier<Double> measure) {
    Double known = plainSeconds.get(prompts);
    if (known == null) {
      known = measure.get();
      plainSeconds.put(prompts, known);
    }
    return known;
  }

  /**
   * What optimal ablation ablates to: what the run's file holds, or what a run of the latest task
   * with the same prompts, graph and seed has learned, or will.
   *
   * @return null where there is neither
   * @throws io.autocircuit.files.DataException if the file cannot be used
   */
  LearnedConstants constants(RunSpec spec, ComputationGraph graph) {
    return spec.constants()
        .map(
            file ->
                LearnedConstants.of(
                    SourceConstants.read(file.path(), graph, task.model().config().dModel())))
        .orElseGet(() -> constants.get(learned(spec)));
  }

  /** Keeps what a run learns for others. */
  void keep(RunSpec spec, LearnedConstants learned) {
    if (spec.constants().isEmpty()) {
      constants.putIfAbsent(learned(spec), learned);
    }
  }

  private static Object learned(RunSpec spec) {
    return List.of(spec.prompts(), spec.graph(), spec.judging().slice(), spec.seed());
  }

  private void closeTask() {
    key = List.of();
    constants = new HashMap<>();
    plainSeconds = new HashMap<>();
    if (shared != null) {
      shared.close();
      shared = null;
    }
    if (task != null) {
      task.close();
      task = null;
    }
  }

  @Override
  public void close() {
    try {
      closeTask();
    } finally {
      kernels.values().forEach(KernelsProvider.Choice::close);
      kernels.clear();
    }
  }
}
