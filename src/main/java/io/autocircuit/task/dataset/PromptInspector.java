package io.autocircuit.task.dataset;

import io.autocircuit.data.PairReader;
import io.autocircuit.data.PromptFinding;
import io.autocircuit.data.ReadPair;
import io.autocircuit.data.TokenTexts;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.model.Transformer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * Looks at the prompts of a dataset one after another: how they are tokenised, what the model says,
 * and what makes them useless. Memory does not grow with their number, but for 64 characters each,
 * by which repeated ones are known.
 */
public final class PromptInspector {
  /** Pairs that are read before the model is asked. */
  private static final int PART = 256;

  private final Tokenizer tokenizer;
  private final Transformer model;
  private final int[] bos;
  private final int choices;
  private final TokenTexts texts;
  private final Set<String> seen = new HashSet<>();

  /**
   * Nothing looked at yet.
   *
   * @param tokenizer who spells tokens; null where there is none
   * @param model who is asked; null for nobody
   * @param bos what prompts of this model begin with; empty where that is nothing, or not known
   * @param choices how many of the likeliest tokens are listed
   */
  public PromptInspector(Tokenizer tokenizer, Transformer model, int[] bos, int choices) {
    this.tokenizer = tokenizer;
    this.model = model;
    this.bos = bos.clone();
    this.choices = choices;
    this.texts = new TokenTexts(tokenizer);
  }

  /**
   * What prompts of a model begin with by the model's own convention.
   *
   * @param tokenizer its tokenizer under {@link io.autocircuit.data.BosPolicy#AUTO}
   * @return token ids; empty for none
   */
  public static int[] beginning(Tokenizer tokenizer) {
    return Arrays.copyOf(tokenizer.encodePrompt("a").ids(), tokenizer.leadingSpecialTokens());
  }

  /**
   * Looks at prompts.
   *
   * @param pairs of the dataset
   * @param most how many at most, from the first on
   * @param to gets each, in the order of the dataset
   */
  public void inspect(PairReader pairs, int most, Consumer<InspectedPrompt> to) {
    int size = Math.min(pairs.size(), most);
    for (int from = 0; from < size; from += PART) {
      List<ReadPair> read =
          IntStream.range(from, Math.min(size, from + PART)).mapToObj(pairs::read).toList();
      List<TokenizedPair> usable =
          read.stream().filter(ReadPair::usable).map(ReadPair::pair).toList();
      Iterator<ModelAnswers.Said> said =
          model == null ? null : ModelAnswers.of(usable, model, choices).iterator();
      for (ReadPair pair : read) {
        to.accept(
            inspected(
                pair,
                said == null || !pair.usable() ? Optional.empty() : Optional.of(said.next())));
      }
    }
  }

  private InspectedPrompt inspected(ReadPair read, Optional<ModelAnswers.Said> said) {
    TokenizedPair pair = read.pair();
    Set<PromptFinding> found = EnumSet.noneOf(PromptFinding.class);
    found.addAll(read.findings());
    if (read.usable()) {
      found.addAll(PromptFinding.of(pair));
      if (!seen.add(pair.contentKey())) {
        found.add(PromptFinding.REPEATED);
      }
    }
    if (model != null && !model.config().causal()) {
      // every position sees all others
      found.remove(PromptFinding.SAME_UP_TO_ANSWER);
      found.remove(PromptFinding.SAME_UP_TO_END);
    }
    for (int[] prompt : List.of(pair.clean(), pair.corrupt())) {
      if (bos.length > 0 && prompt.length > 0) {
        if (!begins(prompt, 0)) {
          found.add(PromptFinding.BOS_MISSING);
        } else if (begins(prompt, bos.length)) {
          found.add(PromptFinding.BOS_DOUBLED);
        }
      }
    }
    said.filter(s -> pair.numbers() == null).ifPresent(s -> found.addAll(of(s)));
    return new InspectedPrompt(
        pair,
        TokenAlignment.of(pair.clean(), pair.corrupt()),
        spelled(pair, said),
        said,
        read.faults(),
        found);
  }

  private boolean begins(int[] prompt, int at) {
    return prompt.length >= at + bos.length
        && Arrays.equals(prompt, at, at + bos.length, bos, 0, bos.length);
  }

  private static Set<PromptFinding> of(ModelAnswers.Said said) {
    Set<PromptFinding> found = EnumSet.noneOf(PromptFinding.class);
    if (!said.right()) {
      found.add(PromptFinding.MODEL_WRONG);
    }
    boolean asGood =
        Double.isNaN(said.difference())
            ? said.corrupt().probability() >= said.clean().probability()
            : said.corruptDifference() >= said.difference();
    if (asGood) {
      found.add(PromptFinding.CORRUPT_AS_GOOD);
    }
    return found;
  }

  /** What each token says that is shown of a pair. */
  private Map<Integer, String> spelled(TokenizedPair pair, Optional<ModelAnswers.Said> said) {
    if (tokenizer == null
        || model != null && model.config().outputs() != model.config().vocabulary()) {
      return Map.of(); // what it says is not what it reads
    }
    Map<Integer, String> spelled = new LinkedHashMap<>();
    List<int[]> shown = new ArrayList<>(List.of(pair.clean(), pair.corrupt()));
    shown.addAll(List.of(pair.answers()));
    shown.addAll(List.of(pair.wrongAnswers()));
    said.ifPresent(
        s -> {
          for (ModelAnswers.Side side : List.of(s.clean(), s.corrupt())) {
            shown.add(side.choices().stream().mapToInt(ModelAnswers.Choice::token).toArray());
          }
        });
    shown.forEach(ids -> Arrays.stream(ids).forEach(id -> spelled.computeIfAbsent(id, texts::of)));
    return spelled;
  }
}
