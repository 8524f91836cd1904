package io.autocircuit.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.experiment.LearnedCompleteness;
import io.autocircuit.experiment.Run;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.CanonicalJson;
import io.autocircuit.graph.Edge;
import io.autocircuit.metric.Completeness;
import io.autocircuit.patch.Circuit;
import io.autocircuit.prune.KnockoutTraining;
import io.autocircuit.prune.MaskFunction;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code completeness DIR}: whether a circuit behaves as the model does under knockouts too. */
@Command(
    name = "completeness",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Measures how complete the circuits of a discovery are: learns, on the prompts that score,"
          + " which of a circuit's edges tell it from the model most when they are taken out of"
          + " both, and measures the divergence without them on the prompts that judge.",
    })
final class CompletenessCommand implements Callable<Integer> {
  private static final int EPOCHS = 20;
  private static final int SHOWN = 5;

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
      description = "Of the run's known circuit itself, instead of the discovery's.")
  private boolean official;

  @Option(
      names = "--epochs",
      paramLabel = "N",
      description =
          "Passes over the prompts in which knockouts are learned (default: " + EPOCHS + ").")
  private int epochs = EPOCHS;

  @Option(
      names = "--learning-rate",
      paramLabel = "X",
      defaultValue = "0.1",
      description = "Adam's step (default: ${DEFAULT-VALUE}).")
  private double learningRate;

  @Option(
      names = "--lambda",
      paramLabel = "X",
      defaultValue = "1",
      description = "Weight of the penalty of knockouts (default: ${DEFAULT-VALUE}).")
  private double lambda;

  @Option(
      names = "--mask-fn",
      paramLabel = "NAME",
      defaultValue = "hard_concrete",
      description =
          "What makes a mask of a learned number: sigmoid or hard_concrete (default:"
              + " ${DEFAULT-VALUE}).")
  private MaskFunction maskFunction;

  @Option(
      names = "--target",
      paramLabel = "NAME",
      defaultValue = "kl_div",
      description =
          "In what circuit and model are to differ: kl_div or logit_diff (default:"
              + " ${DEFAULT-VALUE}).")
  private KnockoutTraining.Target target;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      defaultValue = "completeness.json",
      description =
          "Where it is written, with the names of the knockouts (default: ${DEFAULT-VALUE}).")
  private Path out;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public Integer call() {
    if (maskFunction == MaskFunction.NONE) {
      throw recorded.usage("--mask-fn=none lets masks leave 0 to 1; give sigmoid or hard_concrete");
    }
    RunSpec found = recorded.withCircuits(edges, official, "measure one");
    AtomicFile.requireWritable(out);
    try (Run run = recorded.open(found)) {
      Discovery d = run.discovery();
      KnockoutTraining training = training(run);
      List<LearnedCompleteness> all = new ArrayList<>();
      for (Circuit circuit : recorded.circuits(d, edges, official)) {
        try (Bars bars = Bars.onTerminal()) {
          all.add(run.with(() -> LearnedCompleteness.of(d, circuit, training, bars)));
        }
      }
      print(all);
      write(run, all);
    }
    return 0;
  }

  private KnockoutTraining training(Run run) {
    try {
      return new KnockoutTraining(
          learningRate,
          epochs,
          lambda,
          maskFunction,
          run.discovery().runs().ablation(),
          target,
          run.spec().seed());
    } catch (IllegalArgumentException e) {
      throw recorded.usage(e.getMessage());
    }
  }

  private void print(List<LearnedCompleteness> all) {
    PrintWriter print = spec.commandLine().getOut();
    print.println("KL divergence from the model in nats, of the circuit as it is and without its");
    print.println("learned knockouts, which the model then lacks too");
    print.printf(
        Locale.ROOT, "%7s  %11s  %10s  %10s%n", "edges", "knocked out", "normal", "knockout");
    for (LearnedCompleteness one : all) {
      Completeness c = one.measured();
      print.printf(
          Locale.ROOT,
          "%,7d  %,11d  %10.4g  %10.4g%n",
          c.edges(),
          c.knockedOut(),
          c.normal(),
          c.knockout());
    }
    for (LearnedCompleteness one : all) {
      List<String> names = one.knockouts().edges().stream().map(Edge::toString).toList();
      if (!names.isEmpty()) {
        int more = names.size() - SHOWN;
        print.println(
            "knocked out of "
                + one.measured().edges()
                + ": "
                + String.join(", ", names.subList(0, Math.min(SHOWN, names.size())))
                + (more > 0 ? " and " + more + " more" : ""));
      }
    }
    print.flush();
  }

  private void write(Run run, List<LearnedCompleteness> all) {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("run", run.spec().hash());
    root.put("ablation", run.discovery().runs().ablation().key());
    root.put("epochs", epochs).put("learning_rate", learningRate).put("lambda", lambda);
    root.put("mask_fn", maskFunction.name().toLowerCase(Locale.ROOT));
    root.put("target", target.name().toLowerCase(Locale.ROOT));
    root.put("official", official);
    ArrayNode circuits = root.putArray("circuits");
    for (LearnedCompleteness one : all) {
      Completeness c = one.measured();
      ObjectNode node = circuits.addObject();
      node.put("edges", c.edges()).put("knocked_out", c.knockedOut());
      node.put("normal", c.normal()).put("knockout", c.knockout());
      ArrayNode names = node.putArray("knockouts");
      for (Edge e : one.knockouts().edges()) {
        names
            .addObject()
            .put("name", e.name())
            .put("seq_idx", e.position() < 0 ? null : Integer.valueOf(e.position()));
      }
    }
    AtomicFile.write(out, CanonicalJson.text(root, true) + "\n");
    spec.commandLine().getOut().println(out);
  }
}
