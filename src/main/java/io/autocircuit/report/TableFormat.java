package io.autocircuit.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.report.TableLayout.Shown;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** How tables of results are written. */
public enum TableFormat {
  /** For a terminal, the best of each column with a star. */
  TEXT {
    @Override
    public String of(List<ResultTable> tables, int width) {
      return joined(tables, t -> text(TableLayout.of(t), width));
    }
  },
  /** Tables of GitHub's Markdown, aligned; the best of each column in bold. */
  MARKDOWN {
    @Override
    public String of(List<ResultTable> tables, int width) {
      return joined(tables, t -> markdown(TableLayout.of(t)));
    }
  },
  /** For LaTeX with the package booktabs; the best of each column in bold. */
  LATEX {
    @Override
    public String of(List<ResultTable> tables, int width) {
      return "% \\usepackage{booktabs}\n" + joined(tables, t -> latex(TableLayout.of(t)));
    }
  },
  /** Comma-separated, a line for each place of the table, numbers as they are. */
  CSV {
    @Override
    public String of(List<ResultTable> tables, int width) {
      return csv(tables);
    }
  },
  /** JSON, numbers as they are. */
  JSON {
    @Override
    public String of(List<ResultTable> tables, int width) {
      return json(tables);
    }
  };

  private static final String GAP = "  ";
  private static final String NOTHING = "-";

  /**
   * Writes tables, one below the other.
   *
   * @param tables of one value
   * @param width of a terminal, in characters; {@link #TEXT} breaks wider tables into several, the
   *     others do not read it
   * @return lines, each ended
   */
  public abstract String of(List<ResultTable> tables, int width);

  /**
   * Its name on the command line.
   *
   * @return in lower case
   */
  public String key() {
    return name().toLowerCase(Locale.ROOT);
  }

  private static String joined(
      List<ResultTable> tables, java.util.function.Function<ResultTable, String> written) {
    return tables.stream().map(written).collect(Collectors.joining("\n"));
  }

  // ---- text ----

  static String text(TableLayout table, int width) {
    int columns = table.heads().size();
    int rowHeads = table.rowHeads();
    int[] widths = table.widths(0, columns);
    int left = 0;
    for (int c = 0; c < rowHeads; c++) {
      left += widths[c] + GAP.length();
    }
    StringBuilder out = new StringBuilder();
    out.append(wrapped(table.caption(), width));
    boolean marked = false;
    for (int first = rowHeads; first < columns; ) {
      int end = first;
      for (int used = left; end < columns; end++) {
        used += GAP.length() + widths[end] + 1;
        if (end > first && used > width) {
          break;
        }
      }
      if (first > rowHeads) {
        out.append('\n');
      }
      out.append(line(table, -1, first, end, widths));
      for (int r = 0; r < table.rows().size(); r++) {
        out.append(line(table, r, first, end, widths));
        marked |= table.cells().get(r).stream().anyMatch(Shown::best);
      }
      first = end;
    }
    return out + (marked ? "* best of its column\n" : "");
  }

  /** A row from some column on, after the heads of the row; of row −1 the heads. */
  private static String line(TableLayout table, int row, int first, int end, int[] widths) {
    StringBuilder out = new StringBuilder();
    for (int c = 0; c < table.rowHeads(); c++) {
      String text = row < 0 ? table.heads().get(c) : table.text(row, c);
      out.append(text).append(" ".repeat(widths[c] - text.length())).append(GAP);
    }
    for (int c = first; c < end; c++) {
      String text = row < 0 ? table.heads().get(c) : table.text(row, c);
      boolean best = row >= 0 && table.cells().get(row).get(c - table.rowHeads()).best();
      String shown = text.isEmpty() ? NOTHING : text;
      out.append(" ".repeat(Math.max(0, widths[c] - shown.length())))
          .append(shown)
          .append(best ? "*" : " ")
          .append(GAP);
    }
    return out.toString().stripTrailing() + "\n";
  }

  private static String wrapped(String caption, int width) {
    StringBuilder out = new StringBuilder();
    int used = 0;
    for (String word : caption.split(" ", -1)) {
      if (used > 0 && used + 1 + word.length() > width) {
        out.append('\n').append(GAP);
        used = GAP.length();
      } else if (used > 0) {
        out.append(' ');
        used++;
      }
      out.append(word);
      used += word.length();
    }
    return out.append('\n').toString();
  }

  // ---- Markdown ----

  private static String markdown(TableLayout table) {
    int columns = table.heads().size();
    List<List<String>> rows = new ArrayList<>();
    rows.add(table.heads().stream().map(TableFormat::escapedForMarkdown).toList());
    for (int r = 0; r < table.rows().size(); r++) {
      List<String> row = new ArrayList<>();
      table.rows().get(r).forEach(p -> row.add(escapedForMarkdown(TableLayout.place(p))));
      for (Shown s : table.cells().get(r)) {
        String rest = s.text().substring(s.mean().length());
        row.add((s.best() ? "**" + s.mean() + "**" : s.mean()) + rest);
      }
      rows.add(row);
    }
    int[] widths = new int[columns];
    for (List<String> row : rows) {
      for (int c = 0; c < columns; c++) {
        widths[c] = Math.max(Math.max(3, widths[c]), row.get(c).length());
      }
    }
    StringBuilder out = new StringBuilder(escapedForMarkdown(table.caption())).append("\n\n");
    for (int r = 0; r < rows.size(); r++) {
      for (int c = 0; c < columns; c++) {
        String text = rows.get(r).get(c);
        String space = " ".repeat(widths[c] - text.length());
        out.append(c < table.rowHeads() ? "| " + text + space : "| " + space + text).append(' ');
      }
      out.append("|\n");
      for (int c = 0; c < columns && r == 0; c++) {
        String dashes = "-".repeat(widths[c] + 1);
        out.append(c < table.rowHeads() ? "|" + dashes + "-" : "|" + dashes + ":");
      }
      out.append(r == 0 ? "|\n" : "");
    }
    return out.toString();
  }

  private static String escapedForMarkdown(String text) {
    return text.replaceAll("([\\\\|*`<])", "\\\\$1");
  }

  // ---- LaTeX ----

  private static String latex(TableLayout table) {
    StringBuilder out = new StringBuilder("\\begin{table}\n  \\centering\n");
    out.append("  \\caption{").append(escapedForLatex(table.caption())).append("}\n");
    out.append("  \\begin{tabular}{")
        .append("l".repeat(table.rowHeads()))
        .append("r".repeat(table.heads().size() - table.rowHeads()))
        .append("}\n    \\toprule\n    ");
    out.append(
        table.heads().stream()
            .map(TableFormat::escapedForLatex)
            .collect(Collectors.joining(" & ")));
    out.append(" \\\\\n    \\midrule\n");
    for (int r = 0; r < table.rows().size(); r++) {
      List<String> row = new ArrayList<>();
      table.rows().get(r).forEach(p -> row.add(escapedForLatex(TableLayout.place(p))));
      table.cells().get(r).forEach(s -> row.add(latex(s)));
      out.append("    ").append(String.join(" & ", row)).append(" \\\\\n");
    }
    return out.append("    \\bottomrule\n  \\end{tabular}\n\\end{table}\n").toString();
  }

  private static String latex(Shown s) {
    if (s.mean().isEmpty()) {
      return "--";
    }
    String mean = latexNumber(s.mean());
    return (s.best() ? "\\textbf{" + mean + "}" : mean)
        + (s.deviation().isEmpty() ? "" : " $\\pm$ " + s.deviation())
        + (s.interval().isEmpty()
            ? ""
            : " " + s.interval().replaceAll("-(?=[0-9])", "\\$-\\$").replace("∞", "$\\infty$"))
        + (s.count().isEmpty() ? "" : " (" + s.count() + ")");
  }

  private static String latexNumber(String number) {
    int power = number.indexOf('e');
    String text =
        power < 0
            ? number
            : number.substring(0, power)
                + "$\\times10^{"
                + Integer.parseInt(number.substring(power + 1))
                + "}$";
    return text.replace("∞", "$\\infty$").replaceFirst("^-", "\\$-\\$");
  }

  private static String escapedForLatex(String text) {
    StringBuilder out = new StringBuilder();
    text.codePoints()
        .forEach(
            c ->
                out.append(
                    switch (c) {
                      case '\\' -> "\\textbackslash{}";
                      case '~' -> "\\textasciitilde{}";
                      case '^' -> "\\textasciicircum{}";
                      case '<' -> "$<$";
                      case '>' -> "$>$";
                      case '&', '%', '$', '#', '_', '{', '}' -> "\\" + (char) c;
                      case '±' -> "$\\pm$";
                      case 'λ' -> "$\\lambda$";
                      case 'τ' -> "$\\tau$";
                      case '∞' -> "$\\infty$";
                      case '‖' -> "$\\|$";
                      case '–' -> "--";
                      default -> Character.toString(c);
                    }));
    return out.toString();
  }

  // ---- for programs ----

  private static String csv(List<ResultTable> tables) {
    StringBuilder out = new StringBuilder();
    for (ResultTable t : tables) {
      if (out.isEmpty()) {
        List<String> heads = new ArrayList<>(t.where().keySet());
        heads.addAll(t.rowAxes());
        if (!t.columnAxis().isEmpty()) {
          heads.add(t.columnAxis());
        }
        heads.addAll(
            List.of("value", "mean", "standard_deviation", "low", "high", "seeds", "best"));
        out.append(ResultExport.csvLine(heads));
      }
      for (int r = 0; r < t.rows().size(); r++) {
        for (int c = 0; c < t.columns().size(); c++) {
          ResultTable.Cell cell = t.cells().get(r).get(c);
          if (cell.count() == 0) {
            continue;
          }
          List<String> line = new ArrayList<>(t.where().values());
          line.addAll(t.rows().get(r));
          if (!t.columnAxis().isEmpty()) {
            line.add(t.columns().get(c));
          }
          line.add(t.value().name());
          line.add(String.valueOf(cell.mean()));
          line.add(cell.count() < 2 ? "" : String.valueOf(cell.deviation()));
          line.add(cell.interval().map(i -> String.valueOf(i.low())).orElse(""));
          line.add(cell.interval().map(i -> String.valueOf(i.high())).orElse(""));
          line.add(String.valueOf(cell.count()));
          line.add(String.valueOf(t.best(r, c)));
          out.append(ResultExport.csvLine(line));
        }
      }
    }
    return out.toString();
  }

  private static String json(List<ResultTable> tables) {
    ArrayNode all = JsonNodeFactory.instance.arrayNode();
    for (ResultTable t : tables) {
      ObjectNode table = all.addObject();
      table.put("value", t.value().name());
      table.put("title", t.value().title());
      table.put("lower_is_better", t.value().lowerIsBetter());
      ObjectNode where = table.putObject("where");
      t.where().forEach(where::put);
      table.put("without", t.without());
      ArrayNode cells = table.putArray("cells");
      for (int r = 0; r < t.rows().size(); r++) {
        for (int c = 0; c < t.columns().size(); c++) {
          ResultTable.Cell from = t.cells().get(r).get(c);
          if (from.count() == 0) {
            continue;
          }
          ObjectNode cell = cells.addObject();
          for (int a = 0; a < t.rowAxes().size(); a++) {
            cell.put(t.rowAxes().get(a), t.rows().get(r).get(a));
          }
          if (!t.columnAxis().isEmpty()) {
            cell.put(t.columnAxis(), t.columns().get(c));
          }
          cell.put("mean", from.mean());
          if (from.count() > 1) {
            cell.put("standard_deviation", from.deviation());
          }
          from.interval().ifPresent(i -> cell.put("low", i.low()).put("high", i.high()));
          cell.put("seeds", from.count());
          cell.put("best", t.best(r, c));
          ArrayNode values = cell.putArray("values");
          from.values().forEach(values::add);
        }
      }
    }
    return pretty(all);
  }

  static String pretty(com.fasterxml.jackson.databind.JsonNode tree) {
    try {
      return new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(tree) + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }
}
