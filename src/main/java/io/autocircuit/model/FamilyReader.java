package io.autocircuit.model;

import io.autocircuit.files.DataException;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.Features.AttentionKind;
import io.autocircuit.model.ModelLoader.Layout;
import io.autocircuit.model.StoredWeights.Recipe;
import io.autocircuit.model.TransformerConfig.Activation;
import io.autocircuit.model.TransformerConfig.Learned;
import io.autocircuit.model.TransformerConfig.NoPositions;
import io.autocircuit.model.TransformerConfig.Positions;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.Tensors;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiPredicate;
import java.util.function.IntFunction;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * What families of Hugging Face's layout share. A family sets the fields that describe the model,
 * says of each weight which tensor it is made of, and asks for {@link #config}. Names of weights
 * are TransformerLens's; see {@code docs/models.md}.
 */
final class FamilyReader {
  /** Causal masks that old versions of transformers saved: {@code [1, 1, T, T]}, and a number. */
  private static final Pattern MASK =
      Pattern.compile("(h|layers)\\.\\d+\\.(attn|attention|attn\\.attention)\\.bias");

  private static final Pattern MASKED =
      Pattern.compile("(h|layers)\\.\\d+\\.(attn|attention|attn\\.attention)\\.masked_bias");

  private static final Pattern FREQUENCIES =
      Pattern.compile(
          "((h|layers)\\.\\d+\\.(attn|attention|self_attn|self_attention)\\.)?"
              + "(rotary_emb|maybe_rotary)\\.(inv_freq|cos_cached|sin_cached)");

  final ConfigReader c;
  final StoredWeights w;
  private final String name;

  /** The model's sizes; set first. */
  Sizes sizes;

  /** Of what attention and MLPs read. */
  Normalization norm;

  /** Before the unembedding; {@link #norm} unless set. */
  Normalization end;

  /**
   * Added to what the file holds as scales of normalisations: 1 where it holds their distance to 1.
   */
  double normOffset;

  /** Whether normalisations have shifts. */
  boolean shifted;

  Activation activation;
  boolean gated;
  boolean parallel;
  Positions positions = new NoPositions();

  /** What attention scores are divided by. */
  double scale;

  /** What embeddings are multiplied by. */
  double embeddingScale = 1;

  /** What attention and MLPs write is multiplied by this. */
  double residualScale = 1;

  /** What logits are multiplied by. */
  double logitScale = 1;

  Features features = Features.NONE;

  private FamilyReader(Family family, String name, ConfigReader c, Safetensors files) {
    this.c = c;
    this.name = name;
    StoredNames names =
        new StoredNames(
            "file=" + files.source(),
            files.names(),
            family.roots(),
            n -> n.equals("embed_out.weight") || n.startsWith("lm_head."),
            n -> n);
    this.w = new StoredWeights(files, c, names);
  }

  /** Reads a checkpoint, and checks that nothing of it was left. */
  static Layout read(Family family, String name, ConfigReader c, Safetensors files) {
    Architectures.check(c, family);
    requireFamily(c, family, files);
    FamilyReader r = new FamilyReader(family, name, c, files);
    TransformerConfig config = family.reader().apply(r);
    BiPredicate<String, long[]> neutral =
        (plain, shape) ->
            MASK.matcher(plain).matches() && shape.length == 4 && shape[0] == 1 && shape[1] == 1
                || MASKED.matcher(plain).matches() && shape.length <= 1
                || FREQUENCIES.matcher(plain).matches();
    r.w.requireAllTaken(
        neutral,
        "model_type=" + DataException.quote(family.key()),
        r.sizes.blocksField(),
        config.blocks());
    UnreadSettings.others(family.neutral()).check(c, config);
    return new Layout(config, r.w);
  }

  /** The name of the embedding tells families apart. */
  private static void requireFamily(ConfigReader c, Family family, Safetensors files) {
    Map<String, Family> first = new TreeMap<>();
    for (Architecture a : KnownArchitectures.ALL) {
      if (a instanceof Family f) {
        first.putIfAbsent(f.embedding(), f);
      }
    }
    Set<String> found = new TreeSet<>();
    for (String tensor : files.names()) {
      String last = tensor.replaceFirst("^.*\\.(?=\\w+\\.weight$)", "");
      if (first.containsKey(last)) {
        found.add(last);
      }
    }
    if (found.size() == 1 && !found.contains(family.embedding())) {
      throw c.error(
          "model_type="
              + DataException.quote(family.key())
              + ", but the weights have the names of model_type="
              + DataException.quote(first.get(found.iterator().next()).key())
              + "; correct model_type, or give the config.json that belongs to the weights");
    }
  }

  // ---- settings ----

  /** LayerNorm with an ε of that setting. */
  void layerNorm(String epsilonField, double absent) {
    norm = c.normalization(Normalization.Kind.LAYER_NORM, epsilonField, absent);
    shifted = true;
  }

  /** RMSNorm with the ε of Llama's setting. */
  void rmsNorm(double absent) {
    norm = c.normalization(Normalization.Kind.RMS_NORM, "rms_norm_eps", absent);
  }

  /** The activation of the MLPs. */
  void activation(String field, String absent) {
    activation = c.activation(c.text(field, absent), field);
  }

  /** The rotation of queries and keys, and the usual scale. */
  void rotary(RotarySettings rotary) {
    c.requireTableFits(sizes.contextField(), sizes.context(), rotary.rotary());
    positions = rotary.rotary();
    // both queries and keys carry the rotation's factor
    scale = Math.sqrt(sizes.dHead()) / (rotary.attentionFactor() * rotary.attentionFactor());
  }

  /**
   * Says how each block attends, where blocks differ or see a window.
   *
   * @param windows of each block; 0 for the whole prompt
   * @param ofBlock positions of each block
   */
  void attention(int[] windows, IntFunction<Positions> ofBlock) {
    List<AttentionKind> kinds =
        IntStream.range(0, sizes.blocks())
            .mapToObj(
                b ->
                    new AttentionKind(
                        windows[b] < sizes.context() ? windows[b] : 0, ofBlock.apply(b)))
            .toList();
    if (!kinds.stream().allMatch(new AttentionKind(0, positions)::equals)) {
      features = features.withAttention(kinds);
    }
  }

  /** Windows with the positions of the model. */
  void windows(int[] windows) {
    attention(windows, b -> positions);
  }

  /** Queries and keys are normalised, by head or over all heads. */
  void queryKeyNorm(Normalization kind, boolean acrossHeads) {
    features = features.withQueryKeyNormalization(aboveZero(kind), acrossHeads);
  }

  /** What attention and MLPs write is normalised. */
  void outputNorm(Normalization kind) {
    features = features.withOutputNormalization(aboveZero(kind));
  }

  private Normalization aboveZero(Normalization kind) {
    if (!(kind.epsilon() > 0)) {
      throw c.error(
          "epsilon="
              + kind.epsilon()
              + " of a normalisation of queries, keys or outputs is not usable; give a number above"
              + " 0");
    }
    return kind;
  }

  /** The model's shape as the fields say. */
  TransformerConfig config() {
    return new TransformerConfig(
        name,
        sizes.blocks(),
        sizes.heads(),
        sizes.d(),
        sizes.dHead(),
        sizes.mlp(),
        sizes.vocabulary(),
        sizes.vocabulary(),
        sizes.context(),
        activation,
        gated,
        norm,
        end == null ? norm : end,
        true,
        parallel,
        positions,
        scale,
        features.withKeyValueHeads(sizes.groups() == sizes.heads() ? 0 : sizes.groups()));
  }

  // ---- weights ----

  /** Numbers of the file times a factor. */
  static Recipe scaled(Recipe of, double factor) {
    return factor == 1 ? of : of.then(t -> t.mul(new Scalar(factor)));
  }

  static Recipe zeros(long n) {
    return read -> Tensors.zeros(ScalarType.Float, n);
  }

  /** Scale and shift of a normalisation. */
  void norm(String to, String from) {
    Recipe weight = w.take(from + ".weight", sizes.d());
    w.put(to + ".w", normOffset == 0 ? weight : weight.then(t -> t.add(new Scalar(normOffset))));
    if (shifted) {
      w.put(to + ".b", w.take(from + ".bias", sizes.d()));
    }
  }

  /** A matrix that the file stores as {@code [out, in]}. */
  Recipe transposed(String tensor, long rows, long columns) {
    return w.take(tensor + ".weight", rows, columns).then(Tensor::t);
  }

  /** A vector of a linear map, or zeros. */
  Recipe bias(String tensor, long n, boolean given) {
    return given ? w.take(tensor + ".bias", n) : zeros(n);
  }

  /**
   * Embedding and head. A tied model needs one of them; if it has both and they differ, each is
   * used where it belongs, as transformers 5 does.
   *
   * @param embedding the name of the first, with its ending
   * @param head the name of the second, without
   * @param biased whether the head has a bias
   * @return the rows of the embedding as the file has them
   */
  Recipe embed(String embedding, String head, boolean tiedByDefault, boolean biased) {
    Head heads = Head.read(this, embedding, head + ".weight", tiedByDefault);
    w.put("embed.W_E", scaled(heads.embedding(), embeddingScale));
    w.put("unembed.W_U", scaled(heads.unembedding(), logitScale).then(Tensor::t));
    Recipe bias =
        biased ? w.takeHead(head + ".bias", sizes.vocabulary()) : zeros(sizes.vocabulary());
    w.put("unembed.b_U", scaled(bias, logitScale));
    return heads.embedding();
  }

  /** Learned positions; the first rows of the file may be of no position. */
  void learnedPositions(String tensor, int skipped) {
    positions = new Learned();
    long rows = sizes.context();
    Recipe all = w.take(tensor, rows + skipped, sizes.d());
    w.put("pos_embed.W_pos", skipped == 0 ? all : all.then(t -> t.narrow(0, skipped, rows)));
  }

  /** All blocks, whose tensors begin with {@code prefix} and their number. */
  List<BlockReader> blocks(String prefix) {
    return IntStream.range(0, sizes.blocks())
        .mapToObj(b -> new BlockReader(this, b, prefix + b + ".", "blocks." + b + "."))
        .toList();
  }

  /** Weights without any bias of attention belong to a model without them. */
  void requireBiases(boolean biased, String... modules) {
    for (int b = 0; b < sizes.blocks(); b++) {
      for (String module : modules) {
        if (!biased || w.has("layers." + b + "." + module + ".bias")) {
          return;
        }
      }
    }
    throw c.error(
        (c.has("attention_bias") ? "attention_bias=true" : "attention_bias is not given (so true)")
            + ", but the weights have no biases of attention; set \"attention_bias\": false, or get"
            + " the weights again");
  }
}
