package io.autocircuit.task.program;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.task.KnownCircuit;
import io.autocircuit.task.TaskDefaults;
import io.autocircuit.task.TaskProvider;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** What the tasks share whose model is a compiled {@link Program}. */
abstract class ProgramTask implements TaskProvider {
  /** Where the programs come from that Tracr's library has as well. */
  static final Source TRACR =
      Source.arxiv(
          "Lindner et al. 2023, Tracr: compiled transformers as a laboratory for interpretability",
          "2301.05062");

  /** Where the language and its first programs come from. */
  static final Source RASP =
      Source.arxiv("Weiss et al. 2021, Thinking like transformers", "2106.06981");

  private static final String COUNT = "count";
  private static final String LENGTH = "length";
  private static final String LETTERS = "letters";
  private static final int USUAL_PAIRS = 64;
  private static final int MOST_PAIRS = 100_000;

  private final String key;
  private final String title;
  private final String description;
  private final Source source;

  ProgramTask(String key, String title, String description, Source source) {
    this.key = key;
    this.title = title;
    this.description = description;
    this.source = source;
  }

  /** The program of settings. */
  abstract Program program(Settings settings);

  /** Its own settings. */
  abstract List<Setting> shape();

  /** The letters of a prompt, by number. */
  int[] draw(Program program, SplittableRandom random) {
    return ProgramPrompts.uniform(program, random);
  }

  /** Circuits that were published for this program; the usual one first. */
  List<KnownCircuit> published(CompiledProgram compiled) {
    return List.of();
  }

  static Setting lengthSetting(int least, int most, int usual) {
    return Setting.of(
            LENGTH,
            new SettingType.Whole(least, most),
            usual,
            "letters of each prompt, BOS not counted")
        .in("letters");
  }

  static Setting lettersSetting(int most, int usual) {
    return Setting.of(
        LETTERS, new SettingType.Whole(2, most), usual, "how many different letters there are");
  }

  static int length(Settings settings) {
    return settings.whole(LENGTH);
  }

  static int letters(Settings settings) {
    return settings.whole(LETTERS);
  }

  @Override
  public final String key() {
    return key;
  }

  @Override
  public final String title() {
    return title;
  }

  @Override
  public final String description() {
    return description;
  }

  @Override
  public final Source source() {
    return source;
  }

  @Override
  public final List<Setting> settings() {
    List<Setting> all = new ArrayList<>(shape());
    all.add(
        Setting.of(
                COUNT,
                new SettingType.Whole(0, MOST_PAIRS),
                USUAL_PAIRS,
                "how many prompt pairs of a program's task; 0 for one of every possible prompt")
            .in("pairs"));
    return List.copyOf(all);
  }

  @Override
  public final TaskDefaults defaults() {
    return new TaskDefaults(true, false, OutputSlice.NOT_FIRST_SEQ, 0, 0);
  }

  @Override
  public final Transformer model(
      Settings settings, WeightProcessing processing, ScalarType type, long seed) {
    return CompiledProgram.of(program(settings)).transformer(type);
  }

  @Override
  public final TokenizedDataset prompts(Settings settings, Transformer model, long seed) {
    Program program = program(settings);
    return new ProgramPrompts(CompiledProgram.of(program), r -> draw(program, r), seed)
        .pairs(settings.whole(COUNT));
  }

  @Override
  public final List<KnownCircuit> circuits(Settings settings) {
    CompiledProgram compiled = CompiledProgram.of(program(settings));
    List<KnownCircuit> all = new ArrayList<>(published(compiled));
    all.add(
        new KnownCircuit(
            "resample",
            "What depends on the letters",
            "the edges along which the program passes what depends on the letters: those that"
                + " matter when a source is replaced by its output on another prompt",
            Source.OURS,
            (graph, words) -> compiled.edges(graph, true)));
    all.add(
        new KnownCircuit(
            "zero",
            "The whole program",
            "the edges that the program uses, also for what follows from positions and from the"
                + " length of the prompts: those that matter when a source is replaced by 0",
            Source.OURS,
            (graph, words) -> compiled.edges(graph, false)));
    return List.copyOf(all);
  }
}
