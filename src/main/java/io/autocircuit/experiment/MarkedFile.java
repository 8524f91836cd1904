package io.autocircuit.experiment;

import io.autocircuit.experiment.Marked.Place;
import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Parse;
import org.snakeyaml.engine.v2.events.AliasEvent;
import org.snakeyaml.engine.v2.events.CollectionStartEvent;
import org.snakeyaml.engine.v2.events.Event;
import org.snakeyaml.engine.v2.events.NodeEvent;
import org.snakeyaml.engine.v2.events.ScalarEvent;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.ReaderException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/**
 * Strict reading of untrusted YAML 1.2, of which JSON is a part: one document of plain values by
 * the core schema, without anchors, aliases and tags; nesting and the number of values limited.
 */
final class MarkedFile {
  private static final int DEEPEST = 32;
  private static final int MOST_VALUES = 100_000;
  private static final Pattern WHOLE = Pattern.compile("[-+]?[0-9]+");
  private static final Pattern REAL =
      Pattern.compile("[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?");

  private final String text;
  private final String source;
  private Iterator<Event> events;
  private Event next;
  private int values;

  private MarkedFile(String text, String source) {
    this.text = text;
    this.source = source;
  }

  /**
   * Reads.
   *
   * @param text YAML or JSON
   * @param source what messages call it
   * @return the one value that it holds
   * @throws DataException if it is neither, or has what is not read; the message has the place
   */
  static Marked parse(String text, String source) {
    MarkedFile file = new MarkedFile(text, source);
    try {
      return file.document();
    } catch (MarkedYamlEngineException e) {
      String said = String.valueOf(e.getProblem()).replaceAll("\\s+", " ");
      String context = e.getContext() == null ? "" : " " + e.getContext();
      throw file.wrong(
          place(e.getProblemMark().or(e::getContextMark)),
          "it is not YAML here" + context + ": " + said + "; correct it",
          e);
    } catch (ReaderException e) {
      throw file.wrong(
          file.place(e.getPosition()),
          String.format(
              Locale.ROOT,
              "character=U+%04X is not allowed in YAML; remove it or write an escape in double"
                  + " quotes",
              e.getCodePoint()),
          e);
    } catch (YamlEngineException e) {
      throw file.wrong(Place.START, "it is not YAML: " + e.getMessage() + "; correct it", e);
    }
  }

  private DataException wrong(Place at, String what, Throwable cause) {
    Mistakes one = new Mistakes(source);
    one.add(at, what);
    return one.exception(cause);
  }

  private static Place place(Optional<Mark> mark) {
    return mark.map(m -> new Place(m.getLine() + 1, m.getColumn() + 1)).orElse(Place.START);
  }

  /** The place of a character, by its index in code points. */
  private Place place(int index) {
    int line = 1;
    int column = 1;
    int[] points = text.codePoints().limit(Math.max(0, index)).toArray();
    for (int c : points) {
      line += c == '\n' ? 1 : 0;
      column = c == '\n' ? 1 : column + 1;
    }
    return new Place(line, column);
  }

  private Marked document() {
    LoadSettings settings = LoadSettings.builder().setCodePointLimit(Integer.MAX_VALUE).build();
    events = new Parse(settings).parseString(text).iterator();
    advance(); // the stream begins
    advance();
    if (next.getEventId() != Event.ID.DocumentStart) {
      throw wrong(Place.START, "it is empty; give at least tasks and algorithms", null);
    }
    advance();
    Marked value = value(0);
    advance(); // the document ends
    if (next.getEventId() == Event.ID.DocumentStart) {
      throw wrong(place(next.getStartMark()), "a second document begins; give one in a file", null);
    }
    return value;
  }

  private void advance() {
    next = events.next();
  }

  private Marked value(int depth) {
    Event event = next;
    Place at = place(event.getStartMark());
    if (event instanceof AliasEvent) {
      throw wrong(at, "an alias (*) is not read; write the value again", null);
    }
    if (((NodeEvent) event).getAnchor().isPresent()) {
      throw wrong(at, "an anchor (&) is not read; leave it away", null);
    }
    if (depth > DEEPEST) {
      throw wrong(at, "depth=" + depth + " of nesting is more than " + DEEPEST, null);
    }
    if (++values > MOST_VALUES) {
      throw wrong(at, "it holds more than values=" + MOST_VALUES + "; give fewer", null);
    }
    advance();
    if (event instanceof ScalarEvent scalar) {
      requirePlain(scalar.getTag(), at);
      return scalar(at, scalar);
    }
    requirePlain(((CollectionStartEvent) event).getTag(), at);
    Marked all =
        event.getEventId() == Event.ID.SequenceStart
            ? new Marked.Items(at, items(depth))
            : new Marked.Fields(at, fields(depth));
    advance();
    return all;
  }

  private void requirePlain(Optional<String> tag, Place at) {
    if (tag.isPresent()) {
      throw wrong(
          at,
          "tag=" + DataException.printable(tag.get(), 60) + " is not read; leave it away",
          null);
    }
  }

  private List<Marked> items(int depth) {
    List<Marked> items = new ArrayList<>();
    while (next.getEventId() != Event.ID.SequenceEnd) {
      items.add(value(depth + 1));
    }
    return items;
  }

  private List<Marked.Field> fields(int depth) {
    List<Marked.Field> fields = new ArrayList<>();
    while (next.getEventId() != Event.ID.MappingEnd) {
      Marked name = value(depth + 1);
      if (!(name instanceof Marked.Scalar s)) {
        throw wrong(name.place(), name.shown() + " is no name; give a word", null);
      }
      fields.add(new Marked.Field(name.place(), s.text(), value(depth + 1)));
    }
    return fields;
  }

  private static Marked.Scalar scalar(Place at, ScalarEvent event) {
    String text = event.getValue();
    return new Marked.Scalar(at, event.isPlain() ? plain(text) : text, text);
  }

  /** What text without quotes stands for. */
  private static Object plain(String text) {
    return switch (text) {
      case "", "~", "null", "Null", "NULL" -> null;
      case "true", "True", "TRUE" -> (Object) true;
      case "false", "False", "FALSE" -> (Object) false;
      default -> number(text);
    };
  }

  /** A number, where the text is one. */
  private static Object number(String text) {
    if (WHOLE.matcher(text).matches()) {
      try {
        return Long.parseLong(text);
      } catch (NumberFormatException e) {
        return Double.parseDouble(text); // too large: no whole number of any setting
      }
    }
    return REAL.matcher(text).matches() ? (Object) Double.parseDouble(text) : text;
  }
}
