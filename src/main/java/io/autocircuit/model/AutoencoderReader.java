package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.model.Autoencoder.Scaling;
import io.autocircuit.tensor.Safetensors;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/**
 * Reads autoencoders from a directory that holds one for each block, or for some. Which layout a
 * file has follows from the names of its tensors. Files are untrusted: names, shapes and numbers
 * are checked, and what is not known is refused or told of by name.
 */
final class AutoencoderReader {
  /** Settings of SAELens that say nothing of what is computed. */
  private static final Set<String> SILENT =
      Set.of(
          "model_name",
          "model_class_name",
          "model_from_pretrained_kwargs",
          "hook_layer",
          "hook_point_layer",
          "device",
          "dtype",
          "context_size",
          "dataset_path",
          "dataset_trust_remote_code",
          "prepend_bos",
          "sae_lens_version",
          "sae_lens_training_version",
          "neuronpedia_id",
          "use_error_term",
          "seqpos_slice",
          "jumprelu_init_threshold",
          "jumprelu_bandwidth",
          "decoder_heuristic_init",
          "init_encoder_as_decoder_transpose",
          "b_dec_init_method",
          "l1_coefficient",
          "lp_norm",
          "lr",
          "mse_loss_normalization",
          "noise_scale",
          "normalize_sae_decoder",
          "scale_sparsity_penalty_by_decoder_norm",
          "use_ghost_grads",
          "metadata");

  /** Counts that a file of OpenAI's holds beside the weights. */
  private static final Set<String> COUNTS =
      Set.of("stats_last_nonzero", "latents_activation_frequency", "latents_mean_square");

  /** How the tensors of an autoencoder are called, and which way they lie. */
  private enum Layout {
    /** SAELens: {@code [D,K]} and {@code [K,D]}. */
    SAE_LENS("W_enc", "b_enc", "W_dec", "b_dec", false),
    /** OpenAI's sparse_autoencoder. */
    OPEN_AI("encoder.weight", "latent_bias", "decoder.weight", "pre_bias", true),
    /** dictionary_learning. */
    DICTIONARY("encoder.weight", "encoder.bias", "decoder.weight", "bias", true),
    /** The one that names what its tensors do. */
    PLAIN("encode_weight", "latent_bias", "decode_weight", "bias", true);

    final String encode;
    final String encodeBias;
    final String decode;
    final String outputBias;

    /** Whether matrices have their outputs first: {@code [K,D]} and {@code [D,K]}. */
    final boolean outputsFirst;

    Layout(
        String encode, String encodeBias, String decode, String outputBias, boolean outputsFirst) {
      this.encode = encode;
      this.encodeBias = encodeBias;
      this.decode = decode;
      this.outputBias = outputBias;
      this.outputsFirst = outputsFirst;
    }

    List<String> names() {
      return List.of(encode, encodeBias, decode, outputBias);
    }
  }

  /** What the settings beside the weights say. */
  private record Conventions(
      boolean inputBias, Scaling scaling, int chosen, boolean threshold, Set<String> unread) {}

  private final Path directory;
  private final TransformerConfig config;
  private final List<String> notices = new ArrayList<>();

  AutoencoderReader(Path directory, TransformerConfig config) {
    this.directory = directory;
    this.config = config;
  }

  List<String> notices() {
    return List.copyOf(notices);
  }

  /** By block, null where there is none; tensors in the current scope, on the processor. */
  List<Autoencoder> read() {
    if (config.attentionOnly()) {
      throw new DataException(
          "autoencoders="
              + directory
              + ": the model "
              + config.name()
              + " has no MLPs, whose outputs they would take apart; leave them out");
    }
    Map<Integer, Path> found = new AutoencoderFiles(directory).blocks(config, notices);
    List<Autoencoder> all = new ArrayList<>();
    for (int b = 0; b < config.blocks(); b++) {
      all.add(found.containsKey(b) ? one(b, found.get(b)) : null);
    }
    return all;
  }

  private Autoencoder one(int block, Path entry) {
    Path weights = Files.isDirectory(entry) ? AutoencoderFiles.weights(entry) : entry;
    ConfigReader settings = Files.isDirectory(entry) ? AutoencoderFiles.settings(entry) : null;
    try (Safetensors file = Safetensors.open(weights)) {
      Layout layout = layout(file);
      Conventions c =
          switch (layout) {
            case SAE_LENS -> saeLens(block, entry, settings);
            case OPEN_AI -> openAi(file, settings);
            case DICTIONARY, PLAIN -> new Conventions(true, Scaling.NONE, 0, false, Set.of());
          };
      return read(file, layout, c, settings);
    }
  }

  private static Layout layout(Safetensors file) {
    Layout best = null;
    long most = 0;
    for (Layout layout : Layout.values()) {
      long there = layout.names().stream().filter(file::contains).count();
      if (there > most) {
        most = there;
        best = layout;
      }
    }
    if (best == null) {
      throw new DataException(
          "file="
              + file.source()
              + " has no tensors of an autoencoder; known are W_enc, b_enc, W_dec and b_dec"
              + " (SAELens), encoder.weight, latent_bias, decoder.weight and pre_bias (OpenAI), or"
              + " encode_weight, latent_bias, decode_weight and bias");
    }
    for (String name : best.names()) {
      if (!file.contains(name)) {
        throw new DataException(
            "file="
                + file.source()
                + " lacks tensor="
                + DataException.quote(name)
                + "; an autoencoder whose other tensors are "
                + String.join(", ", best.names().stream().filter(file::contains).toList())
                + " has it");
      }
    }
    return best;
  }

  private Conventions saeLens(int block, Path entry, ConfigReader c) {
    if (c == null) {
      throw new DataException(
          "autoencoder="
              + entry
              + ": its tensors have the names of SAELens, whose cfg.json says what is computed with"
              + " them; put it beside them, in a directory of its own");
    }
    requireHook(block, c);
    String architecture = c.text("architecture", "standard");
    String activation =
        c.text("activation_fn", c.text("activation_fn_str", "relu")).replace("-", "");
    if (!List.of("standard", "jumprelu", "topk").contains(architecture)) {
      throw c.unsupported("architecture", architecture, "standard, jumprelu, topk");
    }
    if (!List.of("relu", "topk").contains(activation)) {
      throw c.unsupported("activation_fn", activation, "relu, topk");
    }
    ConfigReader arguments = c.object("activation_fn_kwargs");
    int chosen = 0;
    if (architecture.equals("topk") || activation.equals("topk")) {
      chosen = c.has("k") ? c.size("k") : arguments.size("k");
    }
    String scaling = c.text("normalize_activations", "none");
    for (String refused : List.of("finetuning_scaling_factor", "rescale_acts_by_decoder_norm")) {
      if (c.flag(refused, false)) {
        throw c.error(
            refused + "=true is not supported; fold it into the weights, and save them again");
      }
    }
    String shape = c.text("reshape_activations", "none");
    if (!shape.equals("none")) {
      throw c.unsupported("reshape_activations", shape, "none");
    }
    Conventions conventions =
        new Conventions(
            c.flag("apply_b_dec_to_input", true),
            switch (scaling) {
              case "none" -> Scaling.NONE;
              case "layer_norm" -> Scaling.LAYER_NORM;
              case "constant_norm_rescale" -> Scaling.CONSTANT_NORM;
              case "expected_average_only_in" ->
                  throw c.error(
                      "normalize_activations=\"expected_average_only_in\" needs a factor that the"
                          + " files do not hold; fold it into the weights"
                          + " (fold_activation_norm_scaling_factor), and save them again");
              default ->
                  throw c.unsupported(
                      "normalize_activations", scaling, "none, layer_norm, constant_norm_rescale");
            },
            chosen,
            architecture.equals("jumprelu"),
            Set.of());
    return conventions;
  }

  private static void requireHook(int block, ConfigReader c) {
    String wanted = "blocks." + block + ".hook_mlp_out";
    JsonNode inner = c.value("metadata").path("hook_name");
    for (String field : List.of("hook_name", "hook_point")) {
      String hook = c.text(field, field.equals("hook_name") ? inner.asText(wanted) : wanted);
      if (!hook.equals(wanted)) {
        throw c.error(
            field
                + "="
                + DataException.quote(hook)
                + " is not "
                + wanted
                + ", where its name places it; autoencoders of MLP outputs are read, each in the"
                + " place of its block");
      }
    }
    if (c.has("hook_head_index") || c.has("hook_point_head_index")) {
      throw c.error("it is an autoencoder of one head; those of MLP outputs are read");
    }
  }

  /** By settings beside the weights, or else in the file's own header. */
  private Conventions openAi(Safetensors file, ConfigReader c) {
    Map<String, String> header = file.metadata();
    if ((c == null || !c.has("activation")) && !header.containsKey("activation")) {
      notices.add(
          "file="
              + file.source()
              + ": activation is not given: ReLU, not normalised; if it is TopK, say so, and \"k\", in"
              + " a config.json beside it");
    }
    String activation =
        c != null && c.has("activation")
            ? c.text("activation")
            : header.getOrDefault("activation", "ReLU");
    // their own reader normalises for TopK, and for nothing else
    boolean usual = activation.equals("TopK");
    boolean normalize =
        c != null && c.has("normalize")
            ? c.flag("normalize", usual)
            : Boolean.parseBoolean(header.getOrDefault("normalize", String.valueOf(usual)));
    int k = 0;
    if (activation.equals("TopK")) {
      k = c != null && c.has("k") ? c.size("k") : number(file, header.get("k"));
    } else if (!activation.equals("ReLU")) {
      throw new DataException(
          "file="
              + file.source()
              + ": activation="
              + DataException.quote(activation)
              + " is not supported; known are ReLU and TopK");
    }
    return new Conventions(true, normalize ? Scaling.LAYER_NORM : Scaling.NONE, k, false, COUNTS);
  }

  private static int number(Safetensors file, String text) {
    if (text == null || !text.matches("[1-9][0-9]{0,7}")) {
      throw new DataException(
          "file="
              + file.source()
              + ": activation=TopK needs how many latents are chosen; give \"k\" in a config.json"
              + " beside it");
    }
    return Integer.parseInt(text);
  }

  private Autoencoder read(Safetensors file, Layout layout, Conventions c, ConfigReader settings) {
    Set<String> unread = new TreeSet<>(file.names());
    layout.names().forEach(unread::remove);
    c.unread().forEach(unread::remove);
    if (c.threshold()) {
      unread.remove("threshold");
    }
    if (!unread.isEmpty()) {
      String name = unread.iterator().next();
      throw new DataException(
          "file="
              + file.source()
              + ": tensor="
              + DataException.quote(name)
              + " is none that is known of such an autoencoder; what it does would be left out");
    }
    long d = config.dModel();
    long[] decode = file.shape(layout.decode);
    long k = decode.length == 2 ? decode[layout.outputsFirst ? 1 : 0] : 0;
    Tensor w = tensor(file, layout.encode, layout.outputsFirst, d, k);
    Tensor out = tensor(file, layout.decode, layout.outputsFirst, k, d);
    if (settings != null) {
      sized(settings, "d_in", d);
      sized(settings, "d_sae", k);
      untold(settings, layout == Layout.SAE_LENS ? SILENT : Set.of());
    }
    if (c.chosen() > k) {
      throw new DataException(
          "file="
              + file.source()
              + ": k="
              + c.chosen()
              + " latents are to be chosen of "
              + k
              + "; give the settings that belong to it");
    }
    Tensor bias = tensor(file, layout.outputBias, false, d);
    return new Autoencoder(
        layout.outputsFirst ? w.t() : w,
        tensor(file, layout.encodeBias, false, k),
        c.threshold() ? tensor(file, "threshold", false, k) : null,
        c.chosen(),
        c.inputBias() ? bias : null,
        layout.outputsFirst ? out.t() : out,
        bias,
        c.scaling(),
        IntStream.range(0, Math.toIntExact(k)).toArray());
  }

  private static void sized(ConfigReader settings, String field, long is) {
    if (settings.has(field) && settings.size(field) != is) {
      throw settings.error(
          field
              + "="
              + settings.size(field)
              + " but the weights are of "
              + is
              + "; give the settings that belong to them, and the autoencoder of this model");
    }
  }

  /** Tells of settings that nobody has read. */
  private void untold(ConfigReader settings, Set<String> silent) {
    if (settings == null) {
      return;
    }
    for (String field : settings.unread().keySet()) {
      if (!silent.contains(field) && !field.startsWith("metadata.")) {
        notices.add(
            settings.error("setting " + DataException.quote(field) + " is not read").getMessage());
      }
    }
    notices.addAll(settings.notices());
  }

  /**
   * A tensor of that shape.
   *
   * @param turned whether a matrix lies the other way
   */
  private Tensor tensor(Safetensors file, String name, boolean turned, long... shape) {
    long[] wanted = turned ? new long[] {shape[1], shape[0]} : shape;
    if (Arrays.stream(wanted).anyMatch(n -> n < 1) || !Arrays.equals(file.shape(name), wanted)) {
      throw new DataException(
          "file="
              + file.source()
              + ": tensor="
              + DataException.quote(name)
              + " has shape="
              + Arrays.toString(file.shape(name))
              + " but "
              + Arrays.toString(wanted)
              + " is needed in a model of d_model="
              + config.dModel()
              + "; give an autoencoder of this model");
    }
    file.requireFinite(name);
    return file.tensor(name);
  }
}
