package io.autocircuit.cli;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The algorithms by their names on the command line. */
final class Algorithms {
  /** What each is, in the order of a listing. */
  static final Map<String, String> DESCRIPTIONS = descriptions();

  /** The algorithms that an option belongs to; options that are not here belong to all. */
  static final Map<String, List<String>> OPTIONS = options();

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
    return Collections.unmodifiableMap(m);
  }

  private static Map<String, List<String>> options() {
    Map<String, List<String>> m = new LinkedHashMap<>();
    List<String> gradients = List.of("eap", "ig", "exact");
    m.put("--grad-function", gradients);
    m.put("--answer-function", gradients);
    m.put("--mask-value", List.of("eap"));
    m.put("--samples", List.of("ig"));
    m.put("--sum", List.of("eap", "ig"));
    m.put("--score-ablation", List.of("eap", "ig", "exact", "acdc", "sp"));
    m.put("--tau", List.of("acdc"));
    m.put("--target", List.of("acdc", "sp"));
    for (String option :
        List.of(
            "--epochs",
            "--learning-rate",
            "--lambda",
            "--mask-fn",
            "--circuit-size",
            "--dropout")) {
      m.put(option, List.of("sp"));
    }
    return Collections.unmodifiableMap(m);
  }
}
