package io.autocircuit.catalogue;

import java.util.List;

/** A page of documentation, in Markdown, of all that a catalogue says of its entries. */
public final class ReferencePage {
  private ReferencePage() {}

  /**
   * Writes a page: a table of the entries, and for those that have settings a table of these.
   *
   * @param title heading
   * @param use how an entry is chosen, in one sentence
   * @param catalogue the entries
   * @return Markdown, the same for the same catalogue
   */
  public static String of(String title, String use, Catalogue<?> catalogue) {
    StringBuilder page = new StringBuilder();
    page.append("# ").append(title).append("\n\n");
    page.append("<!-- Written by `autocircuit reference`; a test compares. -->\n\n");
    page.append(use).append("\n\n");
    page.append("| key | | what it is | source |\n|---|---|---|---|\n");
    for (Entry e : catalogue) {
      row(page, code(e.key()), e.title(), e.description(), source(e.source()));
    }
    for (Entry e : catalogue) {
      if (!e.settings().isEmpty()) {
        page.append("\n## ").append(code(e.key())).append("\n\n");
        page.append("| setting | option | values | default | meaning |\n|---|---|---|---|---|\n");
        e.settings().forEach(s -> setting(page, s));
      }
    }
    return page.toString();
  }

  private static void setting(StringBuilder page, Setting s) {
    row(
        page,
        code(s.name()),
        code(s.option()),
        values(s.type()) + s.unit().map(u -> " (" + u + ")").orElse(""),
        s.defaultValue().map(v -> code(Setting.text(v))).orElse("none"),
        s.meaning());
  }

  private static String values(SettingType type) {
    if (type instanceof SettingType.Choice choice) {
      List<String> words =
          choice.options().stream()
              .map(o -> code(o.key()) + (o.meaning().isEmpty() ? "" : " (" + o.meaning() + ")"))
              .toList();
      return Texts.alternatives(words);
    }
    return type instanceof SettingType.Key key
        ? "[" + key.wanted() + "](" + key.catalogue() + ".md)"
        : type.wanted();
  }

  private static String source(Source source) {
    return source
        .address()
        .map(a -> "[" + source.citation() + "](" + a + ")")
        .orElse(source.citation());
  }

  private static String code(String text) {
    return "`" + text + "`";
  }

  private static void row(StringBuilder page, String... cells) {
    page.append('|');
    for (String cell : cells) {
      page.append(' ').append(cell.replace("|", "\\|")).append(" |");
    }
    page.append('\n');
  }
}
