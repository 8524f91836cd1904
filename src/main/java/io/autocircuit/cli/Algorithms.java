package io.autocircuit.cli;

import java.util.LinkedHashMap;
import java.util.Map;

/** The algorithms by their names on the command line. */
final class Algorithms {
  /** What each is, in the order of a listing. */
  static final Map<String, String> DESCRIPTIONS = descriptions();

  private Algorithms() {}

  private static Map<String, String> descriptions() {
    Map<String, String> m = new LinkedHashMap<>();
    m.put(
        "eap",
        "edge attribution patching: gradient of the masks at one value"
            + " (--mask-value, --grad-function, --answer-function)");
    m.put("ig", "integrated gradients over the masks (--samples, and the options of eap)");
    m.put("exact", "exact patching of every edge, one run for each: the oracle of eap");
    m.put("acdc", "automatic circuit discovery, from the end backwards (--tau, --target)");
    m.put(
        "sp",
        "subnetwork probing: learns the masks (--epochs, --learning-rate, --lambda, --mask-fn,"
            + " --circuit-size, --dropout, --target)");
    m.put("random", "uniform random scores: the baseline (--seed)");
    m.put("ground-truth", "1 on the edges of a known circuit, 0 elsewhere (--official)");
    return java.util.Collections.unmodifiableMap(m);
  }
}
