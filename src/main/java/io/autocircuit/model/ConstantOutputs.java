package io.autocircuit.model;

import io.autocircuit.files.DataException;
import io.autocircuit.files.FileSet;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.StoredWeights.Projection;
import io.autocircuit.model.WeightSource.Part;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.Safetensors.Change;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Heads and MLPs that write a constant, as a model directory in Hugging Face's layout: the rows of
 * a head in the output projection are zero, and so are the output weights of an MLP; what they
 * write instead is in the bias of the projection. All other tensors keep their bytes.
 *
 * <p>Constants are those of a model with processed weights. Where processing moves value biases
 * from the heads' outputs into the bias of attention, the heads here write what was moved, too.
 *
 * @param values what each writes, by its place
 */
public record ConstantOutputs(Map<Place, float[]> values) {
  private static final String WEIGHTS = "model.safetensors";
  private static final int SHOWN = 3;

  /** What a model directory may hold beside settings and weights. */
  private static final List<String> BESIDE =
      List.of(
          "generation_config.json",
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "added_tokens.json",
          "vocab.json",
          "vocab.txt",
          "merges.txt",
          "tokenizer.model",
          "chat_template.jinja");

  /**
   * A head or an MLP.
   *
   * @param block its block, from 0
   * @param head the head, from 0; −1 for the MLP
   */
  public record Place(int block, int head) {
    private String part() {
      return "blocks." + block + (head < 0 ? ".mlp" : ".attn");
    }
  }

  /**
   * Writes the directory.
   *
   * @param model the model directory whose heads and MLPs they are
   * @param processing of the model in which these values were taken; null for the layout's default
   * @param out the new directory: not there yet, or empty
   * @return the names of the files written
   * @throws DataException if the model cannot say it (the message names what), or a file cannot be
   *     read or written
   */
  public List<String> write(Path model, WeightProcessing processing, Path out) {
    return ModelLoader.read(
        model,
        (config, weights, architecture, notices) -> {
          if (!(weights instanceof StoredWeights stored)) {
            throw unnamed(architecture);
          }
          WeightProcessing steps = processing != null ? processing : architecture.processing();
          return copy(
              ModelDirectory.resolve(model),
              stored,
              changes(config, stored, architecture, steps),
              out);
        });
  }

  private static DataException unnamed(Architecture architecture) {
    return new DataException(
        "model_type="
            + DataException.quote(architecture.key())
            + " has no output projections that are known by name, so no head or MLP can be made"
            + " constant in its files; give a model in Hugging Face's format");
  }

  private Map<String, Change> changes(
      TransformerConfig config,
      StoredWeights stored,
      Architecture architecture,
      WeightProcessing p) {
    Features features = config.features();
    if (features.couplesHeads()) {
      throw new DataException(
          "model_type="
              + DataException.quote(architecture.key())
              + " normalises "
              + (features.outputNormalization().kind() != Normalization.Kind.NONE
                  ? "what attention and MLPs write"
                  : "queries and keys over all heads")
              + ", so one head's output depends on the others' and no constant takes its place");
    }
    Map<String, List<Place>> byPart = new TreeMap<>();
    values.keySet().forEach(v -> byPart.computeIfAbsent(v.part(), n -> new ArrayList<>()).add(v));
    Map<String, Change> changes = new HashMap<>();
    byPart.forEach(
        (part, places) -> {
          Projection projection = stored.projection(part);
          if (projection == null) {
            throw unnamed(architecture);
          }
          changes.put(projection.weight(), zeros(config, projection, places));
          double[] written = written(config, stored, p, places);
          if (projection.bias() != null) {
            boolean mlp = places.get(0).head() < 0;
            float[] old = stored.files().floats(projection.bias());
            changes.put(
                projection.bias(),
                new Change(
                    i -> true,
                    i -> written[(int) i] / projection.factor() + (mlp ? 0 : old[(int) i])));
          } else if (Arrays.stream(written).anyMatch(x -> x != 0)) {
            throw noBias(config, stored, architecture, projection, p);
          }
        });
    return changes;
  }

  private DataException noBias(
      TransformerConfig config,
      StoredWeights stored,
      Architecture architecture,
      Projection projection,
      WeightProcessing p) {
    boolean zero = values.values().stream().allMatch(ConstantOutputs::allZero);
    return stored.error(
        "tensor="
            + DataException.quote(projection.weight())
            + " of model_type="
            + DataException.quote(architecture.key())
            + " has no bias, which would hold the constant"
            + (zero && foldsValues(config, p)
                ? " that value biases become: processing takes them out of the heads; discover"
                    + " with a --processing that leaves fold_value_biases out"
                : "; discover with --ablation zero, or give the model a bias of zeros"
                    + (architecture.key().equals(Llama.FAMILY.key())
                        ? " (\"attention_bias\" and \"mlp_bias\": true in config.json)"
                        : " if its config.json can say so")));
  }

  private static boolean allZero(float[] vector) {
    for (float x : vector) {
      if (x != 0) {
        return false;
      }
    }
    return true;
  }

  /** Where a projection no longer reads its inputs. */
  private static Change zeros(TransformerConfig config, Projection to, List<Place> places) {
    if (places.get(0).head() < 0) {
      return new Change(i -> true, i -> 0);
    }
    BitSet heads = new BitSet();
    places.forEach(v -> heads.set(v.head()));
    int width = config.dHead();
    long inputs = (long) config.heads() * width;
    int d = config.dModel();
    return new Change(
        to.inputsFirst()
            ? i -> heads.get((int) (i / d / width))
            : i -> heads.get((int) (i % inputs / width)),
        i -> 0);
  }

  private static boolean foldsValues(TransformerConfig config, WeightProcessing p) {
    return p.foldValueBiases() && config.features().clip() == 0;
  }

  /** What the places of one part write together, beside the bias that is there: {@code [D]}. */
  private double[] written(
      TransformerConfig config, StoredWeights stored, WeightProcessing p, List<Place> places) {
    double[] sum = new double[config.dModel()];
    for (Place place : places) {
      add(sum, values.get(place));
    }
    int block = places.get(0).block();
    if (places.get(0).head() < 0 || !foldsValues(config, p)) {
      return sum;
    }
    WeightProcessing without =
        new WeightProcessing(p.foldLayerNorm(), p.centerWritingWeights(), p.centerUnembed(), false);
    try (TensorScope scope = new TensorScope()) {
      Map<String, Tensor> w = without.apply(config, stored).tensors(Part.attention(block));
      Tensor bias = w.get("blocks." + block + ".attn.b_V");
      Tensor output = w.get("blocks." + block + ".attn.W_O");
      for (Place place : bias == null ? List.<Place>of() : places) {
        // heads of a group share its value bias
        long group = place.head() / (config.heads() / bias.size(0));
        Tensor moved =
            bias.select(0, group)
                .to(ScalarType.Double)
                .unsqueeze(-1)
                .mul(output.select(0, place.head()).to(ScalarType.Double))
                .sum(0)
                .to(ScalarType.Float);
        add(sum, Tensors.floats(moved));
      }
    }
    return sum;
  }

  private static void add(double[] sum, float[] vector) {
    if (vector.length != sum.length) {
      throw new IllegalArgumentException(
          "constant of length=" + vector.length + " but the model's width is " + sum.length);
    }
    for (int i = 0; i < sum.length; i++) {
      sum[i] += vector[i];
    }
  }

  private static List<String> copy(
      Path model, StoredWeights stored, Map<String, Change> changes, Path out) {
    if (!Files.isRegularFile(model.resolve(ModelFiles.CONFIG))) {
      throw new DataException(
          "model directory="
              + model
              + " has no config.json of its own to copy; give a model in Hugging Face's format");
    }
    List<String> beside =
        BESIDE.stream().filter(n -> Files.isRegularFile(model.resolve(n))).toList();
    List<String> all =
        Stream.concat(Stream.of(ModelFiles.CONFIG, WEIGHTS), beside.stream()).toList();
    try {
      Files.createDirectories(out);
      requireEmpty(out);
      Safetensors files = stored.files();
      Map<String, String> metadata = new HashMap<>(files.metadata());
      metadata.putIfAbsent("format", "pt"); // transformers asks for it
      new FileSet(out, all)
          .replace(
              fresh -> {
                Files.copy(model.resolve(ModelFiles.CONFIG), fresh.resolve(ModelFiles.CONFIG));
                for (String name : beside) {
                  Files.copy(model.resolve(name), fresh.resolve(name));
                }
                files.copy(fresh.resolve(WEIGHTS), metadata, changes);
              });
    } catch (IOException e) {
      throw new DataException(
          "directory="
              + out
              + " cannot be written ("
              + e.getClass().getSimpleName()
              + ": "
              + DataException.printable(String.valueOf(e.getMessage()), 200)
              + "); choose one that can",
          e);
    }
    return all;
  }

  /** Other files would be read as part of the model. */
  private static void requireEmpty(Path out) throws IOException {
    try (Stream<Path> list = Files.list(out)) {
      List<String> there =
          list.map(f -> f.getFileName().toString())
              .filter(n -> !n.startsWith(".autocircuit"))
              .limit(SHOWN)
              .toList();
      if (!there.isEmpty()) {
        throw new DataException(
            "directory="
                + out
                + " holds files already ("
                + String.join(", ", there)
                + "); name a new one");
      }
    }
  }
}
