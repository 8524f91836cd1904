package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.graph.Stage;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * AtP* (Kramár et al. 2024, "AtP*: An efficient and scalable method for localizing LLM behaviour to
 * components", arXiv:2403.00745): attribution patching, mended where it misses effects.
 *
 * <ul>
 *   <li>QK fix: an edge into queries or keys gets {@code ⟨∂L/∂pattern, pattern' − pattern⟩} with
 *       the pattern recomputed, not its linear estimate, which is 0 where attention is saturated.
 *   <li>GradDrop: estimates {@code I_ℓ} by gradients that leave out what block ℓ adds to the
 *       stream, for every ℓ, so that what cancels through one block shows.
 * </ul>
 *
 * <p>Score of a node = mean over prompts of {@code 1/(L − 1) Σ_ℓ |I_ℓ|}, with {@code I_ℓ = 0} for
 * nodes of block ℓ, and {@code I_ℓ} the sum over the edges that leave it (so far the paper, but for
 * the QK fix in that sum). Score of an edge: the same of its one estimate, by where it leads: 0 for
 * edges into block ℓ; what is in no block is divided by L. Without GradDrop: mean of {@code |I|}.
 *
 * @param measure the loss (its mask value and samples are not used), and the ablation
 * @param qkFix whether patterns are recomputed
 * @param gradDrop whether blocks are left out
 * @param signed whether signs stay: the means are then of {@code I_ℓ}, and with neither of the two
 *     this is {@code eap}
 * @param verify how many exact runs verify the scores; 0 for none
 * @param confidence of the bound on effects that are not verified
 * @param seed of the subsets that it is estimated by
 */
public record AtpStar(
    MaskGradient measure,
    boolean qkFix,
    boolean gradDrop,
    boolean signed,
    int verify,
    double confidence,
    long seed)
    implements PromptAlgorithm, VerifyingAlgorithm {
  /**
   * Checks the numbers.
   *
   * @param measure the loss (its mask value and samples are not used), and the ablation
   * @param qkFix whether patterns are recomputed
   * @param gradDrop whether blocks are left out
   * @param signed whether signs stay
   * @param verify how many exact runs verify the scores; 0, or at least 16
   * @param confidence between 0 and 1
   * @param seed of the subsets
   * @throws IllegalArgumentException if there are too few runs, the confidence is none, or the
   *     measure has rules
   */
  public AtpStar {
    if (verify < 0 || (verify > 0 && verify < 2 * Verification.LEAST)) {
      throw new IllegalArgumentException(
          "verify="
              + verify
              + " runs are too few for a bound; give 0, or "
              + 2 * Verification.LEAST
              + " or more");
    }
    if (!(confidence > 0 && confidence < 1)) {
      throw new IllegalArgumentException(
          "confidence=" + confidence + " must lie between 0 and 1; give 0.99, say");
    }
    if (!measure.rules().rules().isEmpty()) {
      throw new IllegalArgumentException(
          "rules=" + measure.rules().names() + " do not go with atp-star; choose eap for them");
    }
  }

  /**
   * As in the paper, without verification.
   *
   * @param measure the loss (its mask value and samples are not used), and the ablation
   */
  public AtpStar(MaskGradient measure) {
    this(measure, true, true, false, 0, 0.99, 42);
  }

  @Override
  public String key() {
    return "atp-star";
  }

  @Override
  public String title() {
    StringBuilder without = new StringBuilder();
    without.append(qkFix ? "" : ", no QK fix").append(gradDrop ? "" : ", no GradDrop");
    without.append(signed ? ", signed" : "").append(verify > 0 ? ", verified" : "");
    return "AtP*" + (without.isEmpty() ? "" : " (" + without.substring(2) + ")");
  }

  @Override
  public Settings settings() {
    Map<String, Object> values = GradientSettings.values(measure);
    values.put(AtpStarProvider.QK_FIX, qkFix);
    values.put(AtpStarProvider.GRAD_DROP, gradDrop);
    values.put(AtpStarProvider.SIGNED, signed);
    values.put(AtpStarProvider.VERIFY, verify);
    values.put(AtpStarProvider.CONFIDENCE, confidence);
    return Settings.of(AtpStarProvider.SETTINGS, values);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(measure.ablation());
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    requireFit(graph);
    measure.requireFit(graph, prompts);
  }

  private void requireFit(ComputationGraph graph) {
    InputGradients.requireFit(key(), graph);
    if (qkFix && !(graph.factorized() && graph.separateQkv())) {
      throw new IllegalArgumentException(
          "--qk-fix needs inputs of their own for queries and keys; give --qk-fix=false, or "
              + (graph.factorized() ? "--separate-qkv" : "--graph factorized"));
    }
    if (gradDrop && graph.blocks() < 2) {
      throw new IllegalArgumentException(
          "--grad-drop needs blocks=2 or more, and the model has blocks="
              + graph.blocks()
              + "; give --grad-drop=false");
    }
  }

  @Override
  public List<String> remarks(ComputationGraph graph) {
    return gradDrop && graph.blocks() == 2
        ? List.of(
            "GradDrop leaves out one block at a time, and the model has two: effects that go through"
                + " both are not seen; --grad-drop=false sees them")
        : List.of();
  }

  @Override
  public boolean verifies() {
    return verify > 0;
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return score(model, batches, EdgeGroups.each(model.graph()), progress).ofEdges();
  }

  /**
   * {@inheritDoc}
   *
   * <p>As nodes where their edges lead to several destinations, else as edges.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    return verifies()
        ? scoreVerified(model, batches, groups, progress).scores()
        : estimates(model, batches, groups, progress);
  }

  @Override
  public Verified scoreVerified(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    if (!verifies()) {
      throw new IllegalStateException("verify=0: nothing is to be verified; call score");
    }
    GroupScores estimates = estimates(model, batches, groups, progress);
    return new Verifier(measure, signed, model, batches, estimates, progress)
        .verified(verify, confidence, seed);
  }

  private GroupScores estimates(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    requireFit(model.graph());
    PruneScores first =
        scores(model, batches).shared(Work.BLOCK_PROMPT_GRADIENT, terms(groups), progress);
    float[] values = new float[groups.size()];
    for (int g = 0; g < values.length; g++) {
      values[g] = first.values()[groups.first(g)];
    }
    return new GroupScores(groups, values);
  }

  /**
   * {@inheritDoc}
   *
   * @throws IllegalArgumentException if scores shall be verified, which is done for all prompts
   *     together
   */
  @Override
  public PromptScores scorePrompts(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    if (verifies()) {
      throw new IllegalArgumentException(
          "--verify="
              + verify
              + " verifies the scores of all prompts together, but --per-prompt is given; leave"
              + " one of them out");
    }
    requireFit(model.graph());
    return scores(model, batches)
        .each(Work.BLOCK_PROMPT_GRADIENT, terms(EdgeGroups.each(model.graph())), progress);
  }

  private GradientScores scores(PatchableModel model, List<PromptBatch> batches) {
    return new GradientScores(
        model,
        batches,
        measure.ablation(),
        measure.source().direction(),
        "batches of gradients",
        1,
        1);
  }

  /** The first edge of a group stands for all of them. */
  private GradientScores.Gradients terms(EdgeGroups groups) {
    ComputationGraph graph = groups.graph();
    int edges = graph.edgeCount();
    int[] blocks = blocks(groups);
    int last = graph.blocks();
    GradientScores.Gradients all =
        (part, instances, sums, pass) -> {
          part.run()
              .terms(
                  gradDrop,
                  qkFix,
                  measure.of(part, null),
                  (dropped, gradient) -> {
                    double[] effects = groups.sum(gradient); // [B × groups]
                    for (int i = 0; i < effects.length; i++) {
                      int g = i % groups.size();
                      if (dropped < 0 || blocks[g] != dropped) {
                        int row = instances == 0 ? 0 : i / groups.size() * edges;
                        int terms = dropped < 0 ? 1 : blocks[g] < 0 ? last : last - 1;
                        sums[row + groups.first(g)] +=
                            (signed ? effects[i] : Math.abs(effects[i])) / terms;
                      }
                    }
                  });
          pass.run();
        };
    return GradientScores.Gradients.together(gradDrop ? graph.blocks() : 0, all);
  }

  /** The block in which each group is; −1 for none. */
  private static int[] blocks(EdgeGroups groups) {
    ComputationGraph graph = groups.graph();
    int[] blocks = new int[groups.size()];
    for (int g = 0; g < blocks.length; g++) {
      Edge first = graph.edge(groups.first(g));
      boolean edge =
          groups.edges(g).allMatch(e -> graph.edge(e).destination().equals(first.destination()));
      blocks[g] =
          edge && graph.factorized()
              ? first.destination().block() == graph.blocks() ? -1 : first.destination().block()
              : writer(graph, first);
    }
    return blocks;
  }

  /** The block of the head or MLP that an edge leaves; −1 of the stream. */
  private static int writer(ComputationGraph graph, Edge edge) {
    int source = edge.source().index();
    return graph.stages().stream()
        .filter(s -> s.parts() > 1 || s.kind() == Stage.Kind.MLP)
        .filter(s -> source >= s.firstWritten() && source < s.firstWritten() + s.written())
        .mapToInt(Stage::block)
        .findFirst()
        .orElse(-1);
  }
}
