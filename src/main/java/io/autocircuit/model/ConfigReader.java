package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.TransformerConfig.Activation;
import io.autocircuit.model.TransformerConfig.Rotary;
import io.autocircuit.tensor.DataException;
import java.nio.file.Path;

/** Typed access to the fields of a {@code config.json}; every failure names file and field. */
record ConfigReader(Path file, JsonNode json) {
  private static final int LARGEST = 1 << 24;
  private static final long LARGEST_ROTARY_TABLE = 1L << 25;
  private static final int LONGEST_NUMBER = 40;

  ConfigReader {
    if (!json.isObject()) {
      throw new DataException(
          "file="
              + file
              + ": it holds "
              + shown(json)
              + "; give the object of settings that belongs to the weights");
    }
  }

  DataException error(String what) {
    return new DataException("file=" + file + ": " + what);
  }

  boolean has(String field) {
    return json.hasNonNull(field);
  }

  /** A value for a message: short and on one line, whatever the file holds. */
  private static String shown(JsonNode n) {
    if (n.isContainerNode()) {
      return n.isArray() ? "an array" : "an object";
    }
    String text = n.asText();
    return n.isTextual() || text.length() > LONGEST_NUMBER ? DataException.quote(text) : text;
  }

  private JsonNode required(String field) {
    if (!has(field)) {
      throw error(
          "missing field \"" + field + "\"; add it, or give the config.json that belongs here");
    }
    return json.get(field);
  }

  int size(String field) {
    JsonNode n = required(field);
    if (!n.isIntegralNumber() || !n.canConvertToInt() || n.asInt() < 1 || n.asInt() > LARGEST) {
      throw error(field + "=" + shown(n) + " is not usable; give a whole number in 1.." + LARGEST);
    }
    return n.asInt();
  }

  int size(String field, int absent) {
    return has(field) ? size(field) : absent;
  }

  double number(String field, double absent) {
    return number(json, field, absent);
  }

  double number(JsonNode object, String field, double absent) {
    if (!object.hasNonNull(field)) {
      return absent;
    }
    JsonNode n = object.get(field);
    if (!n.isNumber() || !Double.isFinite(n.asDouble())) {
      throw error(field + "=" + shown(n) + " is not usable; give a finite number");
    }
    return n.asDouble();
  }

  double positive(JsonNode object, String field, double absent) {
    double value = number(object, field, absent);
    if (!(value > 0)) {
      throw error(field + "=" + value + " is not usable; give a number above 0");
    }
    return value;
  }

  boolean flag(String field, boolean absent) {
    if (!has(field)) {
      return absent;
    }
    if (!json.get(field).isBoolean()) {
      throw error(field + "=" + shown(json.get(field)) + " is not usable; give true or false");
    }
    return json.get(field).asBoolean();
  }

  String text(String field) {
    JsonNode n = required(field);
    if (!n.isTextual()) {
      throw error(field + "=" + shown(n) + " is not usable; give a string");
    }
    return n.textValue();
  }

  String text(String field, String absent) {
    return has(field) ? text(field) : absent;
  }

  /** The object of that name, or an empty one. */
  JsonNode object(String field) {
    if (has(field) && !json.get(field).isObject()) {
      throw error(field + "=" + shown(json.get(field)) + " is not usable; give an object");
    }
    return json.path(field);
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
        field
            + "="
            + DataException.quote(value)
            + " is not supported; use a model with one of: "
            + supported);
  }

  /** Rejects a flag that changes the computation in a way we do not support. */
  void refuse(String field) {
    if (flag(field, false)) {
      throw error(field + "=true is not supported; use a model without it");
    }
  }

  /** Rejects a number other than the one that leaves the computation as it is. */
  void refuse(String field, double neutral) {
    double value = number(field, neutral);
    if (value != neutral) {
      throw error(
          field + "=" + value + " is not supported; use a model without it (" + neutral + ")");
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
              + "; correct one of them");
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
