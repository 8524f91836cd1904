package io.autocircuit.task;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
import java.util.List;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** {@code random}: random weights and random prompts. They show no behaviour, and need no file. */
public final class RandomTask implements TaskProvider {
  /** Its key. */
  public static final String KEY = "random";

  private static final String SHAPE = "random_weights";
  private static final String SIZE = "random_prompts";

  /** For the catalogue. */
  public RandomTask() {}

  @Override
  public String key() {
    return KEY;
  }

  @Override
  public String title() {
    return "Random weights";
  }

  @Override
  public String description() {
    return "a model of a known shape with random weights, on random prompts, both of the run's seed";
  }

  @Override
  public Source source() {
    return Source.OURS;
  }

  @Override
  public List<Setting> settings() {
    return List.of(
        Setting.choice(
            SHAPE, "tiny", "the model's shape", RandomModels.names().toArray(String[]::new)),
        Setting.of(
            SIZE,
            new SettingType.Text(),
            RandomPrompts.STANDARD.toString(),
            "number and length of the prompts, NxT"));
  }

  /**
   * The shape of settings.
   *
   * @param settings values of {@link #settings}
   * @return the name of a shape
   */
  public static String shape(Settings settings) {
    return settings.text(SHAPE);
  }

  /**
   * Number and length of the prompts of settings.
   *
   * @param settings values of {@link #settings}
   * @return the size
   * @throws IllegalArgumentException if it is none
   */
  public static RandomPrompts size(Settings settings) {
    return RandomPrompts.parse(settings.text(SIZE));
  }

  @Override
  public Transformer model(
      Settings settings, WeightProcessing processing, ScalarType type, long seed) {
    return RandomModels.of(RandomModels.shape(shape(settings)), seed, type);
  }

  @Override
  public TokenizedDataset prompts(Settings settings, Transformer model, long seed) {
    return size(settings).of(model.config(), seed);
  }
}
