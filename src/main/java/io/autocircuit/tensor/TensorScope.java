package io.autocircuit.tensor;

import java.util.Iterator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * A scope for native memory: every tensor made by this thread while the scope is open is freed when
 * it closes, except those handed out with {@link #keep}.
 *
 * <p>Scopes nest. A kept tensor moves to the enclosing scope (or, outside any scope, to the garbage
 * collector's care), so a method opens a scope, computes, and returns {@code scope.keep(result)}.
 * The garbage collector is never relied on to free tensors: it does not see their size.
 */
public final class TensorScope implements AutoCloseable {
  static {
    NativeCache.prepare();
  }

  private final PointerScope scope = new PointerScope();

  /**
   * Lets {@code tensor} outlive this scope.
   *
   * @param tensor one that this scope owns
   * @return the same tensor, now owned by the enclosing scope if there is one
   */
  public Tensor keep(Tensor tensor) {
    // Attach to the new owner before leaving this one: the reference count must not touch zero.
    PointerScope parent = enclosing();
    if (parent != null) {
      parent.attach(tensor);
    } else {
      tensor.retainReference();
    }
    scope.detach(tensor);
    return tensor;
  }

  private PointerScope enclosing() {
    Iterator<PointerScope> scopes = PointerScope.getScopeIterator();
    while (scopes.hasNext()) {
      if (scopes.next() == scope) {
        return scopes.hasNext() ? scopes.next() : null;
      }
    }
    throw new IllegalStateException("scope used on a thread other than the one that opened it");
  }

  @Override
  public void close() {
    scope.close();
  }
}
