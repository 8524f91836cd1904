package io.autocircuit.task.dataset;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.task.dataset.Frame.Filled;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Capital cities: "The capital of France is the city of". Countries whose capital is one token and
 * whose prompts are the shortest there are, so that all are equally long; the corrupt prompt names
 * another. Which of them a model knows is for {@code dataset filter} to say.
 */
final class CapitalsGenerator implements DatasetGenerator {
  private static final Frame FRAME = new Frame("The capital of {country} is the city of");

  CapitalsGenerator() {}

  @Override
  public String key() {
    return "capitals";
  }

  @Override
  public String title() {
    return "Capital cities";
  }

  @Override
  public String description() {
    return "The capital of France is the city of: countries whose capital is one token; filter it"
        + " by what the model knows";
  }

  @Override
  public Source source() {
    return Source.web("AutoCircuit", "https://github.com/UFO-101/auto-circuit");
  }

  @Override
  public int usualCount() {
    return 0;
  }

  /**
   * A country.
   *
   * @param prompt the prompt that names it
   * @param capital with the space before it
   * @param length tokens of the prompt
   */
  private record Country(Filled prompt, String name, String capital, int length) {}

  @Override
  public Generated generate(Settings settings, Tokenizer tokenizer, int count, long seed) {
    int wanted = Counts.of(this, count);
    Slots slots = new Slots(key(), tokenizer);
    List<Country> kept = countries(slots, tokenizer);
    Draws draws = new Draws(seed);
    List<Draft> drafts = new ArrayList<>();
    for (Country country : draws.shuffled(kept)) {
      Country other = country;
      while (other.equals(country)) {
        other = draws.pick(kept);
      }
      drafts.add(
          new Draft(
              country.prompt(),
              other.prompt(),
              List.of(country.capital()),
              List.of(other.capital())));
    }
    Assembly assembly = new Assembly(key(), tokenizer, layout -> new TreeMap<>());
    assembly.addAll(wanted, drafts);
    return new Generated(
        assembly.dataset(), key(), version(), settings, seed, assembly.dropped(slots));
  }

  private static List<Country> countries(Slots slots, Tokenizer tokenizer) {
    List<WordList.Entry> all = WordList.pairs("capitals");
    Set<String> whole =
        new HashSet<>(
            slots.whole(
                "capitals",
                all.stream().map(WordList.Entry::answer).toList(),
                "is the city of",
                2));
    Layouts layouts = new Layouts(tokenizer);
    List<Country> countries = new ArrayList<>();
    for (WordList.Entry entry : all) {
      Filled prompt = FRAME.fill(Map.of("country", entry.word()));
      Optional<Layout> layout = layouts.of(prompt);
      if (whole.contains(entry.answer()) && layout.isPresent()) {
        countries.add(
            new Country(prompt, entry.word(), " " + entry.answer(), layout.get().length()));
      }
    }
    int shortest = countries.stream().mapToInt(Country::length).min().orElse(0);
    slots.drop(
        "countries that are more tokens than others",
        countries.stream().filter(c -> c.length() > shortest).map(Country::name).toList());
    countries.removeIf(c -> c.length() > shortest);
    slots.require("countries", countries, all.size(), 2);
    return countries;
  }
}
