package io.autocircuit.model;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Entry;
import java.util.List;
import java.util.Set;

/**
 * A family of models that {@link ModelLoader} reads: an entry of the catalogue whose key is the
 * {@code model_type} of its {@code config.json}.
 *
 * <p>A class that implements this, has a public constructor without arguments and is named in
 * {@code META-INF/services/io.autocircuit.model.Architecture} of a jar on the class path is an
 * architecture. What it has to do is small: say in a {@link TransformerConfig} what the settings
 * mean, and which tensors of the file are which weights under TransformerLens's names ({@code
 * docs/models.md} lists them). Everything after that is the same for all families.
 */
public interface Architecture extends Entry {
  /**
   * What of the family is not supported, and refused when it is met.
   *
   * @return one line each, for people
   */
  default List<String> refused() {
    return List.of();
  }

  /**
   * The modules that the names of tensors may begin with, and which mean nothing: {@code
   * transformer} in {@code transformer.h.0.ln_1.weight}.
   *
   * @return without the dot
   */
  default Set<String> roots() {
    return Set.of();
  }

  /**
   * The weight processing where none is asked for.
   *
   * @return all steps unless overridden
   */
  default WeightProcessing processing() {
    return WeightProcessing.DEFAULT;
  }

  /**
   * Reads the settings, and names the tensors of which the weights are made. Numbers are read
   * later. What is neither read nor set aside by {@link Checkpoint} is refused, if it is a tensor,
   * and told of, if it is a setting.
   *
   * @param checkpoint the settings and the names of the tensors
   * @return the model's shape
   * @throws io.autocircuit.files.DataException if something is missing or not supported
   */
  TransformerConfig read(Checkpoint checkpoint);

  /**
   * All architectures that there are: the library's, then those of other jars.
   *
   * @return a new catalogue
   */
  static Catalogue<Architecture> catalogue() {
    return Catalogue.load("architecture", Architecture.class, KnownArchitectures.ALL);
  }
}
