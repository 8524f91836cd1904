package io.autocircuit.model;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/**
 * A state dictionary under TransformerLens's names that is handed out part by part, so that no more
 * than one part need be in memory beside what is made of it.
 */
@FunctionalInterface
interface WeightSource {
  /**
   * Makes the tensors of a part.
   *
   * @return by name; the tensors are the caller's, who may free each when it is done with it, and
   *     belong to the current scope
   */
  Map<String, Tensor> tensors(Part part);

  /** Hands out a dictionary that is in memory, and stays there. */
  static WeightSource of(Map<String, Tensor> weights) {
    return part -> {
      Map<String, Tensor> held = new LinkedHashMap<>();
      weights.forEach(
          (name, t) -> {
            if (part.holds(name)) {
              held.put(name, new Tensor(t)); // a handle of its own on the same memory
            }
          });
      return held;
    };
  }

  /**
   * Tensors that weight processing combines with each other and with no others.
   *
   * @param prefixes what their names begin with
   */
  record Part(List<String> prefixes) {
    static final Part EMBEDDING = new Part(List.of("embed."));
    static final Part POSITIONS = new Part(List.of("pos_embed."));
    static final Part END = new Part(List.of("ln_final.", "unembed."));

    static Part attention(int block) {
      String p = "blocks." + block + ".";
      return new Part(List.of(p + "attn.", p + "ln1.", p + "ln1_post."));
    }

    static Part mlp(int block) {
      String p = "blocks." + block + ".";
      return new Part(List.of(p + "mlp.", p + "ln2.", p + "ln2_post."));
    }

    boolean holds(String name) {
      return prefixes.stream().anyMatch(name::startsWith);
    }
  }
}
