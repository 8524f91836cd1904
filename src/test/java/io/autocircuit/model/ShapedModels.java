package io.autocircuit.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.model.ModelDirectories.Draft;
import java.io.IOException;
import java.nio.file.Path;

/** Model directories that have the blocks and heads of known models, and hardly any width. */
public final class ShapedModels {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int D_HEAD = 2;
  private static final int CONTEXT = 96;

  private ShapedModels() {}

  /** How a block is made. */
  public enum Kind {
    /** As GPT-2. */
    SEQUENTIAL,
    /** As Pythia. */
    PARALLEL,
    /** Without MLPs. */
    ATTENTION_ONLY
  }

  /**
   * Writes one with random weights.
   *
   * @param directory which may hold its {@code tokenizer.json} already, whose vocabulary it takes
   */
  public static Path write(Path directory, int blocks, int heads, Kind kind) throws IOException {
    int vocabulary =
        JSON.readTree(directory.resolve("tokenizer.json").toFile())
            .path("model")
            .path("vocab")
            .size();
    int width = heads * D_HEAD;
    Draft m = ModelDirectories.draft();
    m.config()
        .put("architecture", "HookedTransformer")
        .put("d_model", width)
        .put("d_head", D_HEAD)
        .put("n_heads", heads)
        .put("n_layers", blocks)
        .put("n_ctx", CONTEXT)
        .put("d_vocab", vocabulary)
        .put("act_fn", "gelu_new")
        .put("attn_only", kind == Kind.ATTENTION_ONLY)
        .put("parallel_attn_mlp", kind == Kind.PARALLEL)
        .put("normalization_type", "LNPre");
    m.put("embed.W_E", vocabulary, width);
    m.put("pos_embed.W_pos", CONTEXT, width);
    for (int b = 0; b < blocks; b++) {
      String p = "blocks." + b + ".";
      for (String part : new String[] {"Q", "K", "V"}) {
        m.put(p + "attn.W_" + part, heads, width, D_HEAD);
        m.put(p + "attn.b_" + part, heads, D_HEAD);
      }
      m.put(p + "attn.W_O", heads, D_HEAD, width);
      m.put(p + "attn.b_O", width);
      if (kind != Kind.ATTENTION_ONLY) {
        m.put(p + "mlp.W_in", width, width);
        m.put(p + "mlp.b_in", width);
        m.put(p + "mlp.W_out", width, width);
        m.put(p + "mlp.b_out", width);
      }
    }
    m.config().put("d_mlp", width);
    m.put("unembed.W_U", width, vocabulary);
    m.put("unembed.b_U", vocabulary);
    return m.write(directory);
  }
}
