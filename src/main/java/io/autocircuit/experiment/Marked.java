package io.autocircuit.experiment;

import io.autocircuit.files.DataException;
import java.util.Comparator;
import java.util.List;

/** A value of a YAML or JSON file, and where it stands there. */
sealed interface Marked {
  /** Where it begins. */
  Place place();

  /** As it may appear in a message. */
  String shown();

  /**
   * A place in a file.
   *
   * @param line counted from 1
   * @param column counted from 1, in characters
   */
  record Place(int line, int column) implements Comparable<Place> {
    /** The beginning of a file. */
    static final Place START = new Place(1, 1);

    @Override
    public int compareTo(Place other) {
      return Comparator.comparingInt(Place::line)
          .thenComparingInt(Place::column)
          .compare(this, other);
    }
  }

  /**
   * A number, a truth value, text, or nothing.
   *
   * @param place where it begins
   * @param value a {@link Long}, {@link Double}, {@link Boolean} or {@link String}; null for
   *     nothing
   * @param text as it is written, without quotes
   */
  record Scalar(Place place, Object value, String text) implements Marked {
    @Override
    public String shown() {
      return value instanceof String ? DataException.quote(text) : value == null ? "null" : text;
    }
  }

  /**
   * A list.
   *
   * @param place where it begins
   * @param items in order
   */
  record Items(Place place, List<Marked> items) implements Marked {
    @Override
    public String shown() {
      return "a list";
    }
  }

  /**
   * Names with values.
   *
   * @param place where they begin
   * @param fields in the order of the file; a name that is written twice is there twice
   */
  record Fields(Place place, List<Field> fields) implements Marked {
    @Override
    public String shown() {
      return "names with values";
    }
  }

  /**
   * A name with its value.
   *
   * @param place where the name begins
   * @param name the name
   * @param value its value
   */
  record Field(Place place, String name, Marked value) {}
}
