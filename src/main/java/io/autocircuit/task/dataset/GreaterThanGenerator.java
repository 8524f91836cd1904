package io.autocircuit.task.dataset;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Greater-than: "The war lasted from the year 1742 to 17", after which larger two-digit numbers are
 * right. The corrupt prompt begins in the year 01, after which nearly all are.
 */
final class GreaterThanGenerator implements DatasetGenerator {
  private static final int USUAL_COUNT = 1000;
  private static final int FIRST_CENTURY = 11;
  private static final int LAST_CENTURY = 17;
  private static final int YEARS = 100;

  /** Years end in more than that. */
  private static final int ABOVE = 40;

  private static final Frame FRAME =
      new Frame("The {noun} lasted from the year {year} to {century}");

  private static final Source SOURCE =
      Source.arxiv(
          "Hanna, Liu and Variengien 2023, How does GPT-2 compute greater-than?", "2305.00586");

  GreaterThanGenerator() {}

  @Override
  public String key() {
    return "greater-than";
  }

  @Override
  public String title() {
    return "Greater-than";
  }

  @Override
  public String description() {
    return "The war lasted from the year 1742 to 17: larger two-digit numbers are right";
  }

  @Override
  public Source source() {
    return SOURCE;
  }

  @Override
  public int usualCount() {
    return USUAL_COUNT;
  }

  /**
   * A year.
   *
   * @param century its first two digits
   * @param year its last two
   */
  private record Year(int century, int year) {}

  @Override
  public Generated generate(Settings settings, Tokenizer tokenizer, int count, long seed) {
    int wanted = Counts.of(this, count);
    Slots slots = new Slots(key(), tokenizer);
    List<String> nouns = slots.whole("nouns", WordList.of("events"), "The", 1);
    List<String> numbers = new ArrayList<>();
    for (int i = 0; i < YEARS; i++) {
      numbers.add(two(i));
    }
    slots.alone("two-digit numbers", numbers, YEARS);
    List<Year> years = years(slots);
    Draws draws = new Draws(seed);
    Assembly assembly = new Assembly(key(), tokenizer, layout -> new TreeMap<>());
    assembly.draw(
        wanted,
        () -> {
          Year year = draws.pick(years);
          String noun = draws.pick(nouns);
          return new Draft(
              fill(noun, year.century(), year.year()),
              fill(noun, year.century(), 1),
              numbers.subList(year.year() + 1, YEARS),
              numbers.subList(0, year.year() + 1));
        });
    return new Generated(
        assembly.dataset(), key(), version(), settings, seed, assembly.dropped(slots));
  }

  private static String two(int number) {
    return String.format(Locale.ROOT, "%02d", number);
  }

  private static Frame.Filled fill(String noun, int century, int year) {
    return FRAME.fill(
        Map.of("noun", noun, "year", two(century) + two(year), "century", two(century)));
  }

  /**
   * Years of two tokens, the century and the rest; without the first and the last of each century,
   * and none of a century whose year 01 is not two tokens.
   */
  private static List<Year> years(Slots slots) {
    List<Year> all = new ArrayList<>();
    List<String> split = new ArrayList<>();
    for (int century = FIRST_CENTURY; century <= LAST_CENTURY; century++) {
      List<Year> fit = new ArrayList<>();
      for (int year = 2; year < YEARS - 1; year++) {
        if (fits(slots, century, year)) {
          fit.add(new Year(century, year));
        } else {
          split.add(two(century) + two(year));
        }
      }
      fit.removeIf(y -> y.year() <= ABOVE);
      if (fits(slots, century, 1) && fit.size() > 2) {
        all.addAll(fit.subList(1, fit.size() - 1));
      }
    }
    slots.drop("years that are not two tokens, the century and two digits", split);
    slots.require("years", all, (LAST_CENTURY - FIRST_CENTURY + 1) * YEARS, 1);
    return all;
  }

  private static boolean fits(Slots slots, int century, int year) {
    return slots.added("year", " " + century).isPresent()
        && slots.added("year " + century, two(year)).isPresent();
  }
}
