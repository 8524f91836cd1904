package io.autocircuit.experiment;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.files.DataException;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.graph.Suggestions;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** An object of a JSON file that has exactly the fields that it should have. */
final class JsonFields {
  private static final int LONGEST_SHOWN = 120;

  private final String source;
  private final String place;
  private final JsonNode object;

  /**
   * @param source what messages call the file
   * @param place where in it the object is: empty for the whole file, else with a point at its end
   * @param object what is there
   */
  private JsonFields(String source, String place, JsonNode object) {
    this.source = source;
    this.place = place;
    this.object = object;
  }

  /**
   * The object that is the whole file.
   *
   * @param source what messages call the file
   * @param value what the file holds
   * @param names of its fields
   * @return the object
   * @throws DataException if it is none, has another field, or lacks one
   */
  static JsonFields of(String source, JsonNode value, String... names) {
    return new JsonFields(source, "", value).require(List.of(names), List.of());
  }

  private JsonFields require(List<String> names, List<String> optional) {
    List<String> known = new ArrayList<>(names);
    known.addAll(optional);
    if (!object.isObject()) {
      throw new DataException(
          "file="
              + source
              + ": "
              + (place.isEmpty() ? "it" : place.substring(0, place.length() - 1))
              + " is "
              + shown(object)
              + ", which is no object; give fields in braces");
    }
    object
        .fieldNames()
        .forEachRemaining(
            name -> {
              if (!known.contains(name)) {
                throw new DataException(
                    "file="
                        + source
                        + ": unknown field "
                        + DataException.quote(place + name)
                        + "; "
                        + Suggestions.among(name, known));
              }
            });
    for (String name : names) {
      if (!object.has(name)) {
        throw new DataException(
            "file=" + source + ": missing field \"" + place + name + "\"; add it");
      }
    }
    return this;
  }

  private static String shown(JsonNode value) {
    return value.isTextual()
        ? DataException.quote(value.textValue())
        : DataException.printable(value.toString(), LONGEST_SHOWN);
  }

  /**
   * What is wrong with a field.
   *
   * @param name of the field
   * @param what it is, or should be, as the end of a sentence
   * @return the exception
   */
  DataException error(String name, String what) {
    return new DataException(
        "file=" + source + ": " + place + name + "=" + shown(object.get(name)) + " " + what);
  }

  /** What the field's text stands for; what a conversion refuses becomes an error of the field. */
  <T> T as(String name, Function<String, T> conversion) {
    String text = text(name);
    try {
      return conversion.apply(text);
    } catch (DataException e) {
      throw e;
    } catch (IllegalArgumentException e) {
      throw error(name, "cannot be used: " + e.getMessage());
    }
  }

  /** A constant of an enum, by its name in lower case. */
  <E extends Enum<E>> E constant(String name, E[] values) {
    return constant(name, values, e -> e.name().toLowerCase(java.util.Locale.ROOT));
  }

  /**
   * One of some constants, by its key.
   *
   * @throws DataException as {@link #constant(String, Enum[])}
   */
  <E extends Enum<E>> E constant(String name, E[] values, Function<? super E, String> keyOf) {
    String text = text(name);
    List<String> keys = new ArrayList<>();
    for (E e : values) {
      String key = keyOf.apply(e);
      if (key.equals(text)) {
        return e;
      }
      keys.add(key);
    }
    throw error(name, "is unknown; " + Suggestions.among(text, keys));
  }

  /** Settings of an entry: all of them but those that were added later, which have defaults. */
  Settings settings(List<Setting> declared) {
    object(
        "settings",
        declared.stream().filter(s -> !s.later()).map(Setting::name).toList(),
        declared.stream().filter(Setting::later).map(Setting::name).toList());
    try {
      return Settings.read(declared, node("settings"));
    } catch (IllegalArgumentException e) {
      throw error("settings", "cannot be used: " + e.getMessage());
    }
  }

  /** Whether a field that need not be there is. */
  boolean has(String name) {
    return object.has(name);
  }

  boolean isNull(String name) {
    return object.get(name).isNull();
  }

  JsonNode node(String name) {
    return object.get(name);
  }

  String text(String name) {
    if (!object.get(name).isTextual()) {
      throw error(name, "is no text; give text in double quotes");
    }
    return object.get(name).textValue();
  }

  boolean flag(String name) {
    if (!object.get(name).isBoolean()) {
      throw error(name, "is neither true nor false; give one of them");
    }
    return object.get(name).booleanValue();
  }

  /** A whole number of at least {@code least}. */
  long integer(String name, long least) {
    JsonNode n = object.get(name);
    if (!n.isIntegralNumber() || !n.canConvertToLong() || n.longValue() < least) {
      throw error(
          name,
          "is no whole number" + (least == Long.MIN_VALUE ? "" : " from " + least) + "; give one");
    }
    return n.longValue();
  }

  int whole(String name, int least) {
    long n = integer(name, least);
    if (n > Integer.MAX_VALUE) {
      throw error(name, "is too large; give at most " + Integer.MAX_VALUE);
    }
    return (int) n;
  }

  List<String> texts(String name) {
    JsonNode list = object.get(name);
    List<String> texts = new ArrayList<>();
    if (list.isArray()) {
      for (JsonNode item : list) {
        if (item.isTextual()) {
          texts.add(item.textValue());
        }
      }
    }
    if (!list.isArray() || texts.size() < list.size()) {
      throw error(name, "is no list of texts; give texts in double quotes, in brackets");
    }
    return texts;
  }

  /** A SHA-256; empty where it is null. */
  Optional<String> sha256(String name) {
    if (isNull(name)) {
      return Optional.empty();
    }
    String text = text(name);
    if (!Fingerprint.isOne(text)) {
      throw error(name, "is no SHA-256; give 64 hexadecimal digits, or null where it is not known");
    }
    return Optional.of(text);
  }

  /** A path; a relative one is one from {@code folder}. */
  Path path(String name, Path folder) {
    String text = text(name);
    try {
      if (!text.isEmpty()) {
        return folder.resolve(text);
      }
    } catch (InvalidPathException e) {
      // as an empty one
    }
    throw error(name, "is no path; give the file's");
  }

  /** An object in this one. */
  JsonFields object(String name, String... names) {
    return object(name, List.of(names), List.of());
  }

  /** An object in this one, with fields that need not be there. */
  JsonFields object(String name, List<String> names, List<String> optional) {
    return inner(name).require(names, optional);
  }

  /** An object that says by its kind which fields it has, beside those that need not be there. */
  JsonFields variant(
      String name, List<String> kinds, Function<String, List<String>> fields, String... optional) {
    JsonFields inner = inner(name);
    JsonNode kind = inner.object.path("kind");
    if (inner.object.isObject() && (!kind.isTextual() || !kinds.contains(kind.textValue()))) {
      throw new DataException(
          "file="
              + source
              + ": "
              + inner.place
              + "kind="
              + (kind.isMissingNode() ? "(missing)" : shown(kind))
              + " is unknown; "
              + Suggestions.among(kind.asText(), kinds));
    }
    List<String> names = new ArrayList<>(List.of("kind"));
    names.addAll(fields.apply(kind.asText()));
    return inner.require(names, List.of(optional));
  }

  private JsonFields inner(String name) {
    return new JsonFields(source, place + name + ".", object.get(name));
  }
}
