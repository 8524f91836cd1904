package io.autocircuit.task;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.files.DataException;
import io.autocircuit.model.ModelFiles;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.task.dataset.DatasetGenerator;
import io.autocircuit.task.dataset.Dropped;
import io.autocircuit.task.dataset.Generated;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * A task about a model that the user has on the disk, with prompts that a {@link DatasetGenerator}
 * makes for that model's tokenizer. A model of another shape is refused.
 */
abstract class GeneratedTask implements TaskProvider {
  private static final String COUNT = "count";

  private final Names names;
  private final WantedModel model;
  private final String generator;
  private final TaskDefaults defaults;
  private final List<KnownCircuit> circuits;

  /**
   * What a task is called.
   *
   * @param key in options and files
   * @param title for people
   * @param description in a sentence without a full stop
   * @param source where it comes from
   */
  record Names(String key, String title, String description, Source source) {}

  /**
   * Describes a task.
   *
   * @param names what it is called
   * @param model which model it is about
   * @param generator the key of what makes its prompts
   * @param defaults how it is usually run; as many prompts are made as it takes to score and judge
   * @param circuits those that are known, the usual one first
   */
  GeneratedTask(
      Names names,
      WantedModel model,
      String generator,
      TaskDefaults defaults,
      KnownCircuit... circuits) {
    this.names = names;
    this.model = model;
    this.generator = generator;
    this.defaults = defaults;
    this.circuits = List.of(circuits);
  }

  @Override
  public final String key() {
    return names.key();
  }

  @Override
  public final String title() {
    return names.title();
  }

  @Override
  public final String description() {
    return names.description();
  }

  @Override
  public final Source source() {
    return names.source();
  }

  private DatasetGenerator generator() {
    return DatasetGenerator.catalogue().get(generator);
  }

  /** How many prompts are made where nobody says. */
  private int usualCount() {
    return defaults.train() == 0 ? DatasetGenerator.USUAL : defaults.train() + defaults.test();
  }

  @Override
  public final List<Setting> settings() {
    return Stream.concat(
            Stream.of(
                Setting.whole(
                    COUNT,
                    DatasetGenerator.USUAL,
                    usualCount(),
                    "how many prompts are made; with 0 as many as is usual for their kind, or all"
                        + " that there are")),
            generator().settings().stream())
        .toList();
  }

  @Override
  public final Optional<WantedModel> wanted() {
    return Optional.of(model);
  }

  @Override
  public final TaskDefaults defaults() {
    return defaults;
  }

  /**
   * Of another number of prompts than usual the same share scores; where the usual number is not
   * known, as many as usual judge, but no more than half.
   */
  @Override
  public final TaskDefaults defaults(Settings settings) {
    int count = settings.whole(COUNT);
    int all = count == DatasetGenerator.USUAL ? generator().usualCount() : count;
    if (all == 0) {
      return defaults;
    }
    if (defaults.train() == 0) {
      return with(0, Math.min(defaults.test(), Math.max(1, all / 2)));
    }
    int train = Math.toIntExact(Math.max(1, (long) all * defaults.train() / usualCount()));
    return with(train, all - train);
  }

  private TaskDefaults with(int train, int test) {
    return new TaskDefaults(
        defaults.separateQkv(), defaults.tokenPositions(), defaults.slice(), train, test);
  }

  @Override
  public final List<KnownCircuit> circuits(Settings settings) {
    return circuits;
  }

  /** The model, where the environment names the folder that it is in. */
  @Override
  public final Transformer model(
      Settings settings, WeightProcessing processing, ScalarType type, long seed) {
    return ModelLoader.load(ModelFolders.standard().require(model, key()), processing, type);
  }

  @Override
  public final TokenizedDataset prompts(Settings settings, Transformer loaded, long seed) {
    return prompts(
        settings, loaded, Optional.of(ModelFolders.standard().require(model, key())), seed);
  }

  @Override
  public final TokenizedDataset prompts(
      Settings settings, Transformer loaded, Optional<Path> directory, long seed) {
    Optional<String> unfit = model.unfit(loaded.config());
    if (unfit.isPresent()) {
      throw new DataException(
          "task=" + key() + ": " + unfit.get() + "; give that one with --model DIR");
    }
    Path files = directory.map(d -> ModelFiles.of(d).directory()).orElse(null);
    if (files == null || ModelFiles.of(files).tokenizer().isEmpty()) {
      throw new DataException(
          "task="
              + key()
              + " makes text, and "
              + (files == null ? "no directory of its model is known" : "directory=" + files)
              + (files == null
                  ? "; give one with --model DIR"
                  : " has no tokenizer.json; put the model's there"));
    }
    try (Tokenizer tokenizer = HuggingFaceTokenizer.load(files, BosPolicy.AUTO)) {
      DatasetGenerator made = generator();
      Settings own = Settings.defaults(made.settings());
      for (Setting s : made.settings()) {
        Optional<Object> value = settings.value(s.name());
        if (value.isPresent()) {
          own = own.with(s.name(), value.get());
        }
      }
      Generated generated = made.generate(own, tokenizer, settings.whole(COUNT), seed);
      return noted(
          generated.prompts().tokenize(tokenizer, MultiTokenAnswers.REFUSE), generated.dropped());
    }
  }

  /** With a remark for each reason why something was left out. */
  private static TokenizedDataset noted(TokenizedDataset prompts, List<Dropped> dropped) {
    List<String> remarks = new ArrayList<>(prompts.remarks());
    dropped.forEach(d -> remarks.add("not in the prompts: " + d));
    return new TokenizedDataset(
        prompts.source(),
        prompts.prompts(),
        prompts.seqLabels(),
        prompts.wordIdxs(),
        prompts.beginning(),
        remarks);
  }
}
