package io.autocircuit.task.dataset;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.PromptPair;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.data.Wording;
import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * The prompts of Tracr's compiled programs: all sequences of five symbols behind a BOS, as token
 * ids, with an answer for each position but the first. The corrupt prompt is another sequence, of
 * other answers.
 */
final class TracrGenerator implements DatasetGenerator {
  private static final int LENGTH = 5;

  private static final Source SOURCE =
      Source.arxiv(
          "Lindner, Kramar, Farquhar, Rahtz, McGrath and Mikulik 2023, Tracr: Compiled Transformers"
              + " as a Laboratory for Interpretability",
          "2301.05062");

  private final String key;
  private final String title;
  private final String description;

  /** The token before the symbols. */
  private final int bos;

  /** The token of the first symbol; the others follow. */
  private final int first;

  private final int symbols;
  private final boolean numbers;
  private final Function<int[], double[]> answers;

  private TracrGenerator(
      String key,
      String title,
      String description,
      int bos,
      int first,
      int symbols,
      boolean numbers,
      Function<int[], double[]> answers) {
    this.key = key;
    this.title = title;
    this.description = description;
    this.bos = bos;
    this.first = first;
    this.symbols = symbols;
    this.numbers = numbers;
    this.answers = answers;
  }

  /** Ids 0 to 2 stand for 1, 2 and 3; BOS is 3. */
  static TracrGenerator reverse() {
    return new TracrGenerator(
        "tracr-reverse",
        "Tracr, reverse",
        "all sequences of five out of three symbols, to be reversed; token ids",
        3,
        0,
        3,
        false,
        sequence -> {
          double[] reversed = new double[LENGTH];
          for (int i = 0; i < LENGTH; i++) {
            reversed[i] = sequence[LENGTH - 1 - i];
          }
          return reversed;
        });
  }

  /** BOS is 0, 1 is padding, and 2 to 5 stand for w, x, y and z. */
  static TracrGenerator xproportion() {
    int x = 3;
    return new TracrGenerator(
        "tracr-xproportion",
        "Tracr, share of x",
        "all sequences of five out of w, x, y, z; the share of x so far, a number; token ids",
        0,
        2,
        4,
        true,
        sequence -> {
          double[] shares = new double[LENGTH];
          int seen = 0;
          for (int i = 0; i < LENGTH; i++) {
            seen += sequence[i] == x ? 1 : 0;
            shares[i] = (double) seen / (i + 1);
          }
          return shares;
        });
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
  public boolean needsTokenizer() {
    return false;
  }

  @Override
  public int usualCount() {
    return 0;
  }

  @Override
  public Generated generate(Settings settings, Tokenizer tokenizer, int count, long seed) {
    int wanted = Counts.of(this, count);
    List<int[]> all = sequences();
    if (wanted > all.size()) {
      throw new DataException(
          String.format(
              "dataset=%s: count=%d, but there are %d sequences; ask for that many or fewer",
              key, wanted, all.size()));
    }
    Draws draws = new Draws(seed);
    List<int[]> cleans = wanted == 0 || wanted == all.size() ? all : draws.sample(all, wanted);
    List<PromptPair> pairs = new ArrayList<>();
    for (int[] clean : cleans) {
      int[] corrupt = clean;
      while (Arrays.equals(answers.apply(corrupt), answers.apply(clean))) {
        corrupt = draws.pick(all);
      }
      pairs.add(
          new PromptPair(prompt(clean), prompt(corrupt), positions(clean), positions(corrupt)));
    }
    List<String> labels = new ArrayList<>(List.of("BOS"));
    IntStream.rangeClosed(1, LENGTH).forEach(i -> labels.add("symbol " + i));
    return new Generated(
        new PromptDataset(key, pairs, labels, new TreeMap<>()),
        key,
        version(),
        settings,
        seed,
        List.of());
  }

  /** All sequences, counted up from the last place. */
  private List<int[]> sequences() {
    List<int[]> all = new ArrayList<>();
    int n = IntStream.range(0, LENGTH).reduce(1, (product, i) -> product * symbols);
    for (int number = 0; number < n; number++) {
      int[] sequence = new int[LENGTH];
      int rest = number;
      for (int i = LENGTH - 1; i >= 0; i--) {
        sequence[i] = first + rest % symbols;
        rest /= symbols;
      }
      all.add(sequence);
    }
    return all;
  }

  private Wording prompt(int[] sequence) {
    int[] ids = new int[LENGTH + 1];
    ids[0] = bos;
    System.arraycopy(sequence, 0, ids, 1, LENGTH);
    return new Wording.Ids(ids);
  }

  private List<List<Wording>> positions(int[] sequence) {
    return Arrays.stream(answers.apply(sequence))
        .mapToObj(a -> numbers ? new Wording.Value(a) : new Wording.Ids(new int[] {(int) a}))
        .map(List::<Wording>of)
        .toList();
  }
}
