package io.autocircuit.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.experiment.TestedCircuit;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.CanonicalJson;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.metric.CircuitTests;
import io.autocircuit.metric.Equivalence;
import io.autocircuit.metric.Independence;
import io.autocircuit.metric.Metric;
import io.autocircuit.metric.Minimality;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.Circuit;
import io.autocircuit.report.ResultDirectory;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code test DIR}: hypothesis tests of a circuit. */
@Command(
    name = "test",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Tests hypotheses about the circuits of a discovery, on the prompts that judge: does a"
          + " circuit score as the model does (equivalence), has the rest of the model lost the"
          + " behaviour (independence), is every edge needed (minimality); and compares it with"
          + " random circuits of its size and of its capacity.",
      "The tests are those of Shi et al. 2024, arXiv:2410.13032."
    })
final class TestCommand implements Callable<Integer> {
  private static final int SHOWN = 5;
  private static final String TESTS = "tests.json";

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private RecordedRun recorded;

  @Option(
      names = "--edges",
      split = ",",
      paramLabel = "K[,…]",
      description =
          "How many of the best edges the circuits have. Default: as many as the known circuit.")
  private List<Integer> edges = List.of();

  @Option(
      names = "--official",
      description = "Tests the run's known circuit itself, instead of the discovery's.")
  private boolean official;

  @Option(
      names = "--metric",
      paramLabel = "NAME",
      description =
          "The score of a prompt. Default: logit_diff, or answer_logprob where prompts have no"
              + " wrong answers, or answer_mse where answers are numbers.")
  private String metric;

  @Option(
      names = "--epsilon",
      paramLabel = "X",
      defaultValue = "0.1",
      description =
          "How far from one half the chance to score above the model may be (default:"
              + " ${DEFAULT-VALUE}; 0 is the plain sign test).")
  private double epsilon;

  @Option(
      names = "--quantile",
      paramLabel = "X",
      defaultValue = "0.9",
      description =
          "The chance to have a larger effect than a random edge that an edge needs (default:"
              + " ${DEFAULT-VALUE}).")
  private double quantile;

  @Option(
      names = "--draws",
      paramLabel = "N",
      defaultValue = "100",
      description =
          "How many inflated circuits, and how many random ones of each kind (default:"
              + " ${DEFAULT-VALUE}).")
  private int draws;

  @Option(
      names = "--permutations",
      paramLabel = "N",
      defaultValue = "1000",
      description = "Of the test of independence (default: ${DEFAULT-VALUE}).")
  private int permutations;

  @Option(
      names = "--level",
      paramLabel = "X",
      defaultValue = "0.05",
      description = "A hypothesis is rejected whose p is below it (default: ${DEFAULT-VALUE}).")
  private double level;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Of all draws (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description =
          "Where all of it is written, edge by edge. Default: tests.json in DIR, and DIR's page"
              + " shows it.")
  private Path out;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public Integer call() {
    CircuitTests.Settings settings = settings();
    Optional<Metric> wanted = wanted();
    RunSpec found = recorded.withCircuits(edges, official, "test one");
    AtomicFile.requireWritable(out == null ? recorded.directory().resolve(TESTS) : out);
    try (Run run = recorded.open(found)) {
      Discovery d = run.discovery();
      Metric score = score(d, wanted);
      List<CircuitTests> all = new ArrayList<>();
      List<Circuit> circuits = recorded.circuits(d, edges, official);
      for (Circuit circuit : circuits) {
        CircuitTests.refusal(circuit, d.test())
            .ifPresent(
                why -> {
                  throw recorded.usage(why);
                });
      }
      for (Circuit circuit : circuits) {
        try (Bars bars = Bars.onTerminal()) {
          all.add(
              run.with(
                  () ->
                      CircuitTests.of(
                          d.model(), d.runs(), d.test(), circuit, score, settings, bars)));
        }
      }
      PrintWriter print = spec.commandLine().getOut();
      print.println("hypotheses: circuit and model score alike; model and complement do so");
      print.println(
          "independently; every edge is needed; random circuits are as near to the model");
      boolean resampled = d.runs().ablation() == Ablation.RESAMPLE;
      all.forEach(t -> print(t, resampled));
      write(run, settings, all);
    }
    return 0;
  }

  private CircuitTests.Settings settings() {
    try {
      return new CircuitTests.Settings(epsilon, permutations, quantile, draws, level, seed);
    } catch (IllegalArgumentException e) {
      throw recorded.usage(e.getMessage());
    }
  }

  private Optional<Metric> wanted() {
    if (metric == null) {
      return Optional.empty();
    }
    try {
      Metric m = Metric.of(metric);
      CircuitTests.refusal(m)
          .ifPresent(
              why -> {
                throw recorded.usage("--metric=" + m.key() + " " + why);
              });
      return Optional.of(m);
    } catch (UnknownNameException e) {
      throw recorded.usage(e.getMessage());
    }
  }

  private Metric score(Discovery d, Optional<Metric> wanted) {
    if (wanted.isPresent()) {
      wanted
          .get()
          .inapplicable(d.test())
          .ifPresent(
              why -> {
                throw recorded.usage("--metric=" + wanted.get().key() + " " + why);
              });
      return wanted.get();
    }
    return CircuitTests.usualScore(d.test())
        .orElseThrow(
            () -> recorded.usage("no metric of answers applies to these prompts; give --metric"));
  }

  private void print(CircuitTests t, boolean resampled) {
    PrintWriter print = spec.commandLine().getOut();
    Equivalence e = t.equivalence();
    Independence i = t.independence();
    Minimality m = t.minimality();
    say("%,d edges; %s on %,d prompts", t.circuit().size(), t.metric().key(), t.prompts());
    say(
        "  means         circuit %.4g, model %.4g, complement %.4g",
        t.score(), t.model(), t.complement());
    say(
        "  equivalence   p = %-8.3g %s: above the model on %,d, below on %,d",
        e.pValue(), verdict(e.pValue()), e.above(), e.below());
    say(
        "  independence  p = %-8.3g %s: HSIC %.3g, %,d permutations",
        i.pValue(), verdict(i.pValue()), i.hsic(), i.permutations());
    if (resampled) {
      print.println(
          "                (resampled: the complement also sees each prompt's corrupt twin)");
    }
    List<Edge> redundant = m.redundant(level);
    double least = m.rows().stream().mapToDouble(Minimality.Row::adjusted).min().orElse(1);
    say(
        "  minimality    p = %-8.3g %s: %,d of %,d edges no better than random",
        least, verdict(least), redundant.size(), m.rows().size());
    for (Edge edge : redundant.subList(0, Math.min(SHOWN, redundant.size()))) {
      print.println("                " + edge);
    }
    if (redundant.size() > SHOWN) {
      print.println("                and " + (redundant.size() - SHOWN) + " more");
    }
    for (CircuitTests.Control c : t.controls()) {
      say(
          "  %-12s  p = %-8.3g %s: %,d of %,d random circuits as near",
          c.matching() == CircuitTests.Matching.SIZE ? "same size" : "capacity",
          c.pValue(),
          verdict(c.pValue()),
          c.asNear(),
          c.draws());
      say(
          "                they share %.0f %% of its edges; not equivalent: %,d",
          100 * c.shared(), c.unlike());
    }
    print.flush();
  }

  private void say(String format, Object... values) {
    spec.commandLine().getOut().println(String.format(Locale.ROOT, format, values));
  }

  private String verdict(double p) {
    return p < level ? "rejected" : "kept    ";
  }

  private void write(Run run, CircuitTests.Settings settings, List<CircuitTests> all) {
    List<TestedCircuit> tested =
        all.stream().map(t -> TestedCircuit.of(t, settings, official)).toList();
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("run", run.spec().hash());
    root.put("official", official);
    root.put("epsilon", epsilon).put("quantile", quantile).put("level", level);
    root.put("draws", draws).put("permutations", permutations).put("seed", seed);
    ArrayNode circuits = root.putArray("circuits");
    tested.forEach(t -> circuits.add(t.json()));
    String json = CanonicalJson.text(root, true) + "\n";
    Path file = out;
    if (file == null) {
      file = ResultDirectory.writeTests(recorded.directory(), json, tested);
    } else {
      AtomicFile.write(file, json);
    }
    spec.commandLine().getOut().println(file);
  }
}
