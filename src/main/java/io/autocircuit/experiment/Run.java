package io.autocircuit.experiment;

import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.experiment.RunSpec.Algorithm;
import io.autocircuit.experiment.RunSpec.Saved;
import io.autocircuit.files.DataException;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.DeviceRequest;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.MemoryBudget;
import io.autocircuit.patch.Parallelism;
import io.autocircuit.patch.Progress;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.SavedScores;
import io.autocircuit.task.Task;
import io.autocircuit.tensor.NativeThreads;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.Supplier;

/**
 * A {@link RunSpec} with its model loaded and its files compared with what it says of them.
 *
 * <pre>{@code
 * try (Run run = Run.open(RunSpec.read(Path.of("circuit/run.json")))) {
 *   Discovery.Result result = run.run(Progress.SILENT);
 * }
 * }</pre>
 */
public final class Run implements AutoCloseable {
  private final RunSpec spec;
  private final Task task;
  private final KernelsProvider.Choice kernels;

  /** Closed with this unless other runs use them. */
  private final RunResources resources;

  private final boolean alone;
  private final MemoryBudget memory;
  private final Discovery discovery;
  private final List<String> notices;

  private Run(
      RunSpec spec,
      Task task,
      KernelsProvider.Choice kernels,
      RunResources resources,
      boolean alone,
      MemoryBudget memory,
      Discovery discovery,
      List<String> notices) {
    this.spec = spec;
    this.task = task;
    this.kernels = kernels;
    this.resources = resources;
    this.alone = alone;
    this.memory = memory;
    this.discovery = discovery;
    this.notices = notices;
  }

  /**
   * How a run is computed; each empty for what the spec says, or else what suits this machine.
   *
   * @param device where
   * @param threads how many threads there are
   * @param memory native memory that runs may take
   */
  public record Means(
      Optional<DeviceChoice> device, Optional<Integer> threads, Optional<MemoryBudget> memory) {
    /** As the spec says. */
    public static final Means AS_RECORDED =
        new Means(Optional.empty(), Optional.empty(), Optional.empty());
  }

  /**
   * Opens a run with the means that the spec names, or else what suits this machine.
   *
   * @param spec the run
   * @return to be closed
   * @throws DataException if a file cannot be used, or does not hold what the spec says
   * @throws UnfitSettingException if a setting does not fit the model or the prompts
   */
  public static Run open(RunSpec spec) {
    return open(spec, Means.AS_RECORDED);
  }

  /**
   * Opens a run: loads the model, while its weights are hashed, and the prompts, and compares all
   * files with the spec.
   *
   * @param spec the run
   * @param means how it is computed
   * @return to be closed
   * @throws DataException if a file cannot be used, or does not hold what the spec says
   * @throws UnfitSettingException if a setting does not fit the model or the prompts
   */
  public static Run open(RunSpec spec, Means means) {
    RunResources resources = new RunResources();
    boolean opened = false;
    try {
      Run run = open(spec, means, resources, true);
      opened = true;
      return run;
    } finally {
      if (!opened) {
        resources.close();
      }
    }
  }

  /**
   * Opens a run that shares what it can with others.
   *
   * @param spec the run
   * @param means how it is computed
   * @param resources of these runs; the caller closes them, after all runs
   * @return to be closed before the next run with these resources is opened
   * @throws DataException if a file cannot be used, or does not hold what the spec says
   * @throws UnfitSettingException if a setting does not fit the model or the prompts
   */
  public static Run open(RunSpec spec, Means means, RunResources resources) {
    return open(spec, means, resources, false);
  }

  private static Run open(RunSpec spec, Means means, RunResources resources, boolean alone) {
    DeviceChoice on =
        means
            .device()
            .orElseGet(
                () ->
                    DeviceChoice.of(
                        spec.machine()
                            .map(m -> DeviceRequest.parse(m.device()))
                            .orElse(DeviceRequest.AUTO)));
    RunChanges.requireRegular(spec);
    FutureTask<RunSpec> reading = new FutureTask<>(() -> resources.pinned(spec));
    Thread reader = new Thread(reading, "autocircuit-fingerprints");
    reader.setDaemon(true);
    RunSpec now;
    Task task;
    if (alone) {
      reader.start();
      try {
        task = resources.task(spec, on, () -> task(spec, on));
        now = joined(reading);
      } finally {
        reading.cancel(true);
      }
    } else { // known from an earlier run, but for the first
      reading.run();
      now = joined(reading);
      task = resources.task(now, on, () -> task(spec, on));
    }
    List<String> changes = RunChanges.of(spec, now);
    if (!changes.isEmpty()) {
      throw new DataException(
          "not what this run was recorded with: "
              + String.join("; ", changes)
              + "; give the files that it was recorded with, or begin a new run");
    }
    return of(spec, now, task, on, resources, alone, means);
  }

  private static Run of(
      RunSpec then,
      RunSpec now,
      Task task,
      DeviceChoice on,
      RunResources resources,
      boolean alone,
      Means means) {
    KernelsProvider.Choice kernels = resources.kernels(on.device());
    int processors = Runtime.getRuntime().availableProcessors();
    int threads =
        means
            .threads()
            .orElse(then.machine().map(m -> Math.min(m.threads(), processors)).orElse(processors));
    MemoryBudget memory =
        means
            .memory()
            .orElseGet(
                () ->
                    memory(then, resources.memory(() -> MemoryBudget.standard(on, task.model()))));
    RunSpec spec =
        now.withMachine(
            Optional.of(
                new Machine(
                    on.device().toString(), kernels.kernels().name(), threads, memory.bytes())));
    DiscoveryBuilder builder =
        Discovery.builder(task)
            .kernels(kernels.kernels())
            .graph(spec.graph().form())
            .level(spec.graph().level())
            .separateQkv(spec.graph().separateQkv())
            .keyValues(spec.graph().keyValues())
            .tokenPositions(spec.graph().tokenPositions())
            .spans(spec.graph().spans())
            .slice(spec.judging().slice())
            .batchSize(spec.prompts().batchSize())
            .padded(spec.prompts().padded())
            .split(spec.prompts().split(), spec.seed())
            .runs(spec.judging().runs())
            .sizes(spec.judging().sizes())
            .ties(spec.judging().ties())
            .selection(spec.judging().selection())
            .metrics(spec.judging().metrics())
            .perPrompt(spec.judging().perPrompt())
            .memory(memory)
            .threads(threads)
            .sharing(alone ? null : resources.shared(memory));
    Discovery discovery;
    try {
      Circuit official =
          spec.official()
              .map(c -> c.read(spec.prompts().source(), builder.graph(), builder.words()))
              .orElse(null);
      PruneAlgorithm algorithm =
          spec.scoring() instanceof Saved s
              ? SavedScores.read(s.file().path(), builder.graph())
              : RunAlgorithms.make((Algorithm) spec.scoring(), spec, builder.graph(), official);
      discovery =
          builder
              .algorithm(algorithm)
              .official(official)
              .constants(resources.constants(spec, builder.graph()))
              .build();
    } catch (IllegalArgumentException e) {
      throw new UnfitSettingException(e);
    }
    resources.keep(spec, discovery.model().constants());
    return new Run(
        spec,
        task,
        kernels,
        resources,
        alone,
        memory,
        discovery,
        List.copyOf(RunChanges.notices(then, spec)));
  }

  /**
   * The budget of the recorded run, so that batches are cut as they were; where that is more than
   * this machine has, what it can give.
   */
  private static MemoryBudget memory(RunSpec then, MemoryBudget here) {
    return then.machine()
        .map(Machine::memory)
        .filter(bytes -> bytes <= here.bytes() / MemoryBudget.SHARE)
        .map(MemoryBudget::new)
        .orElse(here);
  }

  private static Task task(RunSpec spec, DeviceChoice on) {
    Transformer loaded =
        spec.model().load(spec.processing().orElse(null), spec.numbers(), spec.seed());
    Transformer model = loaded.to(on.device());
    try {
      RunPrompts prompts = spec.prompts();
      TokenizedDataset read =
          prompts
              .source()
              .read(
                  model,
                  new PromptSource.Reading(
                      spec.model().directory().orElse(null),
                      prompts.bos(),
                      prompts.multiTokenAnswers(),
                      !prompts.padded(),
                      spec.seed()));
      return new Task(
          AutoencoderSource.attached(spec.graph(), model, read, prompts.padded()), read);
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  private static RunSpec joined(FutureTask<RunSpec> reading) {
    try {
      return reading.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while the files of a run were read", e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new IllegalStateException("the files of a run cannot be read", e.getCause());
    }
  }

  /** {@return the spec with the hashes of all files, and with this machine} */
  public RunSpec spec() {
    return spec;
  }

  /**
   * The model and the prompts.
   *
   * @return closed with this
   */
  public Task task() {
    return task;
  }

  /**
   * What is run.
   *
   * @return the discovery
   */
  public Discovery discovery() {
    return discovery;
  }

  /**
   * The index in the prompt file of each prompt that judges.
   *
   * @return in the order of the numbers for each prompt
   */
  public int[] testPrompts() {
    return split().test().indices(discovery.test());
  }

  /**
   * The index in the prompt file of each prompt that scores.
   *
   * @return in the order of {@link Discovery.Result#prompts}
   */
  public int[] trainPrompts() {
    return split().train().indices(discovery.train());
  }

  /**
   * What each prompt that scores is made of.
   *
   * @return the template of each, in the order of {@link Discovery.Result#prompts}; empty texts
   *     where the prompts name none
   */
  public List<String> trainTemplates() {
    return split().train().templates(discovery.train());
  }

  private TokenizedDataset.Split split() {
    return spec.prompts().split().of(task.prompts(), spec.seed());
  }

  /**
   * The kernels, and why these.
   *
   * @return closed with this
   */
  public KernelsProvider.Choice kernels() {
    return kernels;
  }

  /**
   * The native memory that runs may take.
   *
   * @return the budget
   */
  public MemoryBudget memory() {
    return memory;
  }

  /**
   * What is not as it was when the spec was recorded, and may change numbers.
   *
   * @return a sentence for each; none for a spec that was not run before
   */
  public List<String> notices() {
    return notices;
  }

  /**
   * Runs it.
   *
   * @param progress told about the work done
   * @return what came out
   * @throws DataException if the model's outputs are not finite
   */
  public Discovery.Result run(Progress progress) {
    return with(() -> result(discovery.run(progress)));
  }

  /**
   * What came out, and what it took.
   *
   * @param result what {@link #run} returns
   * @param cost in seconds
   */
  public record Timed(Discovery.Result result, CellResult.Cost cost) {}

  /**
   * Runs it with a clock.
   *
   * @param progress told about the work done
   * @return what came out, and what it took
   * @throws DataException if the model's outputs are not finite
   */
  public Timed timed(Progress progress) {
    try (NativeThreads used = nativeThreads()) {
      double plain =
          resources.plainSeconds(
              List.of(spec.prompts(), spec.graph(), discovery.model().slice()),
              () -> PlainPass.seconds(discovery));
      long start = System.nanoTime();
      Discovery.Scored scores = discovery.scored(progress);
      long scored = System.nanoTime();
      Discovery.Result result = result(discovery.judge(scores, progress));
      return new Timed(
          result,
          new CellResult.Cost((scored - start) / 1e9, (System.nanoTime() - scored) / 1e9, plain));
    }
  }

  /**
   * Computes something with as many native threads as this run is computed with.
   *
   * @param <T> what it gives
   * @param work what is computed
   * @return what it gave
   */
  public <T> T with(Supplier<T> work) {
    try (NativeThreads used = nativeThreads()) {
      return work.get();
    }
  }

  /** Seconds of a plain pass over the prompts that score. */
  double plainPass() {
    return with(() -> PlainPass.seconds(discovery));
  }

  /**
   * What the sources of the best edges write on prompts that judge, and what they are ablated to.
   *
   * @param result what {@link #run} returned
   * @param prompts how many prompts are looked at, 1 or more
   * @param edges sources of so many of the best edges
   * @return plain values
   */
  public SourceActivations activations(Discovery.Result result, int prompts, int edges) {
    try (NativeThreads used = nativeThreads()) {
      return SourceActivations.of(
          discovery,
          result.scores(),
          prompts,
          edges,
          ids -> Task.texts(ids, spec.model().directory().orElse(null)));
    }
  }

  private NativeThreads nativeThreads() {
    Parallelism parallel =
        Parallelism.of(
            task.model().config(), discovery.train(), spec.machine().orElseThrow().threads());
    return KernelsProvider.threads(parallel.nativeThreads());
  }

  private Discovery.Result result(Discovery.Result result) {
    List<String> all = new ArrayList<>(notices);
    all.addAll(result.notices());
    return result.withNotices(all).withTemplates(trainTemplates());
  }

  @Override
  public void close() {
    if (alone) {
      resources.close();
    }
  }
}
