package io.autocircuit.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.nio.charset.StandardCharsets;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CanonicalJsonTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** The examples of RFC 8785, appendix B, and the numbers at which the form changes. */
  @ParameterizedTest
  @CsvSource({
    "0000000000000000,0",
    "8000000000000000,0",
    "0000000000000001,5e-324",
    "8000000000000001,-5e-324",
    "7fefffffffffffff,1.7976931348623157e+308",
    "ffefffffffffffff,-1.7976931348623157e+308",
    "4340000000000000,9007199254740992",
    "c340000000000000,-9007199254740992",
    "4430000000000000,295147905179352830000",
    "44b52d02c7e14af5,9.999999999999997e+22",
    "44b52d02c7e14af6,1e+23",
    "44b52d02c7e14af7,1.0000000000000001e+23",
    "444b1ae4d6e2ef4e,999999999999999700000",
    "444b1ae4d6e2ef4f,999999999999999900000",
    "444b1ae4d6e2ef50,1e+21",
    "3eb0c6f7a0b5ed8c,9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d,0.000001",
    "41b3de4355555553,333333333.3333332",
    "41b3de4355555554,333333333.33333325",
    "41b3de4355555555,333333333.3333333",
    "41b3de4355555556,333333333.3333334",
    "becbf647612f3696,-0.0000033333333333333333",
    "43143ff3c1cb0959,1424953923781206.2"
  })
  void numbersAreThoseOfTheStandard(String bits, String text) {
    assertEquals(
        text, CanonicalJson.number(Double.longBitsToDouble(Long.parseUnsignedLong(bits, 16))));
  }

  @Property(tries = 2000)
  void aNumberIsReadBackAsItself(@ForAll long bits) {
    double value = Double.longBitsToDouble(bits);
    if (Double.isFinite(value)) {
      assertEquals(value + 0.0, Double.parseDouble(CanonicalJson.number(value)) + 0.0);
    }
  }

  @Test
  void numbersThatJsonHasNotAreRefused() {
    for (double wrong : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> CanonicalJson.number(wrong));
      assertTrue(e.getMessage().startsWith("number=" + wrong), e.getMessage());
    }
  }

  @Test
  void namesAreSortedAndNothingIsBetweenThem() throws Exception {
    JsonNode value =
        JSON.readTree(
            "{ \"b\": [1, 2.50, {\"z\":null,\"a\":true}],\n \"a\\u20ac\": \"\\u000f\\n\\\"\\\\\\/é\","
                + " \"\\r\": false, \"1\": {}, \"é\": 123456789012345678901 }");
    String expected =
        "{\"\\r\":false,\"1\":{},\"a€\":\"\\u000f\\n\\\"\\\\/é\",\"b\":[1,2.5,{\"a\":true,\"z\":null}],"
            + "\"é\":123456789012345678901}";
    assertEquals(expected, CanonicalJson.text(value, false));
    assertEquals(
        expected, new String(CanonicalJson.bytes(value), StandardCharsets.UTF_8), "the bytes");
    String indented = CanonicalJson.text(value, true);
    assertTrue(indented.contains("\n  \"1\": {},\n"), indented);
    assertEquals(expected, CanonicalJson.text(JSON.readTree(indented), false), "indented");
  }

  @Test
  void halfACharacterIsRefused() {
    JsonNode half = JsonNodeFactory.instance.textNode("a\ud800");
    assertThrows(IllegalArgumentException.class, () -> CanonicalJson.text(half, false));
    assertEquals("\"a😀\"", CanonicalJson.text(JsonNodeFactory.instance.textNode("a😀"), false));
  }
}
