package io.autocircuit.model;

/**
 * The sizes of a model.
 *
 * @param d width of the stream
 * @param heads of queries
 * @param groups of keys and values
 * @param dHead width of a head
 * @param mlp width of the MLP
 * @param blocks number of blocks
 * @param vocabulary number of token ids
 * @param context most positions of a prompt
 * @param blocksField the setting that says the number of blocks, for messages
 * @param contextField likewise
 */
record Sizes(
    int d,
    int heads,
    int groups,
    int dHead,
    int mlp,
    int blocks,
    int vocabulary,
    int context,
    String blocksField,
    String contextField) {
  private static final String BLOCKS = "num_hidden_layers";
  private static final String CONTEXT = "max_position_embeddings";

  /**
   * What transformers takes where a setting is missing.
   *
   * @param groups 0: as many as heads
   * @param dHead 0: the width over the heads
   */
  record Defaults(
      int d, int heads, int groups, int dHead, int mlp, int blocks, int vocabulary, int context) {}

  /** By the names that most families use since Llama. */
  static Sizes read(ConfigReader c, Defaults absent) {
    int d = c.sizeOrDefault("hidden_size", absent.d());
    boolean given = c.has("head_dim") || absent.dHead() > 0;
    int heads =
        given
            ? c.sizeOrDefault("num_attention_heads", absent.heads())
            : c.sizeOrNotedDefault("num_attention_heads", absent.heads(), "hidden_size");
    int groups = groups(c, heads, absent.groups());
    c.divide("num_attention_heads", heads, "num_key_value_heads", groups);
    int dHead =
        given
            ? c.sizeOrDefault("head_dim", absent.dHead())
            : c.divide("hidden_size", d, "num_attention_heads", heads);
    return new Sizes(
        d,
        heads,
        groups,
        dHead,
        c.sizeOrDefault("intermediate_size", absent.mlp()),
        c.sizeOrDefault(BLOCKS, absent.blocks()),
        c.sizeOrDefault("vocab_size", absent.vocabulary()),
        c.size(CONTEXT, absent.context()),
        BLOCKS,
        CONTEXT);
  }

  /** Null stands for one for each head; what is missing is the family's default. */
  private static int groups(ConfigReader c, int heads, int absent) {
    boolean missing = c.value("num_key_value_heads").isMissingNode();
    return missing && absent > 0
        ? c.sizeOrDefault("num_key_value_heads", absent)
        : c.size("num_key_value_heads", heads);
  }
}
