package io.autocircuit.cli;

import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.Columns;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.experiment.PromptSource;
import io.autocircuit.experiment.PromptSource.Reading;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.Transformer;
import io.autocircuit.report.ResultDirectory;
import io.autocircuit.task.AutoencoderTrainer;
import io.autocircuit.task.AutoencoderTrainer.Settings;
import io.autocircuit.tensor.Device;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code autoencoders train}: one for each block of a model. */
@Command(
    name = "train",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Trains a sparse autoencoder of the MLP output of each block, on texts that the model itself"
            + " samples, and writes them in the layout of SAELens. For small models.")
final class AutoencodersTrainCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--model",
      required = true,
      paramLabel = "MODEL",
      description = "The model directory, or a name on the Hugging Face hub.")
  private Path model;

  @CommandLine.Mixin private HubOption hub;

  @Option(
      names = "--dataset",
      paramLabel = "FILE",
      description =
          "Prompt pairs, as for discover, to train on too; their first tokens begin the texts."
              + " Default: texts begin with any token.")
  private Path dataset;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "Where to write them: blocks.0, blocks.1, …")
  private Path out;

  @Option(
      names = "--latents",
      paramLabel = "K",
      defaultValue = "0",
      description = "Latents of each; 0 for four times the model's width (default).")
  private int latents;

  @Option(
      names = "--sparsity",
      paramLabel = "X",
      defaultValue = "0.02",
      description = "Weight of the sum of activations in the loss (default: ${DEFAULT-VALUE}).")
  private double sparsity;

  @Option(
      names = "--steps",
      paramLabel = "N",
      defaultValue = "2000",
      description = "Steps of Adam (default: ${DEFAULT-VALUE}).")
  private int steps;

  @Option(
      names = "--texts",
      paramLabel = "NxT",
      defaultValue = "256x64",
      description = "Number and length of the texts (default: ${DEFAULT-VALUE}).")
  private String texts;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "Seed of texts and weights (default: ${DEFAULT-VALUE}).")
  private long seed;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public Integer call() {
    Settings settings = settings();
    ResultDirectory.requireWritable(out);
    model = hub.directory(model, spec.commandLine().getErr());
    PrintWriter to = spec.commandLine().getOut();
    long start = System.nanoTime();
    try (Transformer transformer = ModelLoader.load(model);
        KernelsProvider.Choice kernels = KernelsProvider.choose(Device.CPU);
        Bars bars = Bars.onTerminal()) {
      List<AutoencoderTrainer.Trained> all =
          AutoencoderTrainer.trainTo(
              out, transformer, kernels.kernels(), prompts(transformer), settings, bars::update);
      bars.close();
      to.printf("%-6s %8s %10s %8s %6s%n", "block", "latents", "explained", "active", "used");
      for (AutoencoderTrainer.Trained t : all) {
        to.printf(
            Locale.ROOT,
            "%-6d %8d %9.1f%% %8.2f %6d%n",
            t.block(),
            t.latents(),
            100 * t.explained(),
            t.active(),
            t.used());
      }
    }
    to.printf(
        Locale.ROOT,
        "trained in %.1f s; the autoencoders are in %s%n",
        (System.nanoTime() - start) / 1e9,
        out);
    to.flush();
    return 0;
  }

  private Settings settings() {
    Settings usual = Settings.standard();
    try {
      if (!texts.matches("[1-9]\\d{0,6}x[1-9]\\d{0,6}")) {
        throw new IllegalArgumentException("--texts=" + texts + " is not NxT, such as 256x64");
      }
      int by = texts.indexOf('x');
      return new Settings(
          latents,
          Integer.parseInt(texts.substring(0, by)),
          Integer.parseInt(texts.substring(by + 1)),
          steps,
          usual.batchSize(),
          usual.learningRate(),
          sparsity,
          seed);
    } catch (IllegalArgumentException e) {
      throw new CommandLine.ParameterException(spec.commandLine(), e.getMessage(), e);
    }
  }

  /** Prompts of a file, one after another. */
  private List<TokenBatch> prompts(Transformer transformer) {
    if (dataset == null) {
      return List.of();
    }
    TokenizedDataset read =
        PromptSource.at(dataset, Columns.NONE)
            .read(
                transformer,
                new Reading(model, BosPolicy.AUTO, MultiTokenAnswers.REFUSE, true, seed));
    return read.prompts().stream()
        .map(p -> new TokenBatch(p.clean(), 1, p.clean().length, new int[1]))
        .toList();
  }
}
