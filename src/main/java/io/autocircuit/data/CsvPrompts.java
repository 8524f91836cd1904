package io.autocircuit.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvParser;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import io.autocircuit.data.Faults.Fault;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.graph.Suggestions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Reads prompt pairs from tables: EAP-IG's data files, and others with the same columns. */
final class CsvPrompts {
  private static final CsvMapper MAPPER =
      CsvMapper.builder()
          .enable(CsvParser.Feature.WRAP_AS_ARRAY)
          .enable(CsvParser.Feature.SKIP_EMPTY_LINES)
          .build();

  /** Columns of token ids: answers, and wrong answers. */
  private static final List<List<String>> IDS =
      List.of(
          List.of("correct_idx", "incorrect_idx"),
          List.of("answers_idx", "corrupted_answers_idx"),
          List.of("clean_answer_idx", "corrupted_answer_idx"),
          List.of("country_idx", "corrupted_country_idx"),
          List.of("capital_idx", "corrupted_capital_idx"),
          List.of("clean_idx", "corrupted_idx"));

  /** Columns of text. */
  private static final List<List<String>> TEXT =
      List.of(List.of("answers", "wrong_answers"), List.of("answer", "wrong_answer"));

  private static final Set<String> USUAL =
      Set.of("", "clean", "corrupt", "corrupted", "corrupted_hard", "label", "plural");

  private final String source;
  private final List<String> columns;
  private final List<String[]> rows;

  private CsvPrompts(String source, List<String> columns, List<String[]> rows) {
    this.source = source;
    this.columns = columns;
    this.rows = rows;
  }

  /** Whether a text that is not JSON is a table: its name or its first line says so. */
  static boolean looksLikeTable(String text, String source) {
    String name = source.toLowerCase(Locale.ROOT);
    String first = firstLine(text);
    return name.endsWith(".csv")
        || name.endsWith(".tsv")
        || (first.matches("(?s).*[,;\t].*") && first.matches("(?si).*\\b(clean|corrupt\\w*)\\b.*"));
  }

  private static String firstLine(String text) {
    String begin = text.stripLeading();
    int end = begin.indexOf('\n');
    return end < 0 ? begin : begin.substring(0, end);
  }

  static PromptDraft parse(String text, String source) {
    List<String[]> rows = rows(text, source);
    List<String> columns =
        Arrays.stream(rows.get(0)).map(name -> name.strip().toLowerCase(Locale.ROOT)).toList();
    CsvPrompts table = new CsvPrompts(source, columns, rows.subList(1, rows.size()));
    try {
      return table.dataset();
    } catch (Fault e) {
      throw e.in(source);
    }
  }

  /**
   * The rows as objects: cells are texts; one that is a list in brackets is a list, and whole
   * numbers in columns that end in {@code idx} are token ids.
   */
  static List<JsonNode> objects(String text, String source) {
    List<String[]> rows = rows(text, source);
    String[] columns = rows.get(0);
    List<JsonNode> objects = new ArrayList<>();
    for (String[] row : rows.subList(1, rows.size())) {
      ObjectNode object = JsonNodeFactory.instance.objectNode();
      for (int c = 0; c < Math.min(columns.length, row.length); c++) {
        object.set(columns[c].strip(), cell(columns[c].strip(), row[c], source));
      }
      objects.add(object);
    }
    return objects;
  }

  private static JsonNode cell(String column, String text, String source) {
    if (column.toLowerCase(Locale.ROOT).endsWith("idx") && text.strip().matches("\\d{1,9}")) {
      return JsonNodeFactory.instance.numberNode(Integer.parseInt(text.strip()));
    }
    if (text.strip().startsWith("[")) {
      try {
        return JsonFiles.parse(text, source);
      } catch (DataException e) {
        // a text that begins with a bracket
      }
    }
    return JsonNodeFactory.instance.textNode(text);
  }

  private static List<String[]> rows(String text, String source) {
    String first = firstLine(text);
    char separator = first.contains("\t") ? '\t' : first.contains(",") ? ',' : ';';
    CsvSchema schema = CsvSchema.emptySchema().withColumnSeparator(separator);
    List<String[]> rows = new ArrayList<>();
    try (MappingIterator<String[]> lines =
        MAPPER.readerFor(String[].class).with(schema).readValues(text)) {
      while (lines.hasNextValue()) {
        rows.add(lines.nextValue());
      }
    } catch (JsonProcessingException e) {
      throw new DataException(damage(text, separator, source), e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return rows;
  }

  /** Where quotes go wrong in a table that cannot be read. */
  private static String damage(String text, char separator, String source) {
    int line = 1;
    int opened = 0;
    boolean fieldBegins = true;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (opened == 0 && c == '"' && fieldBegins) {
        opened = line;
      } else if (opened > 0 && c == '"') {
        if (i + 1 < text.length() && text.charAt(i + 1) == '"') {
          i++;
        } else if (i + 1 < text.length()
            && text.charAt(i + 1) != separator
            && !Character.isWhitespace(text.charAt(i + 1))) {
          return String.format(
              "file=%s line=%d: text follows the quote that closes a field (opened in line %d);"
                  + " write quotes within a quoted field twice: \"\"",
              source, line, opened);
        } else {
          opened = 0;
        }
      }
      fieldBegins = c == separator || c == '\n' || (fieldBegins && Character.isWhitespace(c));
      line += c == '\n' ? 1 : 0;
    }
    return opened > 0
        ? String.format(
            "file=%s: a quote opened in line %d is never closed; close it, and write quotes within"
                + " a quoted field twice: \"\"",
            source, opened)
        : String.format(
            "file=%s: the table cannot be read; close every quote that is opened, and write quotes"
                + " within a quoted field twice: \"\"",
            source);
  }

  private PromptDraft dataset() {
    int clean = required("clean");
    int corrupt = columns.contains("corrupt") ? columns.indexOf("corrupt") : required("corrupted");
    List<String> ids = present(IDS);
    List<String> texts = present(TEXT);
    if (ids == null && texts == null) {
      YearAnswers years = YearAnswers.of(columns, rows, clean);
      if (years == null) {
        throw noAnswers();
      }
      Faults faults = new Faults(source, rows.size());
      List<PromptPair> pairs =
          PromptFiles.each(rows.size(), i -> years.pair(rows.get(i), clean, corrupt), faults);
      return new PromptDraft(
          source, pairs, List.of(), new TreeMap<>(), List.of(years.remark()), faults);
    }
    List<String> answers = texts != null ? texts : ids;
    int right = columns.indexOf(answers.get(0));
    int wrong = columns.indexOf(answers.get(1));
    int template = columns.indexOf("template");
    Faults faults = new Faults(source, rows.size());
    List<PromptPair> pairs =
        PromptFiles.each(
            rows.size(),
            i -> {
              String where = "prompts[" + i + "]";
              String[] row = rows.get(i);
              if (row.length != columns.size()) {
                throw new Fault(
                    String.format(
                        "%s has fields=%d where the first line has columns=%d",
                        where, row.length, columns.size()),
                    "quote fields that hold separators");
              }
              List<Wording> good = answers(row[right], where + "." + answers.get(0), texts == null);
              if (good.isEmpty()) {
                throw new Fault(
                    where + "." + answers.get(0) + " holds no answers", "give at least one");
              }
              return new PromptPair(
                      new Wording.Text(row[clean]),
                      new Wording.Text(row[corrupt]),
                      List.of(good),
                      List.of(answers(row[wrong], where + "." + answers.get(1), texts == null)))
                  .withTemplate(template < 0 ? "" : row[template].strip());
            },
            faults);
    return new PromptDraft(source, pairs, List.of(), new TreeMap<>(), List.of(), faults);
  }

  private int required(String column) {
    int at = columns.indexOf(column);
    if (at < 0) {
      throw new Fault(
          "columns=" + shown() + " has none named " + column + near(column),
          "give a first line with clean, corrupted, and columns of answers");
    }
    return at;
  }

  private String near(String column) {
    List<String> near = Suggestions.nearest(column, columns, 1);
    return near.isEmpty() ? "" : " (did you mean " + Faults.quote(near.get(0)) + "?)";
  }

  private List<String> present(List<List<String>> names) {
    return names.stream().filter(columns::containsAll).findFirst().orElse(null);
  }

  private String shown() {
    return columns.stream().limit(12).map(Faults::quote).toList().toString();
  }

  /** EAP-IG's greater-than, agreement and other forms, whose answers its program works out. */
  private Fault noAnswers() {
    String example = "";
    for (String column : List.of("label", "correct_idx", "plural")) {
      int at = columns.indexOf(column);
      if (at >= 0 && !rows.isEmpty() && at < rows.get(0).length) {
        example =
            String.format(
                " (%s=%s names no tokens: a set of answers follows from it only by the task's own"
                    + " rule)",
                column, Faults.quote(rows.get(0)[at]));
        break;
      }
    }
    return new Fault(
        "columns=" + shown() + " do not say answers and wrong answers" + example + misspelt(),
        "add columns correct_idx and incorrect_idx (token ids), or answers and wrong_answers (text,"
            + " or JSON lists such as [\"43\", \"44\"])");
  }

  /** Columns of answers that some of the columns may mean. */
  private String misspelt() {
    List<String> pairs = new ArrayList<>();
    for (List<String> names : Stream.concat(TEXT.stream(), IDS.stream()).toList()) {
      List<String> lacking = names.stream().filter(n -> !columns.contains(n)).toList();
      List<String> others =
          columns.stream().filter(c -> !USUAL.contains(c) && !names.contains(c)).toList();
      List<String> meant = new ArrayList<>();
      for (String name : lacking) {
        Suggestions.nearest(name, others, 1).stream()
            .filter(other -> Math.abs(other.length() - name.length()) <= 3)
            .forEach(other -> meant.add(Faults.quote(other) + " as " + name));
      }
      if (meant.size() == lacking.size()) {
        pairs.addAll(meant);
        break;
      }
    }
    return pairs.isEmpty() ? "" : " (did you mean " + String.join(" and ", pairs) + "?)";
  }

  private List<Wording> answers(String cell, String where, boolean ids) {
    String text = cell.strip();
    if (!text.startsWith("[")) {
      return List.of(ids ? id(text, where) : new Wording.Text(cell));
    }
    JsonNode list;
    try {
      list = JsonFiles.parse(text, source);
    } catch (DataException e) {
      throw new Fault(where + "=" + Faults.quote(cell), "give a JSON list");
    }
    List<Wording> answers = new ArrayList<>();
    for (JsonNode entry : list) {
      if (ids || entry.isNumber()) {
        answers.add(id(entry.asText(), where));
      } else if (entry.isTextual()) {
        answers.add(new Wording.Text(entry.textValue()));
      } else {
        throw PromptReader.wrong(where, entry, "a list of strings or token ids");
      }
    }
    return answers;
  }

  private static Wording id(String text, String where) {
    if (!text.matches("\\d{1,9}")) {
      throw new Fault(where + "=" + Faults.quote(text), "give a token id, an integer from 0");
    }
    return new Wording.Ids(new int[] {Integer.parseInt(text)});
  }
}
