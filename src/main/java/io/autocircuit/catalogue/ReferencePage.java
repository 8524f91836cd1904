package io.autocircuit.catalogue;

import java.util.List;
import java.util.stream.Collectors;

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
      if (!e.settings().isEmpty() || !e.presets().isEmpty()) {
        page.append("\n## ").append(code(e.key())).append('\n');
      }
      if (!e.settings().isEmpty()) {
        page.append("\n| setting | option | values | default | meaning |\n|---|---|---|---|---|\n");
        e.settings().forEach(s -> setting(page, s));
      }
      if (!e.presets().isEmpty()) {
        page.append(
            "\n| preset | also called | | what it is | its settings | source |\n|---|---|---|---|---|---|\n");
        e.presets().forEach(p -> preset(page, e, p));
      }
    }
    return page.toString();
  }

  /**
   * A table of fields of a file, which are settings.
   *
   * @param fields the settings
   * @return Markdown: name, values, default and meaning of each
   */
  public static String fields(List<Setting> fields) {
    StringBuilder page =
        new StringBuilder("| field | values | default | meaning |\n|---|---|---|---|\n");
    for (Setting s : fields) {
      row(
          page,
          code(s.name()),
          values(s.type()) + s.unit().map(u -> " (" + u + ")").orElse(""),
          s.defaultValue().map(v -> code(Setting.text(v))).orElse(""),
          s.meaning());
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

  private static void preset(StringBuilder page, Entry e, Preset p) {
    String values =
        p.valuesOf(e).entrySet().stream()
            .map(v -> code(v.getKey() + "=" + Setting.text(v.getValue())))
            .collect(Collectors.joining(", "));
    String names = String.join(", ", p.names().stream().map(ReferencePage::code).toList());
    row(page, code(p.key()), names, p.title(), p.description(), values, source(p.source()));
  }

  private static String values(SettingType type) {
    if (type instanceof SettingType.Choice choice) {
      List<String> words =
          choice.options().stream()
              .map(o -> code(o.key()) + (o.meaning().isEmpty() ? "" : " (" + o.meaning() + ")"))
              .toList();
      return Texts.alternatives(words);
    }
    if (type instanceof SettingType.Several several
        && !(several.element() instanceof SettingType.Whole)
        && !(several.element() instanceof SettingType.Real)) {
      return "one or more: " + values(several.element());
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
