package io.autocircuit.cli;

import io.autocircuit.patch.AttentionScore;
import io.autocircuit.patch.AttentionScore.Contribution;
import io.autocircuit.patch.AttentionScore.Pair;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A score taken apart, in 80 columns.
 *
 * @param out where to
 * @param best rows of each table
 */
record AttendsPrintout(PrintWriter out, int best) {
  private static final int WIDTH = 80;
  private static final int NAME = 27;

  /** Longer prompts are not shown. */
  private static final int LONGEST = 64;

  void print(AttentionScore score, String model, String prompt, List<String> tokens) {
    AttentionScore.Place place = score.place();
    AttentionScore.Value value = score.value();
    out.println(place.name() + " of " + model + ", " + prompt);
    if (tokens.size() <= LONGEST) {
      tokens(tokens);
    }
    say(
        "query %s looks at key %s with %.4f of its attention",
        token(place.query(), tokens), token(place.key(), tokens), value.attention());
    String of = "";
    String product = number(value.product()).strip();
    if (value.cap() > 0) {
      String cap = number(value.cap()).strip();
      of = ": " + cap + " · tanh(" + product + " / " + cap + "); the tables are of " + product;
    } else if (value.distance() != 0) {
      of = ": " + product;
    }
    if (value.distance() != 0) {
      of += ", and " + number(value.distance()).strip() + " for the distance";
    }
    out.println("score before the softmax " + number(value.score()).strip() + of);
    out.println();
    List<String> left = table("query side, with the whole key", score.querySide(), value.product());
    List<String> right = table("key side, with the whole query", score.keySide(), value.product());
    for (int i = 0; i < Math.max(left.size(), right.size()); i++) {
      String l = i < left.size() ? left.get(i) : "";
      String r = i < right.size() ? right.get(i) : "";
      out.println(String.format(Locale.ROOT, "%-40s%s", l, r).stripTrailing());
    }
    out.println();
    pairs(score);
  }

  private void tokens(List<String> tokens) {
    StringBuilder line = new StringBuilder(" ");
    for (int t = 0; t < tokens.size(); t++) {
      String word = " " + token(t, tokens);
      if (line.length() + word.length() > WIDTH && line.length() > 1) {
        out.println(line);
        line = new StringBuilder(" ");
      }
      line.append(word);
    }
    out.println(line);
  }

  private static String token(int position, List<String> tokens) {
    return position + ":" + tokens.get(position);
  }

  private List<String> table(String title, List<Contribution> side, double sum) {
    List<String> lines = new ArrayList<>(List.of(title));
    double rest = sum;
    for (Contribution c : AttentionScore.best(side, best)) {
      lines.add(line(c.name(), c.value()));
      rest -= c.value();
    }
    if (side.size() > best) {
      lines.add(line((side.size() - best) + " more", rest));
    }
    lines.add(line("sum", sum));
    return lines;
  }

  private static String line(String name, double value) {
    String shown = name.length() > NAME ? name.substring(0, NAME - 1) + "…" : name;
    return String.format(Locale.ROOT, "  %-" + NAME + "s%s", shown, number(value));
  }

  private void pairs(AttentionScore score) {
    out.println("query × key");
    double rest = score.value().product();
    for (Pair p : score.pairs(best)) {
      out.println(pair(p.query(), p.key(), p.value()));
      rest -= p.value();
    }
    if (score.pairCount() > best) {
      out.println(pair(count(score.pairCount() - best) + " more", "", rest));
    }
    out.println(pair("sum", "", score.value().product()));
  }

  private static String pair(String query, String key, double value) {
    String names = key.isEmpty() ? query : query + " × " + key;
    return String.format(Locale.ROOT, "  %-" + (2 * NAME + 4) + "s%s", names, number(value));
  }

  private static String count(long n) {
    return String.format(Locale.ROOT, "%,d", n);
  }

  /** In nine columns. */
  private static String number(double value) {
    double size = Math.abs(value);
    String format = size >= 0.001 && size < 100_000 || size == 0 ? "%9.3f" : "%9.2e";
    return String.format(Locale.ROOT, format, value);
  }

  private void say(String format, Object... values) {
    out.println(String.format(Locale.ROOT, format, values));
  }
}
