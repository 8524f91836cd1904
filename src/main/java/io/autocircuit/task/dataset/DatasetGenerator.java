package io.autocircuit.task.dataset;

import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Entry;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.Tokenizer;
import java.util.List;

/**
 * Makes prompt pairs by rule, for the tokenizer of the model that is to read them. The same
 * settings, tokenizer, number and seed give the same pairs on every machine.
 *
 * <p>A class that implements this, has a public constructor without arguments and is named in
 * {@code META-INF/services/io.autocircuit.task.dataset.DatasetGenerator} of a jar on the class path
 * is one of the {@link #catalogue}: {@code dataset generate KEY} runs it, with its settings as
 * options.
 */
public interface DatasetGenerator extends Entry {
  /** In place of a number of pairs: {@link #usualCount} of them. */
  int USUAL = 0;

  /**
   * The number of its rule. Another rule, which makes other pairs of the same seed, has another.
   *
   * @return 1 unless overridden
   */
  default int version() {
    return 1;
  }

  /**
   * Whether pairs are text, which a tokenizer has to have words for.
   *
   * @return true unless overridden
   */
  default boolean needsTokenizer() {
    return true;
  }

  /**
   * How many pairs are made where nobody says.
   *
   * @return 0 for as many as there are
   */
  int usualCount();

  /**
   * Makes pairs.
   *
   * @param settings values of {@link #settings}
   * @param tokenizer who reads them; null where {@link #needsTokenizer} is false
   * @param count how many, or {@link #USUAL}
   * @param seed of all that is drawn
   * @return that many pairs, in the order drawn
   * @throws io.autocircuit.files.DataException if the tokenizer has too few of the words whole, or
   *     fewer different pairs can be made; the message names the slot or what was dropped
   * @throws IllegalArgumentException if count is negative, or settings do not fit together
   */
  Generated generate(Settings settings, Tokenizer tokenizer, int count, long seed);

  /**
   * Makes pairs with default settings.
   *
   * @param tokenizer who reads them; null where {@link #needsTokenizer} is false
   * @param count how many, or {@link #USUAL}
   * @param seed of all that is drawn
   * @return as {@link #generate(Settings, Tokenizer, int, long)}
   */
  default Generated generate(Tokenizer tokenizer, int count, long seed) {
    return generate(Settings.defaults(settings()), tokenizer, count, seed);
  }

  /**
   * All generators that there are: the library's, then those of other jars.
   *
   * @return a new catalogue
   */
  static Catalogue<DatasetGenerator> catalogue() {
    return Catalogue.load(
        "dataset",
        DatasetGenerator.class,
        List.of(
            IoiGenerator.vanilla(),
            IoiGenerator.abba(),
            IoiGenerator.baba(),
            IoiGenerator.mixed(),
            new DocstringGenerator(),
            new GreaterThanGenerator(),
            new SportsGenerator(),
            new CapitalsGenerator(),
            AnimalsGenerator.brief(),
            AnimalsGenerator.story(),
            TracrGenerator.reverse(),
            TracrGenerator.xproportion()));
  }
}
