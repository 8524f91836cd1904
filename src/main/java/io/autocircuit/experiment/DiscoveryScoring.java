package io.autocircuit.experiment;

import io.autocircuit.experiment.Discovery.Scored;
import io.autocircuit.files.DataException;
import io.autocircuit.graph.EdgeGroups;
import io.autocircuit.patch.GroupScores;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.MicroBatch;
import io.autocircuit.patch.NodeScores;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.Progress;
import io.autocircuit.patch.PromptScores;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.prune.PromptAlgorithm;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.VerifyingAlgorithm;
import io.autocircuit.tensor.TensorScope;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.global.torch;

/**
 * Scores the edges, or nodes, of a discovery.
 *
 * @param of whose edges
 */
record DiscoveryScoring(Discovery of) {
  /** As {@link Discovery#scored}. */
  Scored scored(Progress progress) {
    PruneAlgorithm algorithm = of.algorithm();
    List<String> notices = new ArrayList<>();
    Progress noting = progress.noting(notices::add);
    if (of.perPrompt() > 0) {
      check(noting);
      PromptScores prompts =
          ((PromptAlgorithm) algorithm).scorePrompts(of.model(), of.train(), noting);
      return new Scored(prompts.mean(), Optional.of(prompts), notices, Optional.empty());
    }
    if (algorithm instanceof VerifyingAlgorithm v && v.verifies()) {
      check(noting);
      VerifyingAlgorithm.Verified verified =
          v.scoreVerified(of.model(), of.train(), groups(), noting);
      PruneScores scores = edges(verified.scores());
      return new Scored(scores, Optional.empty(), notices, Optional.of(verified.verification()));
    }
    return new Scored(score(noting), Optional.empty(), notices, Optional.empty());
  }

  /** As {@link Discovery#score}. */
  PruneScores score(Progress progress) {
    check(progress);
    return of.level() == Level.NODE
        ? edges(of.algorithm().score(of.model(), of.train(), groups(), progress))
        : of.algorithm().score(of.model(), of.train(), progress);
  }

  /** What is scored. */
  private EdgeGroups groups() {
    return of.level() == Level.NODE
        ? of.model().graph().nodes().groups()
        : EdgeGroups.each(of.model().graph());
  }

  private PruneScores edges(GroupScores scores) {
    return of.level() == Level.NODE
        ? NodeScores.of(of.model().graph().nodes(), scores).edges()
        : scores.ofEdges();
  }

  private void check(Progress progress) {
    PatchableModel model = of.model();
    if (of.train().isEmpty()) {
      throw new DataException("train prompts=0; give at least one to score the edges on");
    }
    // a memory budget that is too small for judging should not show after hours of scoring
    MemoryEstimate.Work circuits = MemoryEstimate.Work.CIRCUITS;
    MicroBatch.within(model, circuits, of.runs().ablation(), of.test());
    for (MicroBatch m :
        MicroBatch.within(model, circuits, of.runs().ablation(), of.train()).get(0)) {
      try (TensorScope scope = new TensorScope()) {
        if (!torch.isfinite(model.logits(m.prompts().clean())).all().item_bool()) {
          throw new DataException(
              "model="
                  + model.model().config().name()
                  + " gives logits that are not finite; its weights are too large or damaged, get"
                  + " them again");
        }
      }
    }
    if (of.usesConstants()) {
      model.constants().get(progress);
    }
  }
}
