package io.autocircuit.task.dataset;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.Tokenizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Docstring: a method whose docstring documents its parameters in their order; after {@code :param}
 * the next one belongs. The corrupt prompt has other parameters in the definition, and others again
 * in the docstring.
 */
final class DocstringGenerator implements DatasetGenerator {
  private static final int USUAL_COUNT = 1000;
  private static final int IDENTIFIERS = 15;
  private static final int SUMMARY = 3;

  private static final Frame FRAME =
      new Frame(
          "\ndef {method}(self, {prefix1}, {prefix2}, {A_def}, {B_def}{,_B=,} {C_def}, {suffix}):\n"
              + "    \"\"\"{summary}\n\n"
              + "    :param {A_doc}: {about_A}\n"
              + "    :{param_2=param} {B_doc}: {about_B}\n"
              + "    :{param_3=param}");

  private static final List<String> NAMED =
      List.of("A_def", "B_def", ",_B", "C_def", "A_doc", "param_2", "B_doc", "param_3");

  private static final Source SOURCE =
      Source.named(
          "Heimersheim and Janiak 2023, A circuit for Python docstrings in a 4-layer"
              + " attention-only transformer");

  DocstringGenerator() {}

  @Override
  public String key() {
    return "docstring";
  }

  @Override
  public String title() {
    return "Docstring";
  }

  @Override
  public String description() {
    return "a Python docstring that documents parameters in order: the next one is right";
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
  public Generated generate(Settings settings, Tokenizer tokenizer, int count, long seed) {
    int wanted = Counts.of(this, count);
    Slots slots = new Slots(key(), tokenizer);
    List<String> identifiers =
        slots.whole("identifiers", WordList.of("identifiers"), "(self,", IDENTIFIERS);
    List<String> nouns = slots.whole("nouns", WordList.of("nouns"), "word", SUMMARY);
    List<String> firsts = slots.joined("first nouns of a docstring", nouns, "\n    \"\"\"", 1);
    Draws draws = new Draws(seed);
    Assembly assembly = new Assembly(key(), tokenizer, DocstringGenerator::positions);
    assembly.draw(wanted, () -> draft(draws, identifiers, nouns, firsts));
    return new Generated(
        assembly.dataset(), key(), version(), settings, seed, assembly.dropped(slots));
  }

  private static Draft draft(
      Draws draws, List<String> identifiers, List<String> nouns, List<String> firsts) {
    List<String> names = draws.sample(identifiers, IDENTIFIERS);
    String first = draws.pick(firsts);
    List<String> rest = new ArrayList<>(nouns);
    rest.remove(first);
    List<String> summary = draws.sample(rest, SUMMARY - 1);
    Map<String, String> words = new HashMap<>();
    words.put("summary", first + " " + String.join(" ", summary));
    words.put("about_A", String.join(" ", draws.sample(nouns, 2)));
    words.put("about_B", String.join(" ", draws.sample(nouns, 2)));
    words.put("method", names.get(0));
    words.put("prefix1", names.get(1));
    words.put("prefix2", names.get(2));
    words.put("suffix", names.get(3));
    put(words, "_def", names.subList(4, 7));
    put(words, "_doc", names.subList(4, 6));
    Map<String, String> corrupt = new HashMap<>(words);
    put(corrupt, "_def", names.subList(7, 10));
    put(corrupt, "_doc", names.subList(10, 12));
    String answer = names.get(6);
    Set<String> wrong = new HashSet<>(names.subList(1, IDENTIFIERS));
    wrong.remove(answer);
    return new Draft(
        FRAME.fill(words),
        FRAME.fill(corrupt),
        List.of(" " + answer),
        names.stream().filter(wrong::contains).map(n -> " " + n).toList());
  }

  private static void put(Map<String, String> words, String suffix, List<String> names) {
    for (int i = 0; i < names.size(); i++) {
      words.put("ABC".charAt(i) + suffix, names.get(i));
    }
  }

  /** The positions that official circuits name. */
  private static SortedMap<String, Integer> positions(Layout layout) {
    SortedMap<String, Integer> words = new TreeMap<>();
    NAMED.forEach(name -> words.put(name, layout.last(name)));
    return words;
  }
}
