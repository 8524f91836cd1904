package io.autocircuit.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code run.json} that somebody has changed, or that is damaged. */
@Tag("slow")
class RunSpecFilesTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static ObjectNode tree(long seed) {
    try {
      return (ObjectNode) JSON.readTree(RunSpecTest.random(seed).json());
    } catch (java.io.IOException e) {
      throw new AssertionError(e);
    }
  }

  private static String refused(String json) {
    DataException e =
        assertThrows(DataException.class, () -> RunSpec.parse(json, "run.json"), () -> json);
    assertTrue(e.getMessage().startsWith("file=run.json"), e.getMessage());
    assertEquals(1, e.getMessage().lines().count(), e.getMessage());
    return e.getMessage();
  }

  /** All objects of a tree, its own first. */
  private static List<ObjectNode> objects(JsonNode root) {
    List<ObjectNode> all = new ArrayList<>();
    if (root instanceof ObjectNode o) {
      all.add(o);
    }
    root.forEach(child -> all.addAll(objects(child)));
    return all;
  }

  /** Fields that need not be there. */
  private static final List<String> OPTIONAL =
      List.of(
          "weights",
          "per_prompt",
          "spans",
          "form",
          "level",
          "autoencoders",
          "avoid",
          "kv",
          "selection",
          "constants");

  @Property(tries = 300)
  void aFieldThatIsMissingIsNamed(@ForAll long seed) {
    ObjectNode root = tree(seed);
    Random r = new Random(seed);
    List<ObjectNode> objects = objects(root).stream().filter(o -> !o.isEmpty()).toList();
    ObjectNode in = objects.get(r.nextInt(objects.size()));
    List<String> names = new ArrayList<>();
    in.fieldNames().forEachRemaining(names::add);
    names.removeAll(OPTIONAL);
    if (names.isEmpty()) {
      return;
    }
    String gone = names.get(r.nextInt(names.size()));
    in.remove(gone);
    String message = refused(root.toString());
    assertTrue(message.contains(gone), gone + ": " + message);
    assertTrue(message.contains("missing"), message);
  }

  @Property(tries = 300)
  void aFieldThatIsUnknownIsNamedWithTheNearest(@ForAll long seed) {
    ObjectNode root = tree(seed);
    Random r = new Random(seed);
    List<ObjectNode> objects = objects(root).stream().filter(o -> !o.isEmpty()).toList();
    ObjectNode in = objects.get(r.nextInt(objects.size()));
    String near = in.fieldNames().next();
    in.put(near + "x", 1);
    String message = refused(root.toString());
    assertTrue(message.contains("unknown field") && message.contains(near + "x\""), message);
    assertTrue(message.contains("did you mean"), message);
    assertTrue(message.contains("\"" + near + "\""), message);
  }

  /** Whatever a field holds, it is used, or refused in one line that is ours. */
  @Property(tries = 1000)
  void aValueOfAnotherKindIsRefusedInOneLine(@ForAll long seed) {
    ObjectNode root = tree(seed);
    Random r = new Random(seed);
    List<ObjectNode> objects = objects(root).stream().filter(o -> !o.isEmpty()).toList();
    ObjectNode in = objects.get(r.nextInt(objects.size()));
    List<String> names = new ArrayList<>();
    in.fieldNames().forEachRemaining(names::add);
    String changed = names.get(r.nextInt(names.size()));
    JsonNodeFactory f = JsonNodeFactory.instance;
    List<JsonNode> values =
        List.of(
            f.nullNode(),
            f.booleanNode(true),
            f.numberNode(-1),
            f.numberNode(0.5),
            f.numberNode(1e300),
            f.numberNode(new java.math.BigInteger("9".repeat(40))),
            f.textNode(""),
            f.textNode("\u0000\n"),
            f.textNode("x".repeat(10_000)),
            f.arrayNode().add(1).add("x"),
            f.arrayNode(),
            f.objectNode().put("kind", "x"),
            f.objectNode());
    in.set(changed, values.get(r.nextInt(values.size())));
    usedOrRefused(root.toString());
  }

  /** A file that is cut or in which bytes have changed. */
  @Property(tries = 1000)
  void aDamagedFileIsRefusedInOneLine(@ForAll long seed) {
    StringBuilder text = new StringBuilder(RunSpecTest.random(seed).json());
    Random r = new Random(seed);
    if (r.nextInt(3) == 0) {
      text.setLength(r.nextInt(text.length()));
    }
    for (int i = r.nextInt(4); i > 0 && text.length() > 0; i--) {
      int at = r.nextInt(text.length());
      switch (r.nextInt(3)) {
        case 0 -> text.setCharAt(at, (char) (' ' + r.nextInt(95)));
        case 1 -> text.deleteCharAt(at);
        default -> text.insert(at, "{}[]:,\"\\0-e.".charAt(r.nextInt(12)));
      }
    }
    usedOrRefused(text.toString());
  }

  private static void usedOrRefused(String json) {
    try {
      RunSpec spec = RunSpec.parse(json, "run.json");
      assertEquals(spec.json(), RunSpec.parse(spec.json(), "run.json").json());
    } catch (DataException e) {
      assertTrue(e.getMessage().startsWith("file=run.json"), e.getMessage());
      assertTrue(e.getMessage().length() < 4000, e.getMessage());
      assertEquals(1, e.getMessage().lines().count(), e.getMessage());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "/format|2|format=2 is not known; this version reads format=1",
        "/seed|1.5|seed=1.5 is no whole number",
        "/judging/ablation|\"resamle\"|did you mean \"resample\"",
        "/judging/metrics|[\"kldiv\"]|did you mean \"kl_div\"",
        "/judging/slice|\"lst\"|did you mean \"last\"",
        "/judging/edges|[1.5]|neither a whole number from 0 nor a share",
        "/judging/edges|\"some\"|neither a number nor all, log, groups, mib, auto or auto+mib",
        "/scoring/algorithm|\"epa\"|unknown algorithm \"epa\": did you mean \"eap\"",
        "/scoring/settings/mask_value|\"x\"|mask_value",
        "/model/kind|\"dirctory\"|did you mean \"directory\"",
        "/model/precision|\"float16\"|did you mean \"float32\"",
        "/model/weights|\"bfloat61\"|did you mean \"bfloat16\"",
        "/model/weights|null|is no text",
        "/model/weights_sha256|\"abc\"|is no SHA-256; give 64 hexadecimal digits",
        "/model/config_sha256|null|only one of weights and config",
        "/prompts/batch_size|0|whole number from 1",
        "/prompts/bos|\"allways\"|did you mean \"always\"",
        "/machine/device|\"gpu\"|use auto, cpu, cuda",
        "/machine/threads|0|whole number from 1",
        "/graph|5|graph is 5, which is no object"
      })
  void whatAFieldCannotHoldIsSaid(String pointer, String value, String part) throws Exception {
    RunSpec spec = RunSpecTest.fixed();
    ObjectNode root = (ObjectNode) JSON.readTree(spec.json());
    int slash = pointer.lastIndexOf('/');
    ((ObjectNode) root.at(pointer.substring(0, slash)))
        .set(pointer.substring(slash + 1), JSON.readTree(value));
    String message = refused(root.toString());
    assertTrue(message.contains(part), message);
  }

  @Test
  void aFileThatIsAnotherOneIsRefused() {
    refused("[]");
    refused("");
    refused("5");
    assertTrue(refused("{\"prompts\": []}").contains("missing field \"format\""));
    ArrayNode many = JSON.createArrayNode();
    assertTrue(refused(many.toString()).contains("no object"));
  }
}
