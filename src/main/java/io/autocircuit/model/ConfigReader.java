package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.TransformerConfig.Activation;
import io.autocircuit.model.TransformerConfig.Rotary;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Typed access to the fields of a {@code config.json}; every failure names file and field. It
 * remembers what it was asked for, so that {@link #unread} tells what nobody has read.
 */
final class ConfigReader {
  private static final int LARGEST = 1 << 24;
  private static final long LARGEST_ROTARY_TABLE = 1L << 25;
  private static final int LONGEST_NUMBER = 40;

  private final Path file;
  private final String path;
  private final JsonNode json;
  private final List<String> notices;
  private final Map<String, Integer> defaults;
  private final Set<String> asked = new HashSet<>();
  private final Map<String, ConfigReader> objects = new LinkedHashMap<>();

  ConfigReader(Path file, JsonNode json) {
    this(file, "", json, new ArrayList<>(), new LinkedHashMap<>());
    if (!json.isObject()) {
      throw new DataException(
          "file="
              + file
              + ": it holds "
              + shown(json)
              + "; give the object of settings that belongs to the weights");
    }
  }

  private ConfigReader(
      Path file, String path, JsonNode json, List<String> notices, Map<String, Integer> defaults) {
    this.file = file;
    this.path = path;
    this.json = json;
    this.notices = notices;
    this.defaults = defaults;
  }

  DataException error(String what) {
    return new DataException("file=" + file + ": " + what);
  }

  /** Something that the user should know about a model that loads. */
  void notice(String what) {
    notices.add("file=" + file + ": " + what);
  }

  /** What {@link #notice} was told, in order. */
  List<String> notices() {
    return List.copyOf(notices);
  }

  /** Whether the field is there and not null. */
  boolean has(String field) {
    asked.add(field);
    return json.hasNonNull(field);
  }

  /** The value of a field; a missing node where there is none. */
  JsonNode value(String field) {
    asked.add(field);
    return json.path(field);
  }

  /**
   * The fields that nobody has asked for, in the order of the file; those of objects that were
   * asked for by {@link #object} with their path ({@code rope_scaling.factor}).
   */
  Map<String, JsonNode> unread() {
    Map<String, JsonNode> left = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> e : json.properties()) {
      ConfigReader object = objects.get(e.getKey());
      if (object != null) {
        left.putAll(object.unread());
      } else if (!asked.contains(e.getKey())) {
        left.put(path + e.getKey(), e.getValue());
      }
    }
    return left;
  }

  /** A value for a message: short and on one line, whatever the file holds. */
  static String shown(JsonNode n) {
    if (n.isContainerNode()) {
      return n.isArray() ? "an array" : "an object";
    }
    String text = n.asText();
    return n.isTextual() || text.length() > LONGEST_NUMBER ? DataException.quote(text) : text;
  }

  private JsonNode required(String field) {
    if (!has(field)) {
      throw error(
          "missing field \""
              + path
              + field
              + "\"; add it, or give the config.json that belongs here");
    }
    return json.get(field);
  }

  int size(String field) {
    JsonNode n = required(field);
    if (!n.isIntegralNumber() || !n.canConvertToInt() || n.asInt() < 1 || n.asInt() > LARGEST) {
      throw error(
          path + field + "=" + shown(n) + " is not usable; give a whole number in 1.." + LARGEST);
    }
    return n.asInt();
  }

  int size(String field, int absent) {
    return has(field) ? size(field) : absent;
  }

  /** Like {@link #size(String, int)}; messages about shapes then say that a default was used. */
  int sizeOrDefault(String field, int standard) {
    if (!has(field)) {
      defaults.put(field, standard);
    }
    return size(field, standard);
  }

  /**
   * A size whose default no tensor can contradict: the user is told of it.
   *
   * @param of the field that it must divide, for the notice
   */
  int sizeOrNotedDefault(String field, int standard, String of) {
    if (!has(field)) {
      notice(
          field
              + " is missing: "
              + standard
              + ", the default of transformers, is used, and no shape of the weights can contradict"
              + " it if "
              + of
              + " is a multiple of it; add "
              + field
              + " if the model has another number");
    }
    return sizeOrDefault(field, standard);
  }

  /** The size under either of two names, which must agree. */
  int sizeOrDefault(String field, String alias, int standard) {
    if (!has(alias)) {
      return sizeOrDefault(field, standard);
    }
    int other = size(alias);
    if (has(field) && size(field) != other) {
      throw disagree(field, size(field), alias, other);
    }
    return other;
  }

  DataException disagree(String field, Object value, String other, Object otherValue) {
    return error(
        field
            + "="
            + value
            + " and "
            + other
            + "="
            + otherValue
            + " disagree; correct one of them");
  }

  /** For messages: the sizes that are not in the file, or the empty string. */
  String defaults() {
    if (defaults.isEmpty()) {
      return "";
    }
    StringBuilder text =
        new StringBuilder("; not in config.json, so the default of transformers: ");
    defaults.forEach((f, v) -> text.append(f).append('=').append(v).append(", "));
    return text.substring(0, text.length() - 2);
  }

  double number(String field, double absent) {
    return has(field) ? number(field) : absent;
  }

  double number(String field) {
    JsonNode n = required(field);
    if (!n.isNumber() || !Double.isFinite(n.asDouble())) {
      throw error(path + field + "=" + shown(n) + " is not usable; give a finite number");
    }
    return n.asDouble();
  }

  double positive(String field) {
    double value = number(field);
    if (!(value > 0)) {
      throw error(path + field + "=" + value + " is not usable; give a number above 0");
    }
    return value;
  }

  /** A number above 0 that scales something: {@code 1 / most} to {@code most}. */
  double scale(String field, double most) {
    double value = positive(field);
    if (value < 1 / most || value > most) {
      throw error(
          path
              + field
              + "="
              + value
              + " is not usable; give a number in "
              + 1 / most
              + ".."
              + most
              + ", or the config.json that belongs to the weights");
    }
    return value;
  }

  double scale(String field, double absent, double most) {
    return has(field) ? scale(field, most) : absent;
  }

  double positive(String field, double absent) {
    return has(field) ? positive(field) : absent;
  }

  /**
   * A flag.
   *
   * @param absent its value where it is not given; null is that too, unless it is true: Python
   *     takes null for false, so what was meant is not clear
   */
  boolean flag(String field, boolean absent) {
    if (!has(field)) {
      if (absent && json.has(field)) {
        throw error(
            path
                + field
                + "=null is not clear: it is true where it is not given, but Python takes null for"
                + " false; give true or false");
      }
      return absent;
    }
    if (!json.get(field).isBoolean()) {
      throw error(
          path + field + "=" + shown(json.get(field)) + " is not usable; give true or false");
    }
    return json.get(field).asBoolean();
  }

  String text(String field) {
    JsonNode n = required(field);
    if (!n.isTextual()) {
      throw error(path + field + "=" + shown(n) + " is not usable; give a string");
    }
    return n.textValue();
  }

  String text(String field, String absent) {
    return has(field) ? text(field) : absent;
  }

  /** The object of that name, or an empty one. */
  ConfigReader object(String field) {
    JsonNode n = value(field);
    if (has(field) && !n.isObject()) {
      throw error(path + field + "=" + shown(n) + " is not usable; give an object");
    }
    return objects.computeIfAbsent(
        field, f -> new ConfigReader(file, path + f + ".", n, notices, defaults));
  }

  /** Whether it has no field. */
  boolean isEmpty() {
    return json.isEmpty();
  }

  /** The fields of this object. */
  JsonNode json() {
    return json;
  }

  Activation activation(String name, String field) {
    return switch (name) {
      case "gelu" -> Activation.GELU;
      case "gelu_new", "gelu_fast", "gelu_pytorch_tanh" -> Activation.GELU_TANH;
      case "relu" -> Activation.RELU;
      case "silu", "swish" -> Activation.SILU;
      default ->
          throw unsupported(
              field, name, "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu, swish");
    };
  }

  Normalization normalization(Normalization.Kind kind, String epsilonField, double absent) {
    double epsilon = number(epsilonField, absent);
    if (epsilon < 0) {
      throw error(epsilonField + "=" + epsilon + " is negative; give a small number such as 1e-5");
    }
    return new Normalization(kind, epsilon);
  }

  DataException unsupported(String field, String value, String supported) {
    return error(
        path
            + field
            + "="
            + DataException.quote(value)
            + " is not supported; use a model with one of: "
            + supported);
  }

  /** Rejects a flag that changes the computation in a way we do not support. */
  void refuse(String field) {
    if (flag(field, false)) {
      throw error(path + field + "=true is not supported; use a model without it");
    }
  }

  /** Rejects a number other than the one that leaves the computation as it is. */
  void refuse(String field, double neutral) {
    double value = number(field, neutral);
    if (value != neutral) {
      throw error(
          path
              + field
              + "="
              + value
              + " is not supported; use a model without it ("
              + neutral
              + ")");
    }
  }

  /** Divides, requiring no remainder. */
  int divide(String field, int whole, String byField, int by) {
    if (whole % by != 0) {
      throw error(
          field
              + "="
              + whole
              + " is not a multiple of "
              + byField
              + "="
              + by
              + "; correct one of them"
              + defaults());
    }
    return whole / by;
  }

  /** Rejects rotary settings whose table of angles, context × dimensions, is too large to keep. */
  void requireTableFits(String contextField, int context, Rotary rotary) {
    if ((long) context * rotary.dimensions() > LARGEST_ROTARY_TABLE) {
      throw error(
          contextField
              + "="
              + context
              + " with rotary dimensions="
              + rotary.dimensions()
              + " is too much; lower it to the longest prompt you need, at most "
              + LARGEST_ROTARY_TABLE / rotary.dimensions());
    }
  }
}
