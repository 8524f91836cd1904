package io.autocircuit.model;

import io.autocircuit.files.DataException;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.Tensors;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * What an {@link Architecture} sees of a model directory: the settings of {@code config.json} and
 * the names of the tensors. It keeps count of what was asked for.
 */
public final class Checkpoint {
  private final String name;
  private final ConfigReader settings;
  private final Safetensors files;
  private final Set<String> roots;
  private final Set<String> neutral = new HashSet<>();
  private StoredWeights weights;
  private WeightSource read;

  Checkpoint(String name, ConfigReader settings, Safetensors files, Set<String> roots) {
    this.name = name;
    this.settings = settings;
    this.files = files;
    this.roots = roots;
  }

  /**
   * The model's name.
   *
   * @return the directory's, for reports
   */
  public String name() {
    return name;
  }

  ConfigReader settings() {
    return settings;
  }

  Safetensors files() {
    return files;
  }

  private StoredWeights weights() {
    if (weights == null) {
      weights =
          new StoredWeights(
              files,
              settings,
              new StoredNames(
                  "file=" + files.source(),
                  files.names(),
                  roots,
                  n -> n.equals("lm_head.weight") || n.equals("embed_out.weight"),
                  n -> n));
    }
    return weights;
  }

  /** Takes what a layout has read and checked, instead of single weights. */
  TransformerConfig take(ModelLoader.Layout layout) {
    read = layout.weights();
    return layout.config();
  }

  /**
   * The weights, after a check that everything was read.
   *
   * @param type the architecture's key
   * @param config the model as it was understood
   * @throws DataException if a tensor was not, or a setting says that the model computes something
   *     else
   */
  WeightSource finished(String type, TransformerConfig config) {
    if (read == null) {
      weights()
          .requireAllTaken(
              (plain, shape) -> false,
              "model_type=" + DataException.quote(type),
              "the number of blocks",
              config.blocks());
      UnreadSettings.others(neutral).check(settings, config);
      read = weights;
    }
    return read;
  }

  // ---- settings ----

  /**
   * Whether a setting is there.
   *
   * @param field its name
   * @return false also if it is null
   */
  public boolean has(String field) {
    return settings.has(field);
  }

  /**
   * A size that must be given.
   *
   * @param field its name
   * @return a positive number
   * @throws DataException if it is missing, or no size
   */
  public int size(String field) {
    return settings.size(field);
  }

  /**
   * A size.
   *
   * @param field its name
   * @param absent what it is where it is missing or null
   * @return a positive number
   * @throws DataException if it is no size
   */
  public int size(String field, int absent) {
    return settings.size(field, absent);
  }

  /**
   * A number above 0.
   *
   * @param field its name
   * @param absent what it is where it is missing or null
   * @return a finite number
   * @throws DataException if it is none
   */
  public double positive(String field, double absent) {
    return settings.positive(field, absent);
  }

  /**
   * A flag.
   *
   * @param field its name
   * @param absent what it is where it is missing
   * @return its value
   * @throws DataException if it is neither true nor false
   */
  public boolean flag(String field, boolean absent) {
    return settings.flag(field, absent);
  }

  /**
   * A text.
   *
   * @param field its name
   * @param absent what it is where it is missing or null
   * @return its value
   * @throws DataException if it is no text
   */
  public String text(String field, String absent) {
    return settings.text(field, absent);
  }

  /**
   * An activation by the name that transformers gives it.
   *
   * @param field its name
   * @param absent what it is where it is missing or null, such as {@code gelu}
   * @return the activation
   * @throws DataException if it is none that is supported
   */
  public TransformerConfig.Activation activation(String field, String absent) {
    return settings.activation(settings.text(field, absent), field);
  }

  /**
   * A normalisation with the ε of a setting.
   *
   * @param kind its kind
   * @param epsilonField the setting
   * @param absent ε where it is missing or null
   * @return the normalisation
   * @throws DataException if ε is out of range
   */
  public Normalization normalization(Normalization.Kind kind, String epsilonField, double absent) {
    return settings.normalization(kind, epsilonField, absent);
  }

  /**
   * Refuses a flag that changes what the model computes.
   *
   * @param field its name
   * @throws DataException if it is there and not false
   */
  public void refuse(String field) {
    settings.refuse(field);
  }

  /**
   * Sets aside settings that change nothing, beside those that are so everywhere.
   *
   * @param fields their names
   */
  public void neutral(String... fields) {
    neutral.addAll(List.of(fields));
  }

  /**
   * Tells the user something of a model that loads.
   *
   * @param what one line
   */
  public void notice(String what) {
    settings.notice(what);
  }

  /**
   * The exception for a directory that cannot be used.
   *
   * @param what what is wrong as {@code name=value}, then what to do
   * @return to be thrown
   */
  public DataException error(String what) {
    return settings.error(what);
  }

  // ---- tensors ----

  /**
   * Whether the file has a tensor.
   *
   * @param tensor its name, without roots and wrappers
   * @return whether it is there
   */
  public boolean hasTensor(String tensor) {
    return weights().has(tensor);
  }

  /**
   * Makes a weight of a tensor as it is.
   *
   * @param weight the weight's name in TransformerLens, such as {@code blocks.0.mlp.W_in}
   * @param tensor the tensor's name, without roots and wrappers
   * @param shape the shape that it must have in the file
   * @throws DataException if it is missing, has another shape, or no floating-point numbers
   */
  public void put(String weight, String tensor, long... shape) {
    weights().put(weight, weights().take(tensor, shape));
  }

  /**
   * Makes a weight of a tensor. Several weights may be made of one.
   *
   * @param weight the weight's name in TransformerLens, such as {@code blocks.0.attn.W_Q}
   * @param tensor the tensor's name, without roots and wrappers
   * @param change what becomes of it: a transposition, a part of it
   * @param shape the shape that it must have in the file
   * @throws DataException if it is missing, has another shape, or no floating-point numbers
   */
  public void put(String weight, String tensor, UnaryOperator<Tensor> change, long... shape) {
    weights().put(weight, weights().take(tensor, shape).then(change));
  }

  /**
   * Makes a weight of zeros, for what the family does not have.
   *
   * @param weight the weight's name in TransformerLens, such as {@code unembed.b_U}
   * @param shape its shape
   */
  public void putZeros(String weight, long... shape) {
    weights().put(weight, read -> Tensors.zeros(ScalarType.Float, shape));
  }
}
