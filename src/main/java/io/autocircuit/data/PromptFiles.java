package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.ServiceLoader;
import java.util.TreeMap;
import java.util.function.IntFunction;
import java.util.stream.Stream;

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
    return parse(text, source, Columns.NONE);
  }

  /**
   * The prompts of a file, or of a folder of files.
   *
   * @throws DataException if one cannot be read, or has none of the forms
   */
  static PromptDraft read(Path place, Columns columns) {
    List<Path> files = DatasetFolder.files(place, columns);
    if (files.size() == 1 && !isForeign(files.get(0))) {
      Path file = files.get(0);
      return parse(JsonFiles.text(file, JsonFiles.LARGEST), file.toString(), columns);
    }
    List<JsonNode> rows = new ArrayList<>();
    for (Path file : files) {
      rows.addAll(
          isForeign(file)
              ? foreign(file)
              : rows(JsonFiles.text(file, JsonFiles.LARGEST), file.toString()));
    }
    return list(rows, new PromptReader(place.toString()), place.toString(), columns);
  }

  private static boolean isForeign(Path file) {
    String name = file.toString().toLowerCase(Locale.ROOT);
    return name.endsWith(DatasetFolder.PARQUET)
        || readers().anyMatch(r -> name.endsWith(r.extension()));
  }

  private static Stream<RowReader> readers() {
    return ServiceLoader.load(RowReader.class, RowReader.class.getClassLoader()).stream()
        .map(ServiceLoader.Provider::get);
  }

  private static List<JsonNode> foreign(Path file) {
    String name = file.toString().toLowerCase(Locale.ROOT);
    return readers()
        .filter(r -> name.endsWith(r.extension()))
        .findFirst()
        .orElseThrow(
            () ->
                new DataException(
                    "file="
                        + file
                        + ": Parquet is not read without a jar that does; write it as JSON lines"
                        + " (in Python: pandas.read_parquet(file).to_json(\"prompts.jsonl\","
                        + " orient=\"records\", lines=True)), or add a jar with a"
                        + " io.autocircuit.data.RowReader"))
        .rows(file);
  }

  /** The rows of one file of several, as objects. */
  private static List<JsonNode> rows(String text, String source) {
    String begin = text.stripLeading();
    boolean json = begin.startsWith("{") || begin.startsWith("[");
    if (!json && CsvPrompts.looksLikeTable(text, source)) {
      return CsvPrompts.objects(text, source);
    }
    List<JsonNode> rows = new ArrayList<>();
    for (JsonNode value : JsonFiles.values(text, source)) {
      JsonNode inside = value.isObject() && value.has("prompts") ? value.get("prompts") : value;
      if (inside.isArray()) {
        inside.forEach(rows::add);
      } else {
        rows.add(inside);
      }
    }
    return rows;
  }

  /**
   * The prompts in a text.
   *
   * @param source what messages call it
   * @param columns which columns hold what
   * @throws DataException if it has none of the forms that {@link PromptDataset} lists
   */
  static PromptDraft parse(String text, String source, Columns columns) {
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
      return columns.changesRows()
          ? list(CsvPrompts.objects(content, source), new PromptReader(source), source, columns)
          : CsvPrompts.parse(content, source);
    }
    List<JsonNode> values =
        json ? JsonFiles.values(content, source) : List.of(JsonFiles.parse(content, source));
    PromptReader reader = new PromptReader(source);
    if (values.size() > 1) {
      return list(values, reader, source, columns);
    }
    JsonNode value = values.get(0);
    if (value.isArray()) {
      List<JsonNode> pairs = new ArrayList<>();
      value.forEach(pairs::add);
      return list(pairs, reader, source, columns);
    }
    if (!value.isObject()) {
      throw new DataException(
          "file="
              + source
              + ": it holds nothing but the value "
              + Faults.quote(value.asText())
              + "; give an object with the field prompts, a list of pairs, or one pair a line");
    }
    boolean row =
        !value.has("prompts") && (columns.changesRows() || PromptReader.looksLikePair(value));
    return row ? list(values, reader, source, columns) : reader.dataset(value, columns);
  }

  private static PromptDraft list(
      List<JsonNode> pairs, PromptReader reader, String source, Columns columns) {
    List<String> remarks = new ArrayList<>();
    Faults faults = new Faults(source, pairs.size());
    List<PromptPair> read = reader.pairs(pairs, columns, remarks, faults);
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
