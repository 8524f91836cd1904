package io.autocircuit.experiment;

import io.autocircuit.metric.AnswerPreference;
import io.autocircuit.metric.Bootstrap;
import io.autocircuit.metric.EdgeStability;
import io.autocircuit.metric.Faithfulness;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Measurements;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Roc;
import io.autocircuit.patch.Circuit;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.PruneAlgorithm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Judges the circuits of scores.
 *
 * @param of whose circuits
 * @param progress told about the work done
 */
record DiscoveryJudge(Discovery of, Progress progress) {
  /** The metrics by whose curves circuits are compared as a whole, and those of other jars. */
  private static final List<Metric> WHOLE =
      List.of(Metric.LOGIT_DIFF, Metric.KL_DIV, Metric.ANSWER_MSE);

  /** What came out. */
  Discovery.Result judge(Discovery.Scored scored) {
    PruneScores scores = scored.scores();
    List<String> notices = new ArrayList<>(of.knownNotices());
    notices.addAll(scored.notices());
    Optional<AnswerPreference> preference =
        AnswerPreference.of(of.model(), of.runs().ablation(), of.test());
    preference.flatMap(AnswerPreference::notice).ifPresent(notices::add);
    scored.verification().ifPresent(v -> notices.add(v.sentence(of.level().key() + "s")));
    List<Metric> applicable = applicable(notices);
    float[] values = scores.values();
    if (values.length > 0 && IntStream.range(0, values.length).allMatch(i -> values[i] == 0)) {
      notices.add(
          "every score is 0: by this algorithm no edge matters for these answers, and circuits are"
              + " chosen by the order of the edges alone");
    }
    Circuits all = Circuits.of(of, scores);
    int edges = all.all();
    int[] sizes = all.sizes();
    if (sizes.length == 0) {
      notices.add("all scores are equal, so there are no groups of edges: only 0 and all are run");
      sizes = new int[] {0, edges};
    }
    List<PruneAlgorithm.Found> found = all.found().stream().filter(f -> f.size() <= edges).toList();
    Circuits.Chosen chosen =
        all.some(
            IntStream.concat(
                Arrays.stream(sizes), found.stream().mapToInt(PruneAlgorithm.Found::size)));
    SortedMap<Integer, Circuit> circuits = chosen.circuits();
    List<Measurement> measurements =
        all.counted(
            circuits,
            Measurements.of(
                of.model(),
                of.runs(),
                of.test(),
                List.copyOf(circuits.values()),
                applicable,
                progress));
    List<Roc.Point> roc =
        of.official() == null
            ? List.of()
            : all.roc(Arrays.stream(sizes).filter(k -> k <= edges).toArray());
    TreeMap<Integer, Integer> live = new TreeMap<>();
    boolean coupled = of.model().model().config().features().couplesHeads();
    circuits.forEach((size, circuit) -> live.put(size, of.runs().live(circuit, coupled).size()));
    Optional<String> verdict =
        preference
            .filter(AnswerPreference::shown)
            .flatMap(p -> Verdict.of(measurements, edges, of.level()));
    return new Discovery.Result(
        of,
        scores,
        measurements,
        live,
        found,
        verdict,
        roc,
        notices,
        scored.prompts(),
        scored.prompts().map(p -> EdgeStability.of(p, of.perPrompt())),
        chosen.selected(),
        faithfulness(measurements, chosen.selected(), edges),
        scored.verification());
  }

  /** The metrics that apply to the prompts; a notice says which do not. */
  private List<Metric> applicable(List<String> notices) {
    List<Metric> applicable = new ArrayList<>();
    Map<String, List<String>> leftOut = new LinkedHashMap<>();
    boolean asked = !of.metrics().containsAll(Metric.standard());
    for (Metric m : of.metrics()) {
      Optional<String> why = m.inapplicable(of.test());
      if (why.isEmpty()) {
        applicable.add(m);
      } else if (asked || !m.ofNumbers()) {
        leftOut.computeIfAbsent(why.get(), w -> new ArrayList<>()).add(m.key());
      }
    }
    leftOut.forEach(
        (why, keys) ->
            notices.add(
                keys.size() == 1
                    ? "metric " + keys.get(0) + " is left out: it " + why
                    : "metrics " + String.join(", ", keys) + " are left out: each " + why));
    return applicable;
  }

  private static List<Faithfulness> faithfulness(
      List<Measurement> measurements, List<Discovery.Selected> selected, int all) {
    Map<Integer, Integer> asked = new TreeMap<>();
    selected.stream()
        .filter(s -> s.threshold().isEmpty())
        .forEach(s -> asked.put(s.chosen(), s.left()));
    return measurements.stream()
        .filter(m -> WHOLE.contains(m.metric()) || !Metric.standard().contains(m.metric()))
        .flatMap(m -> Faithfulness.of(m, asked, all, Bootstrap.USUAL).stream())
        .toList();
  }
}
