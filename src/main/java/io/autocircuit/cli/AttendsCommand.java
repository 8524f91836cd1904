package io.autocircuit.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.data.TokenTexts;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.experiment.Run;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.CanonicalJson;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.graph.UnknownNameException;
import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.model.ModelFiles;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.patch.AttentionScore;
import io.autocircuit.patch.AttentionScore.Contribution;
import io.autocircuit.patch.AttentionScores;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.task.Task;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code attends}: why a head attends as it does. */
@Command(
    name = "attends",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    customSynopsis = {
      "autocircuit attends DIR --head HEAD [OPTIONS]",
      "autocircuit attends --model MODEL (--text TEXT | --tokens IDS) --head HEAD [OPTIONS]"
    },
    description = {
      "Says why a head attends: takes the score of a query and a key, before the softmax, apart"
          + " into what each source wrote at the two positions. The scales of normalisations are"
          + " held as they are in the run, so that the parts add up to the score."
    })
final class AttendsCommand implements Callable<Integer> {
  private static final int PAIRS_IN_FILE = 1000;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(
      arity = "0..1",
      paramLabel = "DIR",
      description = "What discover --out wrote: its run.json says the model and the prompts.")
  private Path directory;

  @Option(
      names = "--model",
      paramLabel = "MODEL",
      description = "Instead of DIR: model directory, or a name on the Hugging Face hub.")
  private Path model;

  @Option(
      names = "--head",
      paramLabel = "HEAD",
      required = true,
      description = "Which head: A1.0 is the first of the second block.")
  private String head;

  @Option(
      names = "--prompt",
      paramLabel = "N",
      description =
          "Which prompt of DIR, by its number in the file, from 0. Default: the first that judges.")
  private Integer prompt;

  @Option(names = "--corrupt", description = "Its corrupt prompt, rather than the clean one.")
  private boolean corrupt;

  @Option(names = "--text", paramLabel = "TEXT", description = "A prompt of your own.")
  private String text;

  @Option(
      names = "--tokens",
      split = ",",
      paramLabel = "ID",
      description = "A prompt of your own as token ids, BOS included.")
  private List<Integer> tokens;

  @Option(
      names = "--bos",
      paramLabel = "POLICY",
      defaultValue = "auto",
      description = "First token of --text, as for discover (default: ${DEFAULT-VALUE}).")
  private BosPolicy bos;

  @Option(
      names = "--query",
      paramLabel = "POS",
      description = "The position that looks, from 0. Default: the last, where the answer is.")
  private Integer query;

  @Option(
      names = "--key",
      paramLabel = "POS",
      description = "The position that is looked at. Default: the one with the most attention.")
  private Integer key;

  @Option(
      names = "--best",
      paramLabel = "N",
      defaultValue = "10",
      description = "Rows of each table that are printed (default: ${DEFAULT-VALUE}).")
  private int best;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Write all rows of both sides, and the 1,000 greatest pairs.")
  private Path json;

  @Mixin private DeviceOption device;

  @Mixin private HubOption hub;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  /**
   * What is looked at.
   *
   * @param what the prompt, for people
   */
  private record Prompt(String what, int[] ids, Optional<Path> files) {}

  @Override
  public Integer call() {
    check();
    return directory == null ? ofModel() : ofRun();
  }

  private void check() {
    if ((directory == null) == (model == null)) {
      throw usage("give either DIR or --model MODEL");
    }
    if (text != null && tokens != null) {
      throw usage("give --text or --tokens, not both");
    }
    boolean own = text != null || tokens != null;
    if (directory == null && !own) {
      throw usage("--model needs --text or --tokens: a prompt");
    }
    if (own && (prompt != null || corrupt)) {
      throw usage("--prompt and --corrupt belong to the prompts of DIR; leave --text and --tokens");
    }
    if (best < 1) {
      throw usage("--best=" + best + " is out of range; give 1 or more");
    }
    if (json != null) {
      AtomicFile.requireWritable(json);
    }
  }

  private int ofModel() {
    Path files = hub.directory(model, spec.commandLine().getErr());
    DeviceChoice on = device.choose();
    try (Transformer loaded = ModelLoader.load(files).to(on.device());
        KernelsProvider.Choice kernels = KernelsProvider.choose(on.device())) {
      Prompt own = own(Optional.of(ModelFiles.of(files).directory()));
      return look(PatchableModel.of(loaded, true, 0, OutputSlice.LAST_SEQ, kernels.kernels()), own);
    }
  }

  private int ofRun() {
    DeviceChoice on = device.choose();
    try (Run run =
        Run.open(
            hub.located(RecordedRun.read(directory), spec.commandLine().getErr()),
            new Run.Means(Optional.of(on), Optional.empty(), Optional.empty()))) {
      Optional<Path> files = run.spec().model().directory();
      Prompt looked = text == null && tokens == null ? recorded(run, files) : own(files);
      return run.with(() -> look(run.discovery().model(), looked));
    }
  }

  private Prompt recorded(Run run, Optional<Path> files) {
    int wanted = prompt == null ? run.testPrompts()[0] : prompt;
    List<TokenizedPair> all = run.task().prompts().prompts();
    TokenizedPair pair =
        all.stream()
            .filter(p -> p.index() == wanted)
            .findFirst()
            .orElseThrow(
                () ->
                    usage(
                        "--prompt="
                            + wanted
                            + " is none of the run's prompts; give 0 to "
                            + (all.size() - 1)));
    return new Prompt(
        (corrupt ? "corrupt" : "clean") + " prompt " + wanted,
        corrupt ? pair.corrupt() : pair.clean(),
        files);
  }

  private Prompt own(Optional<Path> files) {
    if (tokens != null) {
      return new Prompt("these tokens", tokens.stream().mapToInt(i -> i).toArray(), files);
    }
    Path folder =
        files.orElseThrow(
            () -> usage("--text needs a model with a tokenizer; this one has none, give --tokens"));
    try (HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.load(folder, bos)) {
      return new Prompt("this text", tokenizer.encodePrompt(text).ids(), files);
    }
  }

  private int look(PatchableModel patchable, Prompt looked) {
    int length = looked.ids().length;
    try (AttentionScores scores =
        AttentionScores.of(patchable, new TokenBatch(looked.ids(), 1, length, new int[1]))) {
      SrcNode node = scores.head(head);
      int from = query == null ? length - 1 : query;
      AttentionScore score =
          key == null
              ? scores.ofMost(node.block(), node.head(), from)
              : scores.of(node.block(), node.head(), from, key);
      List<String> texts =
          Task.texts(looked.ids(), looked.files().orElse(null)).stream()
              .map(TokenTexts::visible)
              .toList();
      String name = patchable.model().config().name();
      new AttendsPrintout(spec.commandLine().getOut(), best)
          .print(score, name, looked.what(), texts);
      if (json != null) {
        AtomicFile.write(json, CanonicalJson.text(json(score, name, looked, texts), true) + "\n");
        spec.commandLine().getOut().println(json);
      }
      spec.commandLine().getOut().flush();
      return 0;
    } catch (UnknownNameException e) {
      throw usage(e.getMessage());
    } catch (IllegalArgumentException e) {
      String why = e.getMessage();
      throw usage(why.startsWith("query=") || why.startsWith("key=") ? "--" + why : why);
    }
  }

  private static ObjectNode json(
      AttentionScore score, String model, Prompt looked, List<String> texts) {
    AttentionScore.Value value = score.value();
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("model", model).put("prompt", looked.what());
    Arrays.stream(looked.ids()).forEach(root.putArray("ids")::add);
    texts.forEach(root.putArray("tokens")::add);
    root.put("head", score.place().name());
    root.put("query", score.place().query()).put("key", score.place().key());
    root.put("attention", value.attention()).put("score", value.score());
    root.put("product", value.product()).put("distance", value.distance()).put("cap", value.cap());
    rows(root.putArray("query_side"), score.querySide());
    rows(root.putArray("key_side"), score.keySide());
    root.put("pair_count", score.pairCount());
    ArrayNode pairs = root.putArray("pairs");
    for (AttentionScore.Pair p : score.pairs(PAIRS_IN_FILE)) {
      pairs.addObject().put("query", p.query()).put("key", p.key()).put("value", p.value());
    }
    return root;
  }

  private static void rows(ArrayNode list, List<Contribution> side) {
    side.forEach(c -> list.addObject().put("name", c.name()).put("value", c.value()));
  }

  private CommandLine.ParameterException usage(String message) {
    return new CommandLine.ParameterException(spec.commandLine(), message);
  }
}
