package io.autocircuit.experiment;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.patch.CircuitSelection;
import io.autocircuit.patch.CircuitSelection.Rule;
import java.util.ArrayList;
import java.util.List;

/** How circuits are chosen, as a field of JSON that is there where it is not the usual way. */
final class SelectionJson {
  /** The field of {@code run.json} and {@code measurements.json}. */
  static final String FIELD = "selection";

  private SelectionJson() {}

  /** Adds the field. */
  static void put(ObjectNode to, CircuitSelection selection) {
    if (selection.equals(CircuitSelection.TOP)) {
      return;
    }
    ObjectNode node = to.putObject(FIELD);
    node.put("select", selection.rule().key());
    node.put("signed", selection.signed());
    node.put("prune", selection.prune());
    if (selection.rule() == Rule.THRESHOLD) {
      ArrayNode thresholds = node.putArray("thresholds");
      selection.thresholds().forEach(thresholds::add);
    }
  }

  /**
   * The field's value; the usual way where it is missing.
   *
   * @param ties whether circuits include ties
   */
  static CircuitSelection read(JsonFields from, boolean ties) {
    if (!from.has(FIELD)) {
      return CircuitSelection.TOP;
    }
    List<String> needed = new ArrayList<>(List.of("select", "signed", "prune"));
    if (from.node(FIELD).path("select").asText().equalsIgnoreCase(Rule.THRESHOLD.key())) {
      needed.add("thresholds");
    }
    JsonFields node = from.object(FIELD, needed, List.of("thresholds"));
    List<Double> thresholds = new ArrayList<>();
    if (node.has("thresholds")) {
      for (JsonNode t : node.node("thresholds")) {
        if (!t.isNumber()) {
          throw node.error("thresholds", "holds " + t + "; give numbers");
        }
        thresholds.add(t.doubleValue());
      }
    }
    Rule rule = node.as("select", Rule::of);
    try {
      CircuitSelection selection =
          new CircuitSelection(rule, node.flag("signed"), node.flag("prune"), thresholds);
      RunJudging.requireFit(ties, selection);
      return selection;
    } catch (IllegalArgumentException e) {
      throw from.error(FIELD, "cannot be used: " + e.getMessage());
    }
  }
}
