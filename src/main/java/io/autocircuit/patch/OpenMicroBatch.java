package io.autocircuit.patch;

import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.tensor.TensorScope;
import org.bytedeco.pytorch.Tensor;

/** The evaluation of a micro-batch while it is open. */
public final class OpenMicroBatch {
  private final PatchableModel model;
  private final MicroBatch micro;
  private final Evaluation run;
  private Tensor clean;
  private Tensor corrupt;

  OpenMicroBatch(PatchableModel model, MicroBatch micro, Evaluation run) {
    this.model = model;
    this.micro = micro;
    this.run = run;
  }

  /**
   * Where its batch is.
   *
   * @return index in the list of batches
   */
  public int batch() {
    return micro.batch();
  }

  /**
   * Where its prompts begin.
   *
   * @return index of the first prompt in its batch
   */
  public int first() {
    return micro.first();
  }

  /**
   * Number of prompts.
   *
   * @return b, of the batch's B
   */
  public int size() {
    return micro.size();
  }

  /**
   * What it is made of.
   *
   * @return its prompts, at the batch's length
   */
  public PromptBatch prompts() {
    return micro.prompts();
  }

  /**
   * Runs them.
   *
   * @return open during a visit; not the visitor's to close
   */
  public Evaluation run() {
    return run;
  }

  /**
   * The unpatched model's sliced logits on the clean prompts, computed when first asked for.
   *
   * @return {@code [b,P,V]}; this frees it, not the visitor
   */
  public Tensor clean() {
    if (clean == null) {
      clean = reference(prompts().clean());
    }
    return clean;
  }

  /**
   * The unpatched model's sliced logits on the corrupt prompts, computed when first asked for.
   *
   * @return {@code [b,P,V]}; this frees it, not the visitor
   */
  public Tensor corrupt() {
    if (corrupt == null) {
      corrupt = reference(prompts().corrupt());
    }
    return corrupt;
  }

  private Tensor reference(TokenBatch tokens) {
    try (TensorScope scope = new TensorScope()) {
      Tensor logits = model.logits(tokens);
      logits.retainReference();
      return logits;
    }
  }

  void close() {
    run.close();
    for (Tensor t : new Tensor[] {clean, corrupt}) {
      if (t != null) {
        t.releaseReference();
      }
    }
  }
}
