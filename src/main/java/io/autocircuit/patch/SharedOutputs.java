package io.autocircuit.patch;

import io.autocircuit.data.TokenBatch;
import java.nio.IntBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;

/**
 * What several runs of one model compute alike: the unpatched model's logits and the ablation
 * values, each for the same prompts. Whoever makes one gives it to the model ({@link
 * PatchableModel#sharing}) and closes it after all runs; results are the same bits with it and
 * without.
 *
 * <p>It holds as many bytes as it may, what comes first stays, and the rest is computed again. A
 * tensor is known by what it is and by the token ids and padding of its prompts. For use by several
 * threads.
 */
public final class SharedOutputs implements AutoCloseable {
  /** Shares nothing. */
  static final SharedOutputs NONE = new SharedOutputs(0);

  private final long most;
  private final Map<Key, Tensor> tensors = new HashMap<>();
  private long held;

  /**
   * Begins without anything.
   *
   * @param bytes how much native memory it may hold
   */
  public SharedOutputs(long bytes) {
    most = bytes;
  }

  private record Key(Object what, List<IntBuffer> prompts) {}

  /**
   * A tensor of some prompts: the one that is held, or a new one.
   *
   * @param what kind of tensor it is, with {@code equals}
   * @param tokens the prompts that it depends on, all of them
   * @param make makes it, in the current scope
   * @return in the current scope; not to be changed in place
   */
  Tensor get(Object what, List<TokenBatch> tokens, Supplier<Tensor> make) {
    if (none()) {
      return make.get();
    }
    Key key =
        new Key(
            what,
            tokens.stream()
                .flatMap(
                    t ->
                        List.of(IntBuffer.wrap(t.ids()), IntBuffer.wrap(t.padding()), shape(t))
                            .stream())
                .toList());
    synchronized (this) {
      Tensor known = tensors.get(key);
      if (known != null) {
        return known.detach();
      }
    }
    Tensor made = make.get();
    synchronized (this) {
      long bytes = bytes(made);
      if (!tensors.containsKey(key) && held + bytes <= most) {
        Tensor mine = made.detach();
        mine.retainReference();
        tensors.put(key, mine);
        held += bytes;
      }
    }
    return made;
  }

  /** Whether it never holds anything. */
  boolean none() {
    return most == 0;
  }

  private static IntBuffer shape(TokenBatch tokens) {
    return IntBuffer.wrap(new int[] {tokens.batchSize(), tokens.length()});
  }

  /** What its storage takes, which expanded axes do not add to. */
  private static long bytes(Tensor t) {
    return t.storage().nbytes();
  }

  @Override
  public synchronized void close() {
    tensors.values().forEach(Tensor::releaseReference);
    tensors.clear();
    held = 0;
  }
}
