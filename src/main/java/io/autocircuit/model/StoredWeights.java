package io.autocircuit.model;

import io.autocircuit.files.DataException;
import io.autocircuit.tensor.Safetensors;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiPredicate;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * How the tensors of a file become a state dictionary under TransformerLens's names. A layout says
 * for each name what it is made of ({@link #take}, {@link #put}); names, shapes and element types
 * are checked then, numbers are read when a part is asked for. What no name takes is refused by
 * {@link #requireAllTaken}.
 */
final class StoredWeights implements WeightSource {
  private static final Set<String> FLOATS = Set.of("F16", "BF16", "F32", "F64");
  private static final Pattern BLOCK = Pattern.compile("(?:h|layers|blocks)\\.(\\d{1,9})\\..*");
  private static final Pattern HEAD =
      Pattern.compile(
          "(.*\\.)?(v_head|score|classifier|qa_outputs|multiple_choice_head|value_head"
              + "|medusa_head|prompt_embeddings|prompt_encoder)(\\..*)?");
  private static final int SHOWN = 4;

  /** Makes a tensor of what is in the file. */
  @FunctionalInterface
  interface Recipe {
    /**
     * Makes it.
     *
     * @param read gives a tensor of the file by its name there
     */
    Tensor make(Function<String, Tensor> read);

    /** A recipe for what {@code next} makes of this one's. */
    default Recipe then(UnaryOperator<Tensor> next) {
      return read -> next.apply(make(read));
    }
  }

  private final Safetensors files;
  private final ConfigReader config;
  private final StoredNames names;
  private final Set<String> taken = new HashSet<>();
  private final Map<String, Recipe> recipes = new LinkedHashMap<>();
  private final Map<String, Projection> projections = new HashMap<>();

  /**
   * A linear map of the file that writes to the stream.
   *
   * @param weight its name in the file
   * @param bias likewise; null where there is none
   * @param inputsFirst whether the first axis of the weight is of its inputs
   * @param factor what the model multiplies its output by
   */
  record Projection(String weight, String bias, boolean inputsFirst, double factor) {}

  StoredWeights(Safetensors files, ConfigReader config, StoredNames names) {
    this.files = files;
    this.config = config;
    this.names = names;
  }

  /** Whether the file has a tensor of that plain name. */
  boolean has(String plain) {
    return names.stored(plain) != null;
  }

  /** The shape in the file; null if there is none. */
  long[] shape(String plain) {
    return has(plain) ? files.shape(names.stored(plain)) : null;
  }

  /**
   * A tensor of the file.
   *
   * @throws DataException if it is missing, or has another shape or no floating-point numbers
   */
  Recipe take(String plain, long... shape) {
    return take(plain, false, shape);
  }

  /** The same for a tensor beside the root: the head. */
  Recipe takeHead(String plain, long... shape) {
    return take(plain, true, shape);
  }

  private Recipe take(String plain, boolean head, long... shape) {
    String stored = names.stored(plain);
    if (stored == null) {
      String expected = names.expected(plain, head);
      try {
        files.shape(expected); // says what there is instead
      } catch (DataException e) {
        throw new DataException(e.getMessage() + config.defaults(), e);
      }
      throw new IllegalStateException("tensor=" + expected + " has no plain name");
    }
    if (!Arrays.equals(files.shape(stored), shape)) {
      throw error(
          "tensor="
              + DataException.quote(stored)
              + " has shape="
              + Arrays.toString(files.shape(stored))
              + " but config.json needs shape="
              + Arrays.toString(shape)
              + "; check that both belong together"
              + config.defaults());
    }
    if (!FLOATS.contains(files.dtype(stored))) {
      throw error(
          "tensor="
              + DataException.quote(stored)
              + " has dtype="
              + files.dtype(stored)
              + ", which no weight has; convert it to F32, or give the weights before they were"
              + " quantised");
    }
    taken.add(stored);
    return read -> read.apply(stored);
  }

  /**
   * The failure of a model whose head is nowhere.
   *
   * @param because what makes it needed
   */
  DataException missingHead(String plain, String because) {
    return error(
        "tensor="
            + DataException.quote(names.expected(plain, true))
            + " is missing; config.json says "
            + because
            + ": set \"tie_word_embeddings\": true in it if the head is the embedding, else get the"
            + " weights again");
  }

  /** Says what the tensor {@code name} of the dictionary is made of. */
  void put(String name, Recipe recipe) {
    recipes.put(name, recipe);
  }

  /** Multiplies a tensor of the dictionary, if there is one of that name. */
  void change(String name, double factor) {
    recipes.computeIfPresent(name, (n, recipe) -> recipe.then(t -> t.mul(new Scalar(factor))));
  }

  /**
   * Says which linear map of the file writes what a part outputs.
   *
   * @param part {@code blocks.0.attn} or {@code blocks.0.mlp}
   * @param module the plain name of the map
   */
  void projection(String part, String module, boolean inputsFirst, double factor) {
    projections.put(
        part,
        new Projection(
            names.stored(module + ".weight"), names.stored(module + ".bias"), inputsFirst, factor));
  }

  /** The map of a part; null where none was named. */
  Projection projection(String part) {
    return projections.get(part);
  }

  /** Where the tensors are. */
  Safetensors files() {
    return files;
  }

  DataException error(String what) {
    return new DataException("file=" + files.source() + ": " + what);
  }

  @Override
  public Map<String, Tensor> tensors(Part part) {
    Map<String, Tensor> read = new HashMap<>();
    Map<String, Tensor> made = new LinkedHashMap<>();
    for (Map.Entry<String, Recipe> e : recipes.entrySet()) {
      if (part.holds(e.getKey())) {
        try (TensorScope scope = new TensorScope()) {
          Function<String, Tensor> reader =
              name -> read.computeIfAbsent(name, n -> scope.keep(read(n)));
          // a handle of its own, even where it is what the file holds
          made.put(e.getKey(), scope.keep(new Tensor(e.getValue().make(reader))));
        }
      }
    }
    read.values().forEach(Tensor::close); // what is made holds on to what it needs
    return made;
  }

  /**
   * Reads a tensor.
   *
   * @throws DataException if an element is not a finite float32
   */
  private Tensor read(String stored) {
    Tensor t = files.tensor(stored);
    try (TensorScope scope = new TensorScope()) {
      // NaN wins both comparisons
      if (!Float.isFinite(t.min().item_float()) || !Float.isFinite(t.max().item_float())) {
        files.requireFinite(stored); // says where
      }
    }
    return t;
  }

  /** Whether two tensors of the file hold the same numbers. */
  boolean equal(String plain, String other) {
    if (!Arrays.equals(shape(plain), shape(other))) {
      return false;
    }
    try (TensorScope scope = new TensorScope()) {
      return read(names.stored(plain)).equal(read(names.stored(other)));
    }
  }

  /**
   * Reads of a tensor that belongs to no part; it is not taken by this.
   *
   * @return {@code count} of its numbers from number {@code first} on, row by row
   */
  float[] floats(String plain, long first, long count) {
    return files.floats(names.stored(plain), first, (int) count);
  }

  /** The element type in the file. */
  String dtype(String plain) {
    return files.dtype(names.stored(plain));
  }

  /**
   * Refuses tensors that the model does not read.
   *
   * @param neutral whether a tensor of that plain name and shape is a buffer that is computed anew
   * @param family what does not read them: {@code model_type="llama"}
   * @param blocksField the name of the number of blocks
   * @param blocks that number
   */
  void requireAllTaken(
      BiPredicate<String, long[]> neutral, String family, String blocksField, int blocks) {
    List<String> left = new ArrayList<>();
    boolean allBeyond = true;
    for (String name : files.names()) {
      if (!taken.contains(name)) {
        String plain = names.plain(name);
        boolean beyond = block(plain) >= blocks;
        if (beyond || !neutral.test(plain, files.shape(name))) {
          left.add(name);
          allBeyond &= beyond;
        }
      }
    }
    if (left.isEmpty()) {
      return;
    }
    if (left.stream().allMatch(n -> HEAD.matcher(n).matches())) {
      throw error(
          "it holds what a language model with "
              + family
              + " does not read: "
              + listed(left)
              + ", of another head or of prompt tuning; remove these tensors if the model is to be"
              + " used without them");
    }
    String what = left.size() + (left.size() == 1 ? " tensor" : " tensors");
    if (allBeyond) {
      throw error(
          what
              + " of blocks beyond "
              + blocksField
              + "="
              + blocks
              + ": "
              + listed(left)
              + "; correct "
              + blocksField
              + " in config.json, or give the config.json that belongs to these weights"
              + config.defaults());
    }
    throw error(
        what
            + " that a model with "
            + family
            + " does not read: "
            + listed(left)
            + "; the config.json does not belong to these weights (or its settings say that the"
            + " model has no such part): give the one that they were saved with"
            + config.defaults());
  }

  private static int block(String plain) {
    Matcher m = BLOCK.matcher(plain);
    return m.matches() ? Integer.parseInt(m.group(1)) : -1;
  }

  /** The first few names, quoted. */
  static String listed(List<String> names) {
    List<String> shown = names.stream().limit(SHOWN).map(DataException::quote).toList();
    return String.join(", ", shown)
        + (names.size() > SHOWN ? " and " + (names.size() - SHOWN) + " more" : "");
  }
}
