package io.autocircuit.experiment;

import io.autocircuit.files.DataException;
import io.autocircuit.patch.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Runs a cell, and writes its files.
 *
 * @param directory of the store
 * @param means how runs are computed
 * @param checks what is asked of circuits beside metrics
 * @param pages writes a page for each cell; empty for none
 * @param resources that runs share
 */
record CellRunner(
    Path directory,
    Run.Means means,
    ExperimentSpec.Checks checks,
    Optional<Experiment.Pages> pages,
    RunResources resources) {

  /**
   * Runs it.
   *
   * @param key of the cell
   * @param spec its run
   * @param progress told about the work done
   * @return what the store is to write; its files are there
   */
  CellOutcome run(String key, RunSpec spec, Progress progress) {
    Instant started = Instant.now();
    long start = System.nanoTime();
    try (Run run = Run.open(spec, means, resources)) {
      Run.Timed timed = run.timed(progress);
      Discovery.Result result = timed.result();
      String scores = ExperimentStore.SCORES + "/" + key + ".safetensors";
      result.scores().write(directory.resolve(scores), Map.of("run", key));
      if (result.prompts().isPresent()) {
        prompts(directory.resolve(ExperimentStore.PROMPTS).resolve(key), run, result);
      }
      CellTests tests =
          checks
              .tests()
              .map(t -> run.with(() -> CellTests.of(result, t, progress)))
              .orElse(CellTests.NONE);
      return new CellOutcome(
          run.spec(),
          result,
          run.testPrompts(),
          timed.cost(),
          started,
          (System.nanoTime() - start) / 1e9,
          scores,
          pages.map(p -> p.write(directory, key, run, result, tests.tests())),
          checks
              .completeness()
              .map(c -> run.with(() -> CellCompleteness.of(key, run, result, c, progress)))
              .orElse(List.of()),
          tests);
    }
  }

  private static void prompts(Path folder, Run run, Discovery.Result result) {
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new DataException("directory=" + folder + " cannot be made: " + e.getMessage(), e);
    }
    PromptResultFiles.write(
        folder,
        result.prompts().orElseThrow(),
        result.stability().orElseThrow(),
        run.trainPrompts(),
        Map.of("run", run.spec().hash()));
  }
}
