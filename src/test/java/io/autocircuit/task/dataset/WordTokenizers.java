package io.autocircuit.task.dataset;

import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.data.SmallTokenizers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Tokenizers that have the words of the generators whole, as GPT-2 and as SentencePiece have them:
 * a space belongs to the word after it.
 */
public final class WordTokenizers {
  /** Words of the frames; those that come first in a text have no space before them. */
  private static final String FRAMES =
      "went to the gave a had lot of fun at were working decided give thinking about going wanted"
          + " long argument and afterwards Afterwards said got it commuting lunch found lasted from"
          + " year plays sport golf Woods capital is city ate some day asked her his mother father"
          + " what like eat smiled answered They Her His self param def";

  /** Words that a text begins with. */
  private static final String FIRST = "Then After Afterwards When While The Friends One Fact Tiger";

  private WordTokenizers() {}

  /** All words that generators use, with the space before them. */
  public static List<String> all() {
    Set<String> words = new LinkedHashSet<>(List.of((FIRST + " " + FRAMES).split(" ", -1)));
    for (String list :
        List.of("names", "places", "objects", "events", "identifiers", "nouns", "responders")) {
      words.addAll(WordList.of(list));
    }
    for (String list : List.of("animals", "askers", "capitals")) {
      for (WordList.Entry entry : WordList.pairs(list)) {
        words.add(entry.word());
        words.add(entry.answer());
      }
    }
    for (String sport : List.of("football", "basketball", "baseball")) {
      words.add(sport);
      for (String name : WordList.lines("players-" + sport)) {
        words.addAll(List.of(name.split(" ", -1)));
      }
    }
    return new ArrayList<>(words);
  }

  /** Whether a frame has the word. */
  static boolean ofFrame(String word) {
    return List.of((FIRST + " " + FRAMES).split(" ", -1)).contains(word);
  }

  /**
   * As GPT-2.
   *
   * @param split words that it has in pieces
   */
  public static HuggingFaceTokenizer byteLevel(Path directory, Set<String> split)
      throws IOException {
    return HuggingFaceTokenizer.load(
        SmallTokenizers.byteLevel(directory, pieces("Ġ", split).toArray(String[]::new)));
  }

  /** As Llama 2, which puts BOS and a space before every text. */
  public static HuggingFaceTokenizer sentencePiece(Path directory) throws IOException {
    return HuggingFaceTokenizer.load(
        SmallTokenizers.sentencePiece(directory, pieces("▁", Set.of()).toArray(String[]::new)));
  }

  private static List<String> pieces(String space, Set<String> split) {
    List<String> pieces = new ArrayList<>();
    for (int century = 11; century <= 17; century++) {
      pieces.add(space + century);
    }
    for (int i = 0; i < 100; i++) {
      pieces.add(String.format("%02d", i));
    }
    for (String word : all()) {
      if (!split.contains(word) && word.matches("\\w+")) {
        pieces.add(space + word);
      }
    }
    pieces.addAll(List.of(":", "\"", space.equals("Ġ") ? "Ċ" : "\n"));
    // last, so that no longer word is cut by them
    if (space.equals("Ġ")) { // SentencePiece puts a space before the first word too
      pieces.addAll(List.of(FIRST.split(" ", -1)));
      pieces.addAll(WordList.of("nouns"));
    }
    return pieces;
  }
}
