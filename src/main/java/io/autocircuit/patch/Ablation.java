package io.autocircuit.patch;

import io.autocircuit.graph.UnknownNameException;
import java.util.Arrays;
import java.util.Locale;

/** What an ablated source is replaced by; a_s(i,t) is its activation at prompt i, position t. */
public enum Ablation {
  /** a_s(i,t) of the other (clean or corrupt) prompt. */
  RESAMPLE("the source's activation on the paired prompt"),
  /** 0. */
  ZERO("zero"),
  /** The mean over the prompts of the batch, position by position. */
  BATCH_TOKENWISE_MEAN("mean over the batch's prompts, position by position"),
  /** The mean over prompts and positions of the batch. */
  BATCH_ALL_TOK_MEAN("mean over the batch's prompts and positions"),
  /** The mean over the clean prompts of the dataset, position by position. */
  TOKENWISE_MEAN_CLEAN("mean over the dataset's clean prompts, position by position"),
  /** The mean over the corrupt prompts of the dataset, position by position. */
  TOKENWISE_MEAN_CORRUPT("mean over the dataset's corrupt prompts, position by position"),
  /** The mean over the clean and corrupt prompts of the dataset, position by position. */
  TOKENWISE_MEAN_CLEAN_AND_CORRUPT(
      "mean over the dataset's clean and corrupt prompts, position by position");

  private final String description;

  Ablation(String description) {
    this.description = description;
  }

  /**
   * The ablation of that name.
   *
   * @param key in any case, such as {@code resample}
   * @return the ablation
   * @throws UnknownNameException if there is none
   */
  public static Ablation of(String key) {
    for (Ablation a : values()) {
      if (a.name().equalsIgnoreCase(key)) {
        return a;
      }
    }
    throw new UnknownNameException(
        "ablation",
        key,
        Arrays.stream(values()).map(a -> a.name().toLowerCase(Locale.ROOT)).toList());
  }

  /** A phrase for help texts. */
  public String description() {
    return description;
  }

  /** Whether the values are means over a whole dataset. */
  public boolean overDataset() {
    return this == TOKENWISE_MEAN_CLEAN
        || this == TOKENWISE_MEAN_CORRUPT
        || this == TOKENWISE_MEAN_CLEAN_AND_CORRUPT;
  }
}
