package io.autocircuit.task.dataset;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.task.dataset.Frame.Filled;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Indirect object identification: two people are named, one of them (the subject S) acts again, and
 * the prompt ends where the other one (the indirect object IO) belongs. The corrupt prompt has
 * three fresh names, all different, so that it says nothing of who is who.
 */
final class IoiGenerator implements DatasetGenerator {
  private static final String FRAME = "frame";
  private static final String VANILLA = "vanilla";
  private static final int USUAL_COUNT = 1000;

  /** Three in the clean prompt could be, three fresh ones in the corrupt one. */
  private static final int FEWEST_NAMES = 6;

  private static final Source SOURCE =
      Source.arxiv(
          "Wang, Variengien, Conmy, Shlegeris and Steinhardt 2022, Interpretability in the Wild",
          "2211.00593");

  /**
   * The frames, by number; then the vanilla one. In order ABBA: the indirect object comes first.
   */
  private static final List<Frame> FRAMES =
      List.of(
          frame("Then, # went to the {place}{punct=.} {S2} gave a {object} to"),
          frame("Then, # had a lot of fun at the {place}{punct=.} {S2} gave a {object} to"),
          frame("Then, # were working at the {place}{punct=.} {S2} decided to give a {object} to"),
          frame(
              "Then, # were thinking about going to the {place}{punct=.} {S2} wanted to give a"
                  + " {object} to"),
          frame("Then, # had a long argument{punct=,} and afterwards {S2} said to"),
          frame("After # went to the {place}{punct=,} {S2} gave a {object} to"),
          frame("When # got a {object} at the {place}{punct=,} {S2} decided to give it to"),
          frame(
              "When # got a {object} at the {place}{punct=,} {S2} decided to give the {object2} to"),
          frame("While # were working at the {place}{punct=,} {S2} gave a {object} to"),
          frame("While # were commuting to the {place}{punct=,} {S2} gave a {object} to"),
          frame("After the lunch, # went to the {place}{punct=.} {S2} gave a {object} to"),
          frame("Afterwards, # went to the {place}{punct=.} {S2} gave a {object} to"),
          frame("Then, # had a long argument{punct=.} Afterwards {S2} said to"),
          frame("The {place} # went to had a {object}{punct=.} {S2} gave it to"),
          frame("Friends # found a {object} at the {place}{punct=.} {S2} gave it to"),
          frame("When # went to the {place}{punct=,} {S2} gave a {object} to"));

  private static final int VANILLA_FRAME = FRAMES.size() - 1;

  private final String key;
  private final String title;
  private final String description;
  private final String usualFrame;
  private final List<Boolean> subjectFirst;

  private IoiGenerator(
      String key, String title, String description, String usualFrame, Boolean... subjectFirst) {
    this.key = key;
    this.title = title;
    this.description = description;
    this.usualFrame = usualFrame;
    this.subjectFirst = List.of(subjectFirst);
  }

  static IoiGenerator vanilla() {
    return new IoiGenerator(
        "ioi",
        "Indirect object identification",
        "When Mary and John went to the store, John gave a drink to: the indirect object is named"
            + " first",
        VANILLA,
        false);
  }

  static IoiGenerator abba() {
    return new IoiGenerator(
        "ioi-abba",
        "Indirect object identification, ABBA",
        "one of fifteen frames in which the indirect object is named first",
        "0",
        false);
  }

  static IoiGenerator baba() {
    return new IoiGenerator(
        "ioi-baba",
        "Indirect object identification, BABA",
        "one of fifteen frames in which the subject is named first",
        "0",
        true);
  }

  static IoiGenerator mixed() {
    return new IoiGenerator(
        "ioi-mixed",
        "Indirect object identification, all frames",
        "fifteen frames in both orders; lengths vary, so that no positions are named",
        null,
        false,
        true);
  }

  private static Frame frame(String text) {
    return new Frame(text.replace("#", "{IO} and {S1}"));
  }

  @Override
  public String key() {
    return key;
  }

  @Override
  public String title() {
    return title;
  }

  @Override
  public String description() {
    return description;
  }

  @Override
  public Source source() {
    return SOURCE;
  }

  @Override
  public int usualCount() {
    return USUAL_COUNT;
  }

  @Override
  public List<Setting> settings() {
    if (usualFrame == null) {
      return List.of();
    }
    List<SettingType.Choice.Option> frames = new ArrayList<>();
    for (int i = 0; i < VANILLA_FRAME; i++) {
      frames.add(new SettingType.Choice.Option(String.valueOf(i), ""));
    }
    frames.add(new SettingType.Choice.Option(VANILLA, ""));
    return List.of(
        Setting.of(FRAME, new SettingType.Choice(frames), usualFrame, "which sentence it is"));
  }

  private List<Frame> frames(Settings settings) {
    if (usualFrame == null) {
      return FRAMES.subList(0, VANILLA_FRAME);
    }
    String frame = settings.text(FRAME);
    return List.of(FRAMES.get(frame.equals(VANILLA) ? VANILLA_FRAME : Integer.parseInt(frame)));
  }

  @Override
  public Generated generate(Settings settings, Tokenizer tokenizer, int count, long seed) {
    int wanted = Counts.of(this, count);
    Slots slots = new Slots(key, tokenizer);
    List<String> names = slots.whole("names", WordList.of("names"), "gave it to", FEWEST_NAMES);
    List<String> places = slots.whole("places", WordList.of("places"), "went to the", 1);
    List<String> objects = slots.whole("objects", WordList.of("objects"), "gave a", 1);
    List<Frame> frames = frames(settings);
    Draws draws = new Draws(seed);
    Assembly assembly =
        new Assembly(key, tokenizer, usualFrame == null ? null : IoiGenerator::positions);
    assembly.draw(
        wanted,
        () -> {
          Frame frame = draws.pick(frames);
          boolean baba = draws.pick(subjectFirst);
          List<String> six = draws.sample(names, FEWEST_NAMES);
          String place = draws.pick(places);
          String object = draws.pick(objects);
          String io = six.get(0);
          String subject = six.get(1);
          return new Draft(
              fill(frame, baba, io, subject, subject, place, object),
              fill(frame, baba, six.get(2), six.get(3), six.get(4), place, object),
              List.of(" " + io),
              List.of(" " + subject));
        });
    return new Generated(
        assembly.dataset(), key, version(), settings, seed, assembly.dropped(slots));
  }

  private static Filled fill(
      Frame frame, boolean baba, String io, String s1, String s2, String place, String object) {
    Frame ordered =
        baba ? new Frame(frame.pattern().replace("{IO} and {S1}", "{S1} and {IO}")) : frame;
    return ordered.fill(
        Map.of("IO", io, "S1", s1, "S2", s2, "place", place, "object", object, "object2", object));
  }

  /** The positions that official circuits name. */
  private static SortedMap<String, Integer> positions(Layout layout) {
    SortedMap<String, Integer> words = new TreeMap<>();
    for (String name : List.of("IO", "S1", "S2", "punct")) {
      words.put(name, layout.last(name));
    }
    for (String name : List.of("IO", "S1")) {
      words.put(name + "-1", layout.first(name) - 1);
      words.put(name + "+1", layout.last(name) + 1);
    }
    words.put("starts", 0);
    words.put("end", layout.length() - 1);
    return words;
  }
}
