package io.autocircuit.task.dataset;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.task.dataset.Frame.Filled;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Animal diet: what an animal eats. The corrupt prompt has another animal, which eats otherwise.
 */
final class AnimalsGenerator implements DatasetGenerator {
  private static final String ANY_CLEAN = "any_clean";
  private static final int USUAL_COUNT = 1000;
  private static final Frame BRIEF = new Frame("The {animal} ate some");

  private static final Frame STORY =
      new Frame(
          "One day, {asker} asked {whom} what {animal} like to eat. {who} smiled and answered,"
              + " \"They like to eat");

  private final boolean story;

  private AnimalsGenerator(boolean story) {
    this.story = story;
  }

  static AnimalsGenerator brief() {
    return new AnimalsGenerator(false);
  }

  static AnimalsGenerator story() {
    return new AnimalsGenerator(true);
  }

  @Override
  public String key() {
    return story ? "animals-long" : "animals";
  }

  @Override
  public String title() {
    return story ? "Animal diet, long" : "Animal diet";
  }

  @Override
  public String description() {
    return story
        ? "somebody asks a relative what cows like to eat; asker and relative are drawn anew for"
            + " the corrupt prompt"
        : "The cows ate some: the corrupt prompt has another animal; there are few different pairs";
  }

  @Override
  public Source source() {
    return Source.web("AutoCircuit", "https://github.com/UFO-101/auto-circuit");
  }

  @Override
  public int usualCount() {
    return story ? USUAL_COUNT : 0;
  }

  @Override
  public List<Setting> settings() {
    return List.of(
        Setting.flag(ANY_CLEAN, "draw the animal of the clean prompt too; else it is always cows"));
  }

  @Override
  public Generated generate(Settings settings, Tokenizer tokenizer, int count, long seed) {
    int wanted = Counts.of(this, count);
    Slots slots = new Slots(key(), tokenizer);
    List<WordList.Entry> animals = animals(slots);
    List<WordList.Entry> cleans =
        settings.flag(ANY_CLEAN) ? animals : animals.stream().limit(1).toList();
    List<WordList.Entry[]> pairs = new ArrayList<>();
    for (WordList.Entry clean : cleans) {
      for (WordList.Entry corrupt : animals) {
        if (!clean.answer().equals(corrupt.answer())) {
          pairs.add(new WordList.Entry[] {clean, corrupt});
        }
      }
    }
    Draws draws = new Draws(seed);
    Assembly assembly = new Assembly(key(), tokenizer, layout -> new TreeMap<>());
    if (story) {
      People people = people(slots);
      assembly.draw(
          wanted,
          () -> {
            WordList.Entry[] pair = draws.pick(pairs);
            return draft(pair, people.fill(pair[0], draws), people.fill(pair[1], draws));
          });
    } else {
      assembly.addAll(
          wanted,
          draws.shuffled(pairs).stream()
              .map(pair -> draft(pair, brief(pair[0]), brief(pair[1])))
              .toList());
    }
    return new Generated(
        assembly.dataset(), key(), version(), settings, seed, assembly.dropped(slots));
  }

  private static Draft draft(WordList.Entry[] pair, Filled clean, Filled corrupt) {
    return new Draft(
        clean, corrupt, List.of(" " + pair[0].answer()), List.of(" " + pair[1].answer()));
  }

  private static Filled brief(WordList.Entry animal) {
    return BRIEF.fill(Map.of("animal", animal.word()));
  }

  /** Animals that are one token and whose food is one; the first is that of the clean prompt. */
  private List<WordList.Entry> animals(Slots slots) {
    List<WordList.Entry> all = WordList.pairs("animals");
    List<String> words = all.stream().map(WordList.Entry::word).toList();
    Set<String> whole =
        new HashSet<>(slots.whole("animals", words, story ? "asked what" : "The", 2));
    Set<String> foods =
        new HashSet<>(
            slots.whole(
                "foods",
                all.stream().map(WordList.Entry::answer).distinct().toList(),
                story ? "\"They like to eat" : "ate some",
                2));
    List<WordList.Entry> kept =
        all.stream().filter(e -> whole.contains(e.word()) && foods.contains(e.answer())).toList();
    slots.require(
        "animal of the clean prompt (" + words.get(0) + ")",
        kept.stream().filter(e -> e.equals(all.get(0))).toList(),
        1,
        1);
    slots.require("animals with their foods", kept, all.size(), 2);
    return kept;
  }

  /**
   * Who asks whom.
   *
   * @param askers with their pronouns
   * @param responders who is asked
   */
  private record People(List<WordList.Entry> askers, List<String> responders) {
    Filled fill(WordList.Entry animal, Draws draws) {
      WordList.Entry asker = draws.pick(askers);
      String whom = asker.answer() + " " + draws.pick(responders);
      return STORY.fill(
          Map.of(
              "asker",
              asker.word(),
              "whom",
              whom,
              "who",
              whom.substring(0, 1).toUpperCase(Locale.ROOT) + whom.substring(1),
              "animal",
              animal.word()));
    }
  }

  private static People people(Slots slots) {
    List<WordList.Entry> all = WordList.pairs("askers");
    Set<String> whole =
        new HashSet<>(
            slots.whole("askers", all.stream().map(WordList.Entry::word).toList(), "One day,", 1));
    return new People(
        all.stream().filter(e -> whole.contains(e.word())).toList(),
        slots.whole("relatives", WordList.of("responders"), "asked her", 1));
  }
}
