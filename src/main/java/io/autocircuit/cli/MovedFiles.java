package io.autocircuit.cli;

import io.autocircuit.cli.DiscoverOptions.Input;
import io.autocircuit.cli.DiscoverOptions.Scoring;
import io.autocircuit.experiment.AutoencoderSource;
import io.autocircuit.experiment.AvoidedEdges;
import io.autocircuit.experiment.ModelSource;
import io.autocircuit.experiment.OfficialSource;
import io.autocircuit.experiment.PromptSource;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.experiment.StoredFile;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The new places of the files of a recorded run.
 *
 * @param input which model and prompts were typed
 * @param scoring which files of scoring were typed
 */
record MovedFiles(Input input, Scoring scoring) {

  /** The same run with files that lie elsewhere now. */
  RunSpec of(RunSpec recorded) {
    RunSpec spec = recorded;
    if (input.model != null) {
      if (!(spec.model() instanceof ModelSource.Directory d)) {
        throw noSuchFile("--model", "no model directory");
      }
      spec = spec.withModel(new ModelSource.Directory(input.model, d.contents()));
    }
    if (input.dataset != null) {
      if (!(spec.prompts().source() instanceof PromptSource.File f)) {
        throw noSuchFile("--dataset", "no prompt file");
      }
      spec =
          spec.withPrompts(
              spec.prompts()
                  .withSource(
                      new PromptSource.File(
                          new StoredFile(input.dataset, f.file().sha256()), f.columns())));
    }
    if (scoring.autoencoders != null) {
      RunSpec.Graph graph = spec.graph();
      if (graph.autoencoders().isEmpty()) {
        throw noSuchFile("--autoencoders", "no autoencoders");
      }
      spec = spec.withGraph(AutoencoderSource.moved(graph, scoring.autoencoders));
    }
    if (scoring.scores != null) {
      if (!(spec.scoring() instanceof RunSpec.Saved s)) {
        throw noSuchFile("--scores", "no saved scores");
      }
      spec = spec.withScoring(new RunSpec.Saved(new StoredFile(scoring.scores, s.file().sha256())));
    }
    if (scoring.avoid != null) {
      if (!(spec.scoring() instanceof RunSpec.Algorithm a)
          || !(a.avoid().orElse(null) instanceof AvoidedEdges.Stored s)) {
        throw noSuchFile("--avoid", "no file of edges to avoid");
      }
      StoredFile place = new StoredFile(Path.of(scoring.avoid), s.file().sha256());
      spec =
          spec.withScoring(
              new RunSpec.Algorithm(
                  a.key(), a.settings(), Optional.of(new AvoidedEdges.Stored(place, s.first()))));
    }
    if (scoring.constants != null) {
      if (spec.constants().isEmpty()) {
        throw noSuchFile("--constants", "no file of constants");
      }
      Optional<String> hash = spec.constants().get().sha256();
      spec = spec.withConstants(Optional.of(new StoredFile(scoring.constants, hash)));
    }
    if (scoring.official != null) {
      if (!(spec.official().orElse(null) instanceof OfficialSource.Stored s)) {
        throw noSuchFile("--official", "no file of an official circuit");
      }
      spec =
          spec.withOfficial(
              Optional.of(
                  new OfficialSource.Stored(new StoredFile(scoring.official, s.file().sha256()))));
    }
    return spec;
  }

  private IllegalArgumentException noSuchFile(String option, String what) {
    return new IllegalArgumentException(
        option
            + " is given, but the run of --run="
            + input.run
            + " has "
            + what
            + "; leave it away");
  }
}
