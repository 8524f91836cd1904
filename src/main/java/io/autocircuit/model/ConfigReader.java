package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.kernels.Normalization;
import io.autocircuit.model.TransformerConfig.Activation;
import io.autocircuit.tensor.DataException;
import java.nio.file.Path;

/** Typed access to the fields of a {@code config.json}; every failure names file and field. */
record ConfigReader(Path file, JsonNode json) {
  private static final int LARGEST = 1 << 24;

  DataException error(String what) {
    return new DataException(file + ": " + what);
  }

  boolean has(String field) {
    return json.hasNonNull(field);
  }

  int size(String field) {
    if (!has(field)) {
      throw error("missing field \"" + field + "\"; is this the config.json of the weights?");
    }
    JsonNode n = json.get(field);
    if (!n.isIntegralNumber() || !n.canConvertToInt() || n.asInt() < 1 || n.asInt() > LARGEST) {
      throw error(field + "=" + n + " is not a whole number in 1.." + LARGEST);
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
      throw error(field + "=" + n + " is not a number");
    }
    return n.asDouble();
  }

  boolean flag(String field, boolean absent) {
    if (!has(field)) {
      return absent;
    }
    if (!json.get(field).isBoolean()) {
      throw error(field + "=" + json.get(field) + " is neither true nor false");
    }
    return json.get(field).asBoolean();
  }

  String text(String field, String absent) {
    return has(field) ? json.get(field).asText() : absent;
  }

  Activation activation(String field, String absent) {
    String name = text(field, absent);
    return switch (name) {
      case "gelu" -> Activation.GELU;
      case "gelu_new", "gelu_fast", "gelu_pytorch_tanh" -> Activation.GELU_TANH;
      case "relu" -> Activation.RELU;
      case "silu", "swish" -> Activation.SILU;
      default ->
          throw error(
              field + "=\"" + name + "\" is not supported; supported: gelu, gelu_new, relu, silu");
    };
  }

  Normalization layerNorm(String field) {
    return new Normalization(Normalization.Kind.LAYER_NORM, number(field, 1e-5));
  }

  /** Rejects a flag that changes the computation in a way we do not support. */
  void refuse(String field) {
    if (flag(field, false)) {
      throw error(field + "=true is not supported");
    }
  }

  /** Divides, requiring no remainder. */
  int divide(String field, int whole, String byField, int by) {
    if (whole % by != 0) {
      throw error(field + "=" + whole + " is not a multiple of " + byField + "=" + by);
    }
    return whole / by;
  }
}
