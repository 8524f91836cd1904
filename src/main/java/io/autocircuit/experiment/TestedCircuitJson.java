package io.autocircuit.experiment;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.files.DataException;
import io.autocircuit.metric.CircuitTests;
import io.autocircuit.metric.Equivalence;
import io.autocircuit.metric.Independence;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** {@link TestedCircuit} as JSON. Numbers that are none are null. */
final class TestedCircuitJson {
  private final JsonNode node;
  private final String source;

  private TestedCircuitJson(JsonNode node, String source) {
    this.node = node;
    this.source = source;
  }

  static ObjectNode write(TestedCircuit t) {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    node.put("edges", t.edges()).put("known", t.known());
    node.put("metric", t.metric()).put("prompts", t.prompts()).put("level", t.level());
    number(node, "circuit", t.score());
    number(node, "model", t.model());
    number(node, "complement", t.complement());
    Equivalence e = t.equivalence();
    node.putObject("equivalence")
        .put("p", e.pValue())
        .put("above", e.above())
        .put("below", e.below())
        .put("equal", e.equal())
        .put("epsilon", e.epsilon());
    Independence i = t.independence();
    ObjectNode independence = node.putObject("independence");
    independence.put("p", i.pValue());
    number(independence, "hsic", i.hsic());
    independence.put("prompts", i.prompts()).put("permutations", i.permutations());
    ObjectNode minimality = node.putObject("minimality");
    minimality.put("quantile", t.quantile());
    ArrayNode edges = minimality.putArray("edges");
    for (TestedCircuit.Need n : t.needed()) {
      ObjectNode edge = edges.addObject();
      edge.put("name", n.edge()).put("seq_idx", n.position() < 0 ? null : n.position());
      number(edge, "effect", n.effect());
      edge.put("larger_than", n.larger()).put("p", n.pValue()).put("p_holm", n.adjusted());
    }
    numbers(minimality.putArray("random_effects"), t.random());
    ArrayNode controls = node.putArray("controls");
    for (CircuitTests.Control c : t.controls()) {
      ObjectNode control = controls.addObject();
      control.put("matching", c.matching().name().toLowerCase(Locale.ROOT));
      control.put("p", c.pValue()).put("as_near", c.asNear()).put("shared", c.shared());
      number(control, "circuit_distance", c.own());
      number(control, "distance", c.distance());
      numbers(control.putArray("distances"), c.distances());
      control.put("not_equivalent", c.unlike());
    }
    return node;
  }

  private static void number(ObjectNode node, String name, double value) {
    if (Double.isFinite(value)) {
      node.put(name, value);
    } else {
      node.putNull(name);
    }
  }

  private static void numbers(ArrayNode list, List<Double> values) {
    for (double v : values) {
      if (Double.isFinite(v)) {
        list.add(v);
      } else {
        list.addNull();
      }
    }
  }

  static TestedCircuit read(JsonNode node, String source) {
    TestedCircuitJson t = new TestedCircuitJson(node, source);
    TestedCircuitJson e = t.object("equivalence");
    TestedCircuitJson i = t.object("independence");
    TestedCircuitJson m = t.object("minimality");
    return new TestedCircuit(
        t.whole("edges"),
        t.node.path("known").asBoolean(),
        t.text("metric"),
        t.whole("prompts"),
        t.number("circuit"),
        t.number("model"),
        t.number("complement"),
        t.number("level"),
        new Equivalence(
            e.whole("above"),
            e.whole("below"),
            e.whole("equal"),
            e.number("epsilon"),
            e.number("p")),
        new Independence(
            i.whole("prompts"), i.number("hsic"), i.whole("permutations"), i.number("p")),
        m.list("edges", TestedCircuitJson::need),
        m.numbers("random_effects"),
        m.number("quantile"),
        t.list("controls", TestedCircuitJson::control));
  }

  private static TestedCircuit.Need need(TestedCircuitJson n) {
    boolean all = n.field("seq_idx").isNull();
    return new TestedCircuit.Need(
        n.text("name"),
        all ? -1 : n.whole("seq_idx"),
        n.number("effect"),
        n.whole("larger_than"),
        n.number("p"),
        n.number("p_holm"));
  }

  private static CircuitTests.Control control(TestedCircuitJson c) {
    String matching = c.text("matching");
    for (CircuitTests.Matching known : CircuitTests.Matching.values()) {
      if (known.name().toLowerCase(Locale.ROOT).equals(matching)) {
        return new CircuitTests.Control(
            known,
            c.number("circuit_distance"),
            c.numbers("distances"),
            c.number("shared"),
            c.whole("as_near"),
            c.number("p"),
            c.whole("not_equivalent"));
      }
    }
    throw c.wrong("matching", "size or capacity");
  }

  private JsonNode field(String name) {
    return node.path(name);
  }

  private DataException wrong(String name, String wanted) {
    return new DataException(
        "file="
            + source
            + ": tests of a circuit: "
            + name
            + "="
            + DataException.printable(String.valueOf(node.get(name)), 40)
            + " is not "
            + wanted
            + "; make the tests again");
  }

  private TestedCircuitJson object(String name) {
    if (!field(name).isObject()) {
      throw wrong(name, "an object");
    }
    return new TestedCircuitJson(field(name), source);
  }

  private String text(String name) {
    if (!field(name).isTextual()) {
      throw wrong(name, "text");
    }
    return field(name).textValue();
  }

  private int whole(String name) {
    JsonNode value = field(name);
    if (!value.isIntegralNumber() || !value.canConvertToInt() || value.intValue() < 0) {
      throw wrong(name, "a whole number from 0");
    }
    return value.intValue();
  }

  private double number(String name) {
    JsonNode value = field(name);
    if (!value.isNumber() && !value.isNull()) {
      throw wrong(name, "a number");
    }
    return value.isNull() ? Double.NaN : value.doubleValue();
  }

  private List<Double> numbers(String name) {
    List<Double> all = new ArrayList<>();
    if (!field(name).isArray()) {
      throw wrong(name, "a list");
    }
    for (JsonNode value : field(name)) {
      if (!value.isNumber() && !value.isNull()) {
        throw wrong(name, "a list of numbers");
      }
      all.add(value.isNull() ? Double.NaN : value.doubleValue());
    }
    return all;
  }

  private <T> List<T> list(String name, Function<TestedCircuitJson, T> item) {
    List<T> all = new ArrayList<>();
    if (!field(name).isArray()) {
      throw wrong(name, "a list");
    }
    for (JsonNode value : field(name)) {
      all.add(item.apply(new TestedCircuitJson(value, source)));
    }
    return all;
  }
}
