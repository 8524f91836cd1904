package io.autocircuit.tensor;

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
  private final PointerScope scope = new PointerScope();

  /**
   * Lets {@code tensor} outlive this scope.
   *
   * @return the same tensor, now owned by the enclosing scope if there is one
   */
  public Tensor keep(Tensor tensor) {
    if (scope.getParent() != null) {
      scope.detach(tensor);
      scope.getParent().attach(tensor);
    } else {
      scope.detach(tensor);
    }
    return tensor;
  }

  @Override
  public void close() {
    scope.close();
  }
}
