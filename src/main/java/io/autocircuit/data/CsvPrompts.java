package io.autocircuit.data;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvParser;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import io.autocircuit.data.Faults.Fault;
import io.autocircuit.tensor.DataException;
import io.autocircuit.tensor.JsonFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;

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
        || (first.matches("(?s).*[,;\t].*") && first.matches("(?s).*\\b(clean|corrupt\\w*)\\b.*"));
  }

  private static String firstLine(String text) {
    String begin = text.stripLeading();
    int end = begin.indexOf('\n');
    return end < 0 ? begin : begin.substring(0, end);
  }

  static PromptDataset parse(String text, String source) {
    List<String[]> rows = rows(text, source);
    List<String> columns = Arrays.stream(rows.get(0)).map(String::strip).toList();
    CsvPrompts table = new CsvPrompts(source, columns, rows.subList(1, rows.size()));
    try {
      return table.dataset();
    } catch (Fault e) {
      throw e.in(source);
    }
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
      JsonLocation at = e.getLocation();
      throw new DataException(
          String.format(
              "file=%s%s: the table cannot be read (%s); close every quote that is opened, and"
                  + " double quotes within quotes",
              source,
              at == null ? "" : " line=" + at.getLineNr(),
              DataException.quote(e.getOriginalMessage().replaceAll("(?s)\\s*\\(.*", ""))),
          e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return rows;
  }

  private PromptDataset dataset() {
    int clean = required("clean");
    int corrupt = columns.contains("corrupt") ? columns.indexOf("corrupt") : required("corrupted");
    List<String> ids = present(IDS);
    List<String> texts = present(TEXT);
    if (ids == null && texts == null) {
      throw noAnswers();
    }
    List<String> answers = texts != null ? texts : ids;
    int right = columns.indexOf(answers.get(0));
    int wrong = columns.indexOf(answers.get(1));
    List<PromptPair> pairs =
        PromptFiles.each(
            source,
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
                  List.of(answers(row[wrong], where + "." + answers.get(1), texts == null)));
            });
    return new PromptDataset(source, pairs, List.of(), new TreeMap<>(), List.of());
  }

  private int required(String column) {
    int at = columns.indexOf(column);
    if (at < 0) {
      throw new Fault(
          "columns=" + shown() + " has none named " + column,
          "give a first line with clean, corrupted, and columns of answers");
    }
    return at;
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
        "columns=" + shown() + " do not say answers and wrong answers" + example,
        "add columns correct_idx and incorrect_idx (token ids), or answers and wrong_answers (text,"
            + " or JSON lists such as [\"43\", \"44\"])");
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
