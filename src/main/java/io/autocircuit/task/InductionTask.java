package io.autocircuit.task;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.model.ModelFiles;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** {@code induction}: the {@link EmbeddedTask}. */
public final class InductionTask implements TaskProvider {
  /** For the catalogue. */
  public InductionTask() {}

  @Override
  public String key() {
    return EmbeddedTask.NAME;
  }

  @Override
  public String title() {
    return "Induction";
  }

  @Override
  public String description() {
    return "the model that travels in the jar: two blocks of attention that complete … A B … A with"
        + " B; the default";
  }

  @Override
  public Source source() {
    return Source.OURS;
  }

  @Override
  public Transformer model(
      Settings settings, WeightProcessing processing, ScalarType type, long seed) {
    return EmbeddedTask.model(processing, type);
  }

  @Override
  public TokenizedDataset prompts(Settings settings, Transformer model, long seed) {
    return Task.tokenize(EmbeddedTask.prompts(), null, BosPolicy.AUTO);
  }

  /**
   * The circuit that patching every edge alone shows: the previous-token head A0.2 reads the
   * embedding by its values, all heads of block 1 find it by their keys and write the answer. On
   * these prompts its nine edges have effects of 3.5 to 28.8 on the logit difference, all others of
   * 0.15 at most ({@code datasets/README.md}).
   */
  @Override
  public List<KnownCircuit> circuits(Settings settings) {
    return List.of(
        new KnownCircuit(
            EmbeddedTask.NAME,
            "Induction heads",
            "the previous-token head, the keys of the four induction heads and their outputs",
            Source.arxiv(
                "Olsson et al. (2022), In-context learning and induction heads", "2209.11895"),
            (graph, words) -> edges(graph)));
  }

  private static List<Edge> edges(ComputationGraph graph) {
    boolean separate = graph.separateQkv();
    List<Edge> all = new ArrayList<>(graph.edges("Resid Start->A0.2" + (separate ? ".V" : "")));
    for (int head = 0; head < graph.heads(); head++) {
      all.addAll(graph.edges("A0.2->A1." + head + (separate ? ".K" : "")));
      all.addAll(graph.edges("A1." + head + "->Resid End"));
    }
    return all;
  }

  @Override
  public boolean usesSeed(Settings settings) {
    return false;
  }

  @Override
  public Optional<String> fingerprint(Settings settings) {
    ModelFiles files = ModelFiles.of(EmbeddedTask.directory());
    String parts =
        Fingerprint.of(files.directory(), files.weights())
            + Fingerprint.of(files.directory().resolve(ModelFiles.CONFIG))
            + Fingerprint.of(EmbeddedTask.promptBytes());
    return Optional.of(Fingerprint.of(parts.getBytes(StandardCharsets.UTF_8)));
  }
}
