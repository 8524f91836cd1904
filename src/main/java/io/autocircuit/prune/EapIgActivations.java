package io.autocircuit.prune;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.graph.Stage;
import io.autocircuit.patch.Ablation;
import io.autocircuit.patch.GradientOf;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.MemoryEstimate.Work;
import io.autocircuit.patch.NeuronScores;
import io.autocircuit.patch.NeuronSums;
import io.autocircuit.patch.OpenMicroBatch;
import io.autocircuit.patch.PatchMask;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * EAP-IG over activations (Hanna et al. 2024, arXiv:2403.17806), as it is meant. A site is all that
 * one stage writes: the start of the stream, the heads of a block, its MLP. For each site and j = 1
 * … m the clean prompts are run with the site's outputs replaced by {@code p + j/m · (c − p)}, and
 * an edge out of it gets {@code ⟨∂loss/∂x_d, p_s − c_s⟩}, c and p of the unpatched runs. j = m is
 * the clean run itself, which all sites share.
 *
 * <p>Score = mean over prompts and steps. EAP-IG's own library gives every edge the mean over all
 * sites ({@code pooled}), and divides by the batch size besides.
 *
 * @param measure the loss (its mask value and samples are not used), the ablation and the rules
 * @param steps m
 * @param pooled whether every edge gets the mean over all sites, with the moved outputs held
 *     constant, for comparison
 */
public record EapIgActivations(MaskGradient measure, int steps, boolean pooled)
    implements PromptAlgorithm, NeuronAlgorithm {
  /**
   * Checks the number of steps.
   *
   * @param measure the loss (its mask value and samples are not used), the ablation and the rules
   * @param steps m, at least 1
   * @param pooled whether every edge gets the mean over all sites
   * @throws IllegalArgumentException if there are none
   */
  public EapIgActivations {
    if (steps < 1) {
      throw new IllegalArgumentException("steps=" + steps + " must be at least 1");
    }
  }

  /**
   * Each edge from the site of its source.
   *
   * @param measure the loss (its mask value and samples are not used), the ablation and the rules
   * @param steps m, at least 1
   * @throws IllegalArgumentException if there are none
   */
  public EapIgActivations(MaskGradient measure, int steps) {
    this(measure, steps, false);
  }

  @Override
  public String key() {
    return "eap-ig-activations";
  }

  @Override
  public String title() {
    return "EAP-IG over activations ("
        + steps
        + (steps == 1 ? " step" : " steps")
        + (pooled ? ", all sites" : "")
        + measure.ruled()
        + ")";
  }

  @Override
  public void requireFit(ComputationGraph graph, TokenizedDataset prompts) {
    InputGradients.requireFit(key(), graph);
    if (!graph.factorized()) {
      throw new IllegalArgumentException(
          "--algorithm eap-ig-activations does not fit an unfactorized graph; choose ig, or a"
              + " factorized graph");
    }
    measure.requireFit(graph, prompts);
  }

  @Override
  public Settings settings() {
    Map<String, Object> values = GradientSettings.ruledValues(measure);
    values.put("steps", steps);
    if (pooled) {
      values.put(EapIgActivationsProvider.POOLED, true);
    }
    return Settings.of(EapIgActivationsProvider.SETTINGS, values);
  }

  @Override
  public Optional<Ablation> scoringAblation() {
    return Optional.of(measure.ablation());
  }

  @Override
  public PruneScores score(PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scores(model, batches).shared(Work.BLOCK_GRADIENT, gradients(model), progress);
  }

  /**
   * {@inheritDoc}
   *
   * <p>The sum of their edges' scores.
   */
  @Override
  public GroupScores score(
      PatchableModel model, List<PromptBatch> batches, EdgeGroups groups, Progress progress) {
    return GroupScores.summed(groups, score(model, batches, progress));
  }

  @Override
  public PromptScores scorePrompts(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    return scores(model, batches).each(Work.BLOCK_PROMPT_GRADIENT, gradients(model), progress);
  }

  @Override
  public NeuronScores scoreNeurons(
      PatchableModel model, List<PromptBatch> batches, Progress progress) {
    ComputationGraph graph = model.graph();
    return scores(model, batches)
        .neurons(
            Work.BLOCK_GRADIENT,
            (part, sums, pass) ->
                visit(
                    graph,
                    pass,
                    (site, share) -> {
                      NeuronSums own = new NeuronSums(model);
                      gradient(graph, part, site, share, 0, measure.of(part, own));
                      sums.add(own, pooled ? null : site);
                    }),
            progress);
  }

  /** Takes a gradient. */
  private interface Visit {
    /**
     * Where.
     *
     * @param site what is moved; null where nothing is
     * @param share how far, 1 at its ablation
     */
    void at(Stage site, double share);
  }

  /** The end of the way, where nothing is moved, is the same of all sites: visited once. */
  private void visit(ComputationGraph graph, Runnable pass, Visit visit) {
    if (!pooled) {
      visit.at(null, 0);
      pass.run();
    }
    for (Stage site : sites(graph)) {
      for (int j = 1; pooled ? j <= steps : j < steps; j++) {
        visit.at(site, 1 - (double) j / steps);
        pass.run();
      }
    }
  }

  private float[] gradient(
      ComputationGraph graph,
      OpenMicroBatch part,
      Stage site,
      double share,
      int instances,
      GradientOf of) {
    if (site != null) {
      return part.run().siteGradient(site, share, pooled, instances > 0, of).maskGradient();
    }
    float[] values = new float[Math.max(1, instances) * graph.edgeCount()];
    return part.run().gradient(new PatchMask(graph, values, instances), of).maskGradient();
  }

  private static boolean writes(Stage site, int source) {
    int own = source - site.firstWritten();
    return own >= 0 && own < site.written();
  }

  private static List<Stage> sites(ComputationGraph graph) {
    return graph.stages().stream().filter(s -> s.written() > 0).toList();
  }

  private GradientScores scores(PatchableModel model, List<PromptBatch> batches) {
    int sites = sites(model.graph()).size();
    return new GradientScores(
        model,
        batches,
        measure.ablation(),
        measure.source().direction(),
        "gradient passes",
        pooled ? sites * steps : 1 + sites * (steps - 1),
        pooled ? sites * steps : steps,
        measure.rules());
  }

  private GradientScores.Gradients gradients(PatchableModel model) {
    ComputationGraph graph = model.graph();
    int[] sources = new int[graph.edgeCount()];
    for (int e = 0; e < sources.length; e++) {
      sources[e] = graph.edge(e).source().index();
    }
    return (part, instances, sums, pass) -> add(graph, sources, part, instances, sums, pass);
  }

  /**
   * @param sources the source of each edge
   */
  private void add(
      ComputationGraph graph,
      int[] sources,
      OpenMicroBatch part,
      int instances,
      double[] sums,
      Runnable pass) {
    GradientOf of = measure.of(part, null);
    visit(
        graph,
        pass,
        (site, share) -> {
          float[] g = gradient(graph, part, site, share, instances, of);
          for (int i = 0; i < sums.length; i++) {
            int source = sources[i % sources.length];
            sums[i] += pooled || site == null || writes(site, source) ? g[i] : 0;
          }
        });
  }
}
