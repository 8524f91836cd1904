package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.function.IntFunction;

/** Which form a prompt file has: an object, a list, JSON lines, or a table; and its reading. */
final class PromptFiles {
  private static final char BYTE_ORDER_MARK = '\uFEFF';

  private PromptFiles() {}

  /**
   * The prompts in a text.
   *
   * @param source what messages call it
   * @throws DataException if it has none of the forms that {@link PromptDataset} lists
   */
  static PromptDraft parse(String text, String source) {
    boolean mark = !text.isEmpty() && text.charAt(0) == BYTE_ORDER_MARK;
    String content = mark ? text.substring(1) : text;
    String begin = content.stripLeading();
    if (begin.isEmpty()) {
      throw new DataException("file=" + source + ": it is empty; write it again");
    }
    if (begin.startsWith("version https://git-lfs")) {
      throw new DataException(
          "file="
              + source
              + ": this is a Git LFS pointer, not the file itself; fetch it with git lfs pull");
    }
    boolean json = begin.charAt(0) == '{' || begin.charAt(0) == '[';
    if (!json && CsvPrompts.looksLikeTable(content, source)) {
      return CsvPrompts.parse(content, source);
    }
    List<JsonNode> values =
        json ? JsonFiles.values(content, source) : List.of(JsonFiles.parse(content, source));
    PromptReader reader = new PromptReader(source);
    if (values.size() > 1) {
      return list(values, reader, source);
    }
    JsonNode value = values.get(0);
    if (value.isArray()) {
      List<JsonNode> pairs = new ArrayList<>();
      value.forEach(pairs::add);
      return list(pairs, reader, source);
    }
    if (!value.isObject()) {
      throw new DataException(
          "file="
              + source
              + ": it holds nothing but the value "
              + Faults.quote(value.asText())
              + "; give an object with the field prompts, a list of pairs, or one pair a line");
    }
    return !value.has("prompts") && PromptReader.looksLikePair(value)
        ? list(values, reader, source)
        : reader.dataset(value);
  }

  private static PromptDraft list(List<JsonNode> pairs, PromptReader reader, String source) {
    List<String> remarks = new ArrayList<>();
    Faults faults = new Faults(source, pairs.size());
    List<PromptPair> read = reader.pairs(pairs, remarks, faults);
    return new PromptDraft(source, read, List.of(), new TreeMap<>(), remarks, faults);
  }

  /**
   * Reads every pair, so that what is wrong with several is said at once.
   *
   * @param count how many there are
   * @param read reads one; throws {@link Faults.Fault}
   * @param faults gets what it throws
   * @return one for each, null where there was a fault
   */
  static List<PromptPair> each(int count, IntFunction<PromptPair> read, Faults faults) {
    List<PromptPair> pairs = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      int prompt = i;
      pairs.add(null);
      faults.during(i, () -> pairs.set(prompt, read.apply(prompt)));
    }
    return pairs;
  }
}
