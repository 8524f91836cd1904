package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.tensor.Device;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;

/**
 * Evaluations of some batches within the model's memory budget: each batch in as few micro-batches
 * as that permits. What an ablation takes over a batch is taken over the whole batch, once; what it
 * takes from the paired prompt, micro-batch by micro-batch. Not for use by several threads at once.
 */
public final class Evaluations implements AutoCloseable {

  /** Which prompts are run, and whose activations ablated sources are replaced by. */
  public enum Direction {
    /** Clean prompts are run, patched from corrupt. */
    CORRUPT_INTO_CLEAN,
    /** Corrupt prompts are run, patched from clean. */
    CLEAN_INTO_CORRUPT,
    /** Clean prompts are run and patched from. */
    CLEAN_INTO_CLEAN;

    /**
     * The prompts that are run.
     *
     * @param batch clean and corrupt prompts
     * @return one of the two
     */
    public TokenBatch input(PromptBatch batch) {
      return this == CLEAN_INTO_CORRUPT ? batch.corrupt() : batch.clean();
    }

    /**
     * The prompts that are patched from.
     *
     * @param batch clean and corrupt prompts
     * @return one of the two
     */
    public TokenBatch patches(PromptBatch batch) {
      return this == CORRUPT_INTO_CLEAN ? batch.corrupt() : batch.clean();
    }
  }

  private final PatchableModel model;
  private final List<PromptBatch> batches;
  private final AblationValues values;
  private final Direction direction;
  private final List<List<MicroBatch>> parts;

  /** Whether micro-batches stay open between visits. */
  private final boolean stay;

  private final OpenMicroBatch[][] open;

  /** What a batch's micro-batches share of the ablation, {@code [S,1,1 or T,D]}; made at need. */
  private final Tensor[] shared;

  private final boolean keep;

  /** Whether each micro-batch is run once, so that Δ may take its ablation values' place. */
  private final boolean single;

  private final int circuitsAtOnce;

  /** Computes micro-batches at the same time; null where they are computed one after another. */
  private final ExecutorService workers;

  private Evaluations(
      PatchableModel model,
      List<PromptBatch> batches,
      AblationValues values,
      Direction direction,
      MemoryEstimate.Work work,
      MemoryEstimate.More more,
      boolean keep) {
    this.model = model;
    this.batches = List.copyOf(batches);
    this.values = values;
    this.direction = direction;
    this.keep = keep;
    this.single =
        work == MemoryEstimate.Work.ONE_UNIFORM_GRADIENT && model.replacesValues(values.ablation());
    List<List<MicroBatch>> staying =
        keep ? stayingOpen(model, batches, values.ablation(), work) : null;
    stay = staying != null;
    parts = stay ? staying : MicroBatch.within(model, work, values.ablation(), batches, more);
    open = new OpenMicroBatch[batches.size()][];
    shared = new Tensor[batches.size()];
    for (int b = 0; b < open.length; b++) {
      open[b] = new OpenMicroBatch[parts.get(b).size()];
    }
    // others are run one by one anyway
    boolean several =
        work == MemoryEstimate.Work.CIRCUITS
            && model.graph().factorized()
            && !model.runsCircuitsAsMasks();
    circuitsAtOnce = several ? circuitsAtOnce(work) : 1;
    workers = stay && model.workers() > 1 ? pool(model.workers()) : null;
  }

  private static ExecutorService pool(int count) {
    return Executors.newFixedThreadPool(
        count,
        task -> {
          Thread t = new Thread(task, "autocircuit-worker");
          t.setDaemon(true);
          return t;
        });
  }

  /**
   * For batches that are visited once: one micro-batch is open at a time.
   *
   * @param model the model and its memory budget
   * @param batches the prompts
   * @param values the ablation; the caller closes it, after this
   * @param direction which prompts are run and which are patched from
   * @param work what is run, which decides how much memory a prompt takes
   * @return evaluations, which the caller closes
   * @throws IllegalArgumentException if one prompt alone exceeds the memory budget
   */
  public static Evaluations once(
      PatchableModel model,
      List<PromptBatch> batches,
      AblationValues values,
      Direction direction,
      MemoryEstimate.Work work) {
    return once(model, batches, values, direction, work, MemoryEstimate.More.NOTHING);
  }

  /**
   * The same, for gradients that take more memory.
   *
   * @param model the model and its memory budget
   * @param batches the prompts
   * @param values the ablation; the caller closes it, after this
   * @param direction which prompts are run and which are patched from
   * @param work what is run, which decides how much memory a prompt takes
   * @param more what gradients take beside the usual
   * @return evaluations, which the caller closes
   * @throws IllegalArgumentException if one prompt alone exceeds the memory budget
   */
  public static Evaluations once(
      PatchableModel model,
      List<PromptBatch> batches,
      AblationValues values,
      Direction direction,
      MemoryEstimate.Work work,
      MemoryEstimate.More more) {
    return new Evaluations(model, batches, values, direction, work, more, false);
  }

  /**
   * For batches that are visited again and again. What they hold stays open between visits where
   * the memory budget permits; otherwise each is opened anew on each visit, which is slower.
   *
   * @param model the model, its memory budget and its workers
   * @param batches the prompts
   * @param values the ablation; the caller closes it, after this
   * @param direction which prompts are run and which are patched from
   * @param work what is run, which decides how much memory a prompt takes
   * @return evaluations, which the caller closes
   * @throws IllegalArgumentException if one prompt alone exceeds the memory budget
   */
  public static Evaluations kept(
      PatchableModel model,
      List<PromptBatch> batches,
      AblationValues values,
      Direction direction,
      MemoryEstimate.Work work) {
    return new Evaluations(
        model, batches, values, direction, work, MemoryEstimate.More.NOTHING, true);
  }

  /** Micro-batches that can all stay open while the largest is at work; null if none can. */
  private static List<List<MicroBatch>> stayingOpen(
      PatchableModel model,
      List<PromptBatch> batches,
      Ablation ablation,
      MemoryEstimate.Work work) {
    MemoryEstimate[] need = new MemoryEstimate[batches.size()];
    double left = model.memory().bytes();
    for (int b = 0; b < need.length; b++) {
      TokenBatch tokens = batches.get(b).clean();
      need[b] = MemoryEstimate.of(model, work, ablation, tokens.length());
      left -= need[b].fixed() + (double) tokens.batchSize() * need[b].heldPerPrompt();
    }
    List<List<MicroBatch>> all = new ArrayList<>();
    for (int b = 0; b < need.length; b++) {
      double size = Math.floor(left / need[b].transientPerPrompt() / model.workers());
      if (size < 1) {
        return null;
      }
      int prompts = batches.get(b).clean().batchSize();
      int most = (prompts + model.workers() - 1) / model.workers();
      all.add(MicroBatch.split(b, batches.get(b), (int) Math.min(most, size)));
    }
    return all;
  }

  private int circuitsAtOnce(MemoryEstimate.Work work) {
    long rows = 1;
    for (int b = 0; b < parts.size(); b++) {
      for (MicroBatch m : parts.get(b)) {
        rows = Math.max(rows, (long) m.size() * batches.get(b).clean().length());
      }
    }
    return CircuitsAtOnce.of(
        !model.model().placement().device().equals(Device.CPU),
        model.model().config().dModel(),
        rows,
        count -> bytes(work, count) <= model.memory().bytes());
  }

  /** Bytes of all micro-batches that are open at the same time, with so many circuits at once. */
  private double bytes(MemoryEstimate.Work work, int circuits) {
    double held = 0;
    double moving = 0;
    double alone = 0;
    for (int b = 0; b < parts.size(); b++) {
      int length = batches.get(b).clean().length();
      MemoryEstimate need = MemoryEstimate.of(model, work, values.ablation(), length, circuits);
      held += need.fixed();
      for (MicroBatch m : parts.get(b)) {
        held += (double) m.size() * need.heldPerPrompt();
        moving = Math.max(moving, (double) m.size() * need.transientPerPrompt());
        alone = Math.max(alone, (double) need.bytes(m.size()));
      }
    }
    return stay ? held + model.workers() * moving : alone;
  }

  /**
   * How many circuits to run at once on a micro-batch by {@link Evaluation#logits(List,
   * PatchType)}.
   *
   * @return more than 1 where that is faster and the memory budget has room; so many at most fit
   */
  public int circuitsAtOnce() {
    return circuitsAtOnce;
  }

  /**
   * Number of micro-batches of all batches.
   *
   * @return 0 if there is no batch
   */
  public int count() {
    return Arrays.stream(open).mapToInt(p -> p.length).sum();
  }

  /**
   * Number of micro-batches of a batch.
   *
   * @param batch its index
   * @return at least 1
   */
  public int count(int batch) {
    return open[batch].length;
  }

  /**
   * Visits the micro-batches of all batches in order, in a {@link TensorScope} each.
   *
   * @param action called by this thread
   */
  public void forEach(Consumer<OpenMicroBatch> action) {
    for (int b = 0; b < open.length; b++) {
      visit(b, action);
    }
  }

  /**
   * Visits the micro-batches of a batch in order, in a {@link TensorScope} each.
   *
   * @param batch its index
   * @param action called by this thread
   */
  public void visit(int batch, Consumer<OpenMicroBatch> action) {
    for (int i = 0; i < open[batch].length; i++) {
      if (open[batch][i] == null) {
        open[batch][i] = open(parts.get(batch).get(i));
      }
      try (TensorScope scope = new TensorScope()) {
        action.accept(open[batch][i]);
      } finally {
        if (!stay) {
          open[batch][i].close();
          open[batch][i] = null;
        }
      }
    }
    if (!keep) {
      forget(batch);
    }
  }

  /**
   * Computes something for each micro-batch of all batches, and collects it in their order. Where
   * all micro-batches stay open the model's workers compute at the same time, which does not change
   * what is collected. What {@code work} throws is thrown here, after all workers are done.
   *
   * @param <R> plain values, no tensors: those are freed
   * @param work called in a {@link TensorScope}, by several threads if there are several workers
   * @param collect called on this thread
   */
  public <R> void compute(Function<OpenMicroBatch, R> work, BiConsumer<OpenMicroBatch, R> collect) {
    compute(0, open.length, work, collect);
  }

  /**
   * As {@link #compute(Function, BiConsumer)}, for the micro-batches of one batch.
   *
   * @param <R> plain values
   * @param batch its index
   * @param work called in a {@link TensorScope}
   * @param collect called on this thread
   */
  public <R> void compute(
      int batch, Function<OpenMicroBatch, R> work, BiConsumer<OpenMicroBatch, R> collect) {
    compute(batch, batch + 1, work, collect);
  }

  private <R> void compute(
      int first, int end, Function<OpenMicroBatch, R> work, BiConsumer<OpenMicroBatch, R> collect) {
    if (workers == null) {
      for (int b = first; b < end; b++) {
        visit(b, part -> collect.accept(part, work.apply(part)));
      }
      return;
    }
    List<OpenMicroBatch> some = new ArrayList<>();
    List<Future<R>> results = new ArrayList<>();
    for (int b = first; b < end; b++) {
      for (int i = 0; i < open[b].length; i++) {
        if (open[b][i] == null) {
          open[b][i] = open(parts.get(b).get(i));
        }
        OpenMicroBatch part = open[b][i];
        some.add(part);
        results.add(
            workers.submit(
                () -> {
                  try (TensorScope scope = new TensorScope()) {
                    return work.apply(part);
                  }
                }));
      }
    }
    // wait for all before anything is thrown: the caller may close what they use
    Throwable wrong = null;
    List<R> values = new ArrayList<>();
    boolean interrupted = false;
    for (int i = 0; i < results.size(); ) {
      try {
        values.add(results.get(i).get());
        i++;
      } catch (ExecutionException e) {
        wrong = wrong == null ? e.getCause() : wrong;
        i++;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    if (wrong instanceof Error e) {
      throw e;
    }
    if (wrong != null) {
      throw wrong instanceof RuntimeException e ? e : new IllegalStateException(wrong);
    }
    for (int i = 0; i < some.size(); i++) {
      collect.accept(some.get(i), values.get(i));
    }
  }

  private OpenMicroBatch open(MicroBatch micro) {
    try (TensorScope scope = new TensorScope()) {
      TokenBatch own = direction.patches(micro.prompts());
      Tensor patches;
      if (values.ablation().keepsPositions()) {
        patches = values.of(direction.input(micro.prompts()));
      } else if (values.ablation() instanceof Ablation.Paired) {
        patches = single ? values.once(own) : values.of(own);
      } else {
        if (shared[micro.batch()] == null) {
          Tensor made = values.of(direction.patches(batches.get(micro.batch())));
          made.retainReference();
          shared[micro.batch()] = made;
        }
        patches = shared[micro.batch()];
      }
      Evaluation run =
          Evaluation.of(
              model, direction.input(micro.prompts()), patches, values.ablation(), own, single);
      return new OpenMicroBatch(model, micro, run);
    }
  }

  private void forget(int batch) {
    if (shared[batch] != null) {
      shared[batch].releaseReference();
      shared[batch] = null;
    }
  }

  /** Closes what is open. */
  @Override
  public void close() {
    if (workers != null) {
      workers.shutdown();
    }
    for (int b = 0; b < open.length; b++) {
      for (int i = 0; i < open[b].length; i++) {
        if (open[b][i] != null) {
          open[b][i].close();
          open[b][i] = null;
        }
      }
      forget(b);
    }
  }
}
