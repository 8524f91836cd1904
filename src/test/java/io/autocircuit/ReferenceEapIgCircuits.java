package io.autocircuit;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * The cases of {@code eap_ig.json} about circuits: how they are selected and evaluated, curves and
 * their areas, graphs, baselines, prompts of several lengths.
 */
final class ReferenceEapIgCircuits {
  private final ReferenceEapIg from;
  private final JsonNode c;
  private final ReferenceEapIg.Outcome outcome;

  ReferenceEapIgCircuits(ReferenceEapIg from, JsonNode c, ReferenceEapIg.Outcome outcome) {
    this.from = from;
    this.c = c;
    this.outcome = outcome;
  }

  void measure() {
    switch (c.get("kind").asText()) {
      default -> outcome.unread = true;
    }
  }
}
