package io.autocircuit.files;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * JSON of which equal values have equal bytes: RFC 8785 (names sorted by their UTF-16 units, the
 * shortest numbers, no white space, only the escapes that are needed), but for whole numbers, which
 * keep all their digits. It depends on no version of Java or of a JSON library.
 */
public final class CanonicalJson {
  /** A double has no more decimal digits than that. */
  private static final int DIGITS = 17;

  /** Numbers from 1e21 on, and below 1e-6, are written with an exponent, as in ECMAScript. */
  private static final int LARGEST_PLAIN = 21;

  private static final int SMALLEST_PLAIN = -6;

  private CanonicalJson() {}

  /**
   * The bytes of a value.
   *
   * @param value the value
   * @return UTF-8
   * @throws IllegalArgumentException if it holds a number that is not finite, or text that is no
   *     Unicode
   */
  public static byte[] bytes(JsonNode value) {
    return text(value, false).getBytes(StandardCharsets.UTF_8);
  }

  /**
   * A value as text.
   *
   * @param value the value
   * @param indented with line breaks and spaces for people; the same otherwise
   * @return the text, without a line break at its end
   * @throws IllegalArgumentException as {@link #bytes}
   */
  public static String text(JsonNode value, boolean indented) {
    StringBuilder out = new StringBuilder();
    write(value, out, indented ? 0 : -1);
    return out.toString();
  }

  /** {@code depth} is −1 where nothing is indented. */
  private static void write(JsonNode value, StringBuilder out, int depth) {
    if (value.isObject()) {
      TreeMap<String, JsonNode> sorted = new TreeMap<>();
      for (Map.Entry<String, JsonNode> e : value.properties()) {
        sorted.put(e.getKey(), e.getValue());
      }
      out.append('{');
      String comma = "";
      int inner = depth < 0 ? depth : depth + 1;
      for (Map.Entry<String, JsonNode> e : sorted.entrySet()) {
        out.append(comma);
        comma = ",";
        newLine(out, inner);
        quoted(e.getKey(), out);
        out.append(depth < 0 ? ":" : ": ");
        write(e.getValue(), out, inner);
      }
      if (!sorted.isEmpty()) {
        newLine(out, depth);
      }
      out.append('}');
    } else if (value.isArray()) {
      out.append('[');
      Iterator<JsonNode> items = value.iterator();
      while (items.hasNext()) {
        write(items.next(), out, depth);
        if (items.hasNext()) {
          out.append(depth < 0 ? "," : ", ");
        }
      }
      out.append(']');
    } else if (value.isTextual()) {
      quoted(value.textValue(), out);
    } else if (value.isIntegralNumber()) {
      out.append(value.bigIntegerValue());
    } else if (value.isNumber()) {
      out.append(number(value.doubleValue()));
    } else {
      out.append(value.isBoolean() ? value.asText() : "null");
    }
  }

  private static void newLine(StringBuilder out, int depth) {
    if (depth >= 0) {
      out.append('\n').append("  ".repeat(depth));
    }
  }

  /**
   * A number with the fewest digits that lead back to it.
   *
   * @param value finite
   * @return as ECMAScript writes it: {@code 0.1}, {@code 10}, {@code 1e-7}
   * @throws IllegalArgumentException if it is not finite
   */
  public static String number(double value) {
    if (!Double.isFinite(value)) {
      throw new IllegalArgumentException(
          "number=" + value + " is not finite, and JSON has none of these");
    }
    if (value == 0) {
      return "0";
    }
    // not Double.toString, which has changed between versions of Java
    BigDecimal exact = new BigDecimal(Math.abs(value));
    BigDecimal shortest = exact;
    for (int digits = 1; digits <= DIGITS; digits++) {
      shortest = exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
      if (shortest.doubleValue() == Math.abs(value)) {
        break;
      }
    }
    shortest = shortest.stripTrailingZeros();
    String digits = shortest.unscaledValue().toString();
    int point = digits.length() - shortest.scale(); // 0.digits · 10^point
    String text;
    if (point > LARGEST_PLAIN || point <= SMALLEST_PLAIN) {
      int exponent = point - 1;
      text =
          digits.charAt(0)
              + (digits.length() > 1 ? "." + digits.substring(1) : "")
              + (exponent < 0 ? "e-" : "e+")
              + Math.abs(exponent);
    } else {
      text = shortest.toPlainString();
    }
    return value < 0 ? "-" + text : text;
  }

  private static void quoted(String text, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        default -> {
          if (c < ' ') {
            out.append(String.format("\\u%04x", (int) c));
          } else if (Character.isSurrogate(c) && !paired(text, i)) {
            throw new IllegalArgumentException(
                "text="
                    + DataException.quote(text)
                    + " is no Unicode: half of a pair stands alone");
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }

  private static boolean paired(String text, int i) {
    return Character.isHighSurrogate(text.charAt(i))
        ? i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))
        : i > 0 && Character.isHighSurrogate(text.charAt(i - 1));
  }

  /**
   * The names of an object's fields.
   *
   * @param object an object
   * @return in its order
   */
  public static List<String> names(JsonNode object) {
    List<String> names = new ArrayList<>();
    object.fieldNames().forEachRemaining(names::add);
    return names;
  }
}
