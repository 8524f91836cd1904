package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.graph.Suggestions;
import io.autocircuit.tensor.DataException;
import io.autocircuit.tensor.JsonFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Prompt pairs as a file gives them, before tokenisation. The file is JSON in AutoCircuit's schema:
 *
 * <pre>{"prompts": [{"clean": …, "corrupt": …, "answers": […], "wrong_answers": […]}, …],
 *  "seq_labels": ["The", "cat", …],  (optional) a name for each token position
 *  "word_idxs": {"subject": 1, …}}   (optional) names for some positions, BOS not counted</pre>
 *
 * <p>A prompt is a string or a list of token ids. Answers are a list of strings or token ids, for
 * the last position; or a list of such lists, for the last positions. Other fields are ignored.
 *
 * @param source what messages call it: its file
 * @param prompts the pairs, in the order of the file, at least one
 * @param seqLabels a label for each token position, BOS not counted; empty if there are none
 * @param wordIdxs token positions by name, BOS not counted; empty if there are none
 */
public record PromptDataset(
    String source,
    List<PromptPair> prompts,
    List<String> seqLabels,
    SortedMap<String, Integer> wordIdxs) {

  /** The label of the position before the first that the file labels. */
  static final String BOS_LABEL = "<|BOS|>";

  /**
   * Copies the collections.
   *
   * @throws DataException if there are no prompts
   */
  public PromptDataset {
    prompts = List.copyOf(prompts);
    seqLabels = List.copyOf(seqLabels);
    wordIdxs = Collections.unmodifiableSortedMap(new TreeMap<>(wordIdxs));
    if (prompts.isEmpty()) {
      throw new DataException(
          "file=" + source + ": prompts=[] holds no prompts; give at least one pair");
    }
  }

  /**
   * Reads a file.
   *
   * @throws DataException if it is missing, not JSON, or not in the schema; the message says where
   */
  public static PromptDataset read(Path file) {
    return new Reader(file.toString()).dataset(JsonFiles.read(file));
  }

  /**
   * Reads JSON text.
   *
   * @param sourceName what messages call it
   * @throws DataException if it is not JSON or not in the schema; the message says where
   */
  public static PromptDataset parse(String json, String sourceName) {
    return new Reader(sourceName).dataset(JsonFiles.parse(json, sourceName));
  }

  /**
   * Turns every text into token ids.
   *
   * <p>Prompts that are text get the tokenizer's leading special tokens, and then labels and word
   * positions move along; prompts that are ids stay as they are. Answers get no special tokens.
   *
   * @param tokenizer may be null when the dataset holds no text
   * @throws DataException if there is text and no tokenizer, if an answer is not exactly one token,
   *     if a prompt has no tokens or fewer than answer positions, or if some prompts are text and
   *     others ids while labels or word positions are given
   */
  public TokenizedDataset tokenize(Tokenizer tokenizer) {
    List<TokenizedPair> pairs = new ArrayList<>();
    for (int i = 0; i < prompts.size(); i++) {
      pairs.add(tokenize(i, tokenizer));
    }
    long texts = prompts.stream().filter(p -> p.clean() instanceof Wording.Text).count();
    boolean named = !seqLabels.isEmpty() || !wordIdxs.isEmpty();
    int shift = tokenizer == null || texts == 0 ? 0 : tokenizer.leadingSpecialTokens();
    if (named && shift > 0 && texts < prompts.size()) {
      throw new DataException(
          String.format(
              "file=%s: %d prompts are text and %d token ids, so seq_labels and word_idxs cannot"
                  + " fit both; give all prompts in one form",
              source, texts, prompts.size() - texts));
    }
    List<String> labels = new ArrayList<>(seqLabels);
    if (!labels.isEmpty()) {
      labels.addAll(0, Collections.nCopies(shift, BOS_LABEL));
    }
    SortedMap<String, Integer> words = new TreeMap<>();
    wordIdxs.forEach((name, position) -> words.put(name, position + shift));
    return new TokenizedDataset(source, pairs, labels, words);
  }

  private TokenizedPair tokenize(int i, Tokenizer tokenizer) {
    PromptPair pair = prompts.get(i);
    String where = "prompts[" + i + "].";
    int[] clean = prompt(pair.clean(), where + "clean", tokenizer);
    int[] corrupt = prompt(pair.corrupt(), where + "corrupt", tokenizer);
    int positions = pair.answers().size();
    if (positions > Math.min(clean.length, corrupt.length)) {
      throw new DataException(
          String.format(
              "file=%s: %sanswers has positions=%d, but the prompt has tokens=%d;"
                  + " give at most one list of answers per token",
              source, where, positions, Math.min(clean.length, corrupt.length)));
    }
    return new TokenizedPair(
        i,
        clean,
        corrupt,
        answers(pair.answers(), where + "answers", tokenizer),
        answers(pair.wrongAnswers(), where + "wrong_answers", tokenizer));
  }

  private int[] prompt(Wording wording, String where, Tokenizer tokenizer) {
    int[] ids =
        wording instanceof Wording.Text text
            ? needed(tokenizer, where, text).encodePrompt(text.text()).ids()
            : ((Wording.Ids) wording).ids().clone();
    if (ids.length == 0) {
      throw new DataException(
          "file=" + source + ": " + where + " has tokens=0; give a prompt of at least one token");
    }
    return ids;
  }

  private int[][] answers(List<List<Wording>> positions, String where, Tokenizer tokenizer) {
    return IntStream.range(0, positions.size())
        .mapToObj(
            p ->
                IntStream.range(0, positions.get(p).size())
                    .map(
                        a ->
                            answer(
                                positions.get(p).get(a),
                                positions.size() == 1
                                    ? where + "[" + a + "]"
                                    : where + "[" + p + "][" + a + "]",
                                tokenizer))
                    .toArray())
        .toArray(int[][]::new);
  }

  private int answer(Wording wording, String where, Tokenizer tokenizer) {
    if (wording instanceof Wording.Text text) {
      Tokenizer.Encoded encoded = needed(tokenizer, where, text).encodeAnswer(text.text());
      if (encoded.ids().length != 1) {
        throw new DataException(
            String.format(
                "file=%s: %s=%s is not one token but %d: %s;"
                    + " choose an answer of one token (mind the leading space)",
                source,
                where,
                DataException.quote(text.text()),
                encoded.ids().length,
                encoded.spellings().stream().limit(20).map(DataException::quote).toList()));
      }
      return encoded.ids()[0];
    }
    int[] ids = ((Wording.Ids) wording).ids();
    if (ids.length != 1) {
      throw new DataException(
          String.format(
              "file=%s: %s has tokens=%d; give answers of one token", source, where, ids.length));
    }
    return ids[0];
  }

  private Tokenizer needed(Tokenizer tokenizer, String where, Wording.Text text) {
    if (tokenizer == null) {
      throw new DataException(
          String.format(
              "file=%s: %s=%s is text and there is no tokenizer;"
                  + " put the model's tokenizer.json beside its weights, or give token ids",
              source, where, DataException.quote(text.text())));
    }
    return tokenizer;
  }

  /** Reads the schema; {@code source} begins every message. */
  private record Reader(String source) {
    /** Far beyond any context, and a BOS may still move it without overflow. */
    private static final int LARGEST_POSITION = 1 << 24;

    PromptDataset dataset(JsonNode json) {
      JsonNode prompts = field(json, "prompts", "the file");
      if (!prompts.isArray()) {
        throw wrong("prompts", prompts, "a list of prompt pairs");
      }
      List<PromptPair> pairs = new ArrayList<>(prompts.size());
      for (int i = 0; i < prompts.size(); i++) {
        pairs.add(pair(prompts.get(i), "prompts[" + i + "]"));
      }
      return new PromptDataset(
          source, pairs, labels(json.path("seq_labels")), words(json.path("word_idxs")));
    }

    private PromptPair pair(JsonNode json, String where) {
      Wording clean = prompt(field(json, "clean", where), where + ".clean");
      Wording corrupt = prompt(field(json, "corrupt", where), where + ".corrupt");
      List<List<Wording>> answers = answers(field(json, "answers", where), where + ".answers");
      List<List<Wording>> wrong =
          answers(field(json, "wrong_answers", where), where + ".wrong_answers");
      if (answers.isEmpty() || answers.stream().anyMatch(List::isEmpty)) {
        throw new DataException(
            String.format(
                "file=%s: %s.answers holds no answers; give at least one for every position",
                source, where));
      }
      if (wrong.isEmpty()) {
        wrong = Collections.nCopies(answers.size(), List.of());
      }
      if (wrong.size() != answers.size()) {
        throw new DataException(
            String.format(
                "file=%s: %s.answers has positions=%d, but wrong_answers has positions=%d;"
                    + " give both for the same positions",
                source, where, answers.size(), wrong.size()));
      }
      return new PromptPair(clean, corrupt, answers, wrong);
    }

    private JsonNode field(JsonNode json, String name, String where) {
      if (!json.isObject()) {
        throw wrong(where, json, "an object");
      }
      JsonNode value = json.get(name);
      if (value == null) {
        List<String> names = new ArrayList<>();
        json.fieldNames().forEachRemaining(names::add);
        throw new DataException(
            String.format(
                "file=%s: %s has no field %s (%s); add it",
                source, where, name, Suggestions.among(name, names)));
      }
      return value;
    }

    private Wording prompt(JsonNode json, String where) {
      if (json.isTextual()) {
        return new Wording.Text(json.textValue());
      }
      if (!json.isArray()) {
        throw wrong(where, json, "a string or a list of token ids");
      }
      int[] ids = new int[json.size()];
      for (int i = 0; i < ids.length; i++) {
        ids[i] = id(json.get(i), where + "[" + i + "]");
      }
      return new Wording.Ids(ids);
    }

    private List<List<Wording>> answers(JsonNode json, String where) {
      if (!json.isArray()) {
        throw wrong(where, json, "a list of answers");
      }
      if (json.isEmpty()) {
        return List.of();
      }
      boolean byPosition = json.get(0).isArray();
      List<List<Wording>> positions = new ArrayList<>();
      List<Wording> flat = new ArrayList<>();
      for (int i = 0; i < json.size(); i++) {
        String element = where + "[" + i + "]";
        if (json.get(i).isArray() != byPosition) {
          throw wrong(
              element, json.get(i), byPosition ? "a list, like the first" : "an answer, no list");
        }
        if (byPosition) {
          List<Wording> position = new ArrayList<>();
          for (int j = 0; j < json.get(i).size(); j++) {
            position.add(answer(json.get(i).get(j), element + "[" + j + "]"));
          }
          positions.add(position);
        } else {
          flat.add(answer(json.get(i), element));
        }
      }
      return byPosition ? positions : List.of(flat);
    }

    private Wording answer(JsonNode json, String where) {
      return json.isTextual()
          ? new Wording.Text(json.textValue())
          : new Wording.Ids(new int[] {id(json, where)});
    }

    private int id(JsonNode json, String where) {
      if (!json.isIntegralNumber() || !json.canConvertToInt() || json.intValue() < 0) {
        throw wrong(where, json, "a token id, an integer of at least 0");
      }
      return json.intValue();
    }

    private List<String> labels(JsonNode json) {
      List<String> labels = new ArrayList<>();
      if (json.isMissingNode() || json.isNull()) {
        return labels;
      }
      if (!json.isArray()) {
        throw wrong("seq_labels", json, "a list of strings");
      }
      for (JsonNode label : json) {
        if (!label.isTextual()) {
          throw wrong("seq_labels[" + labels.size() + "]", label, "a string");
        }
        labels.add(label.textValue());
      }
      return labels;
    }

    private SortedMap<String, Integer> words(JsonNode json) {
      SortedMap<String, Integer> words = new TreeMap<>();
      if (json.isMissingNode() || json.isNull()) {
        return words;
      }
      if (!json.isObject()) {
        throw wrong("word_idxs", json, "an object of names and positions");
      }
      for (Map.Entry<String, JsonNode> word : json.properties()) {
        JsonNode at = word.getValue();
        if (!at.isIntegralNumber()
            || !at.canConvertToInt()
            || at.intValue() < 0
            || at.intValue() > LARGEST_POSITION) {
          throw wrong(
              "word_idxs entry " + DataException.quote(word.getKey()),
              at,
              "a token position, an integer from 0 to " + LARGEST_POSITION);
        }
        words.put(word.getKey(), at.intValue());
      }
      return words;
    }

    private DataException wrong(String where, JsonNode found, String needed) {
      String shown =
          found.isValueNode()
              ? DataException.quote(found.asText())
              : found.isArray() ? "(a list)" : "(an object)";
      return new DataException(
          String.format("file=%s: %s=%s; give %s", source, where, shown, needed));
    }
  }
}
