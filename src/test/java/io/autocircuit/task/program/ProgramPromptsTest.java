package io.autocircuit.task.program;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.task.Task;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The prompt pairs of compiled programs. */
class ProgramPromptsTest {
  static Stream<ProgramTask> tasks() {
    return ProgramTasks.all();
  }

  private static TokenizedDataset prompts(ProgramTask task, int pairs, long seed) {
    Settings settings = Settings.of(task.settings(), Map.of("count", pairs));
    return task.prompts(settings, null, seed);
  }

  /** Everything of a dataset, as text. */
  private static String text(TokenizedDataset prompts) {
    StringBuilder all = new StringBuilder();
    for (TokenizedPair p : prompts.prompts()) {
      all.append(p.index()).append(Arrays.toString(p.clean())).append(Arrays.toString(p.corrupt()));
      all.append(Arrays.deepToString(p.answers())).append(Arrays.deepToString(p.wrongAnswers()));
      if (p.numbers() != null) {
        all.append(Arrays.deepToString(p.numbers().answers()));
        all.append(Arrays.deepToString(p.numbers().wrongAnswers()));
      }
    }
    return all.toString();
  }

  @ParameterizedTest
  @MethodSource("tasks")
  void answersAreWhatTheProgramSays(ProgramTask task) {
    try (Task open = task.open(ProgramTasks.defaults(task), ScalarType.Float, 3)) {
      TokenizedDataset prompts = open.prompts();
      Program program = task.program(ProgramTasks.defaults(task));
      CompiledProgram compiled = CompiledProgram.of(program);
      prompts
          .requireEqualLengths()
          .requireAnswerPositions(
              length -> length - OutputSlice.NOT_FIRST_SEQ.first(length), "--slice not_first");
      int possible = (int) Math.pow(program.letters().length, program.length());
      assertEquals(Math.min(64, possible), prompts.size());
      Set<List<Integer>> cleans = new HashSet<>();
      for (TokenizedPair pair : prompts.prompts()) {
        assertTrue(cleans.add(Arrays.stream(pair.clean()).boxed().toList()), "each prompt once");
        double[] right = program.run(letters(program, pair.clean()));
        double[] wrong = program.run(letters(program, pair.corrupt()));
        assertFalse(Arrays.equals(right, wrong), "some answer differs");
        for (int t = 0; t < right.length; t++) {
          if (compiled.numerical()) {
            assertArrayEquals(new double[] {right[t]}, pair.numbers().answers()[t]);
            assertArrayEquals(new double[] {wrong[t]}, pair.numbers().wrongAnswers()[t]);
          } else {
            assertArrayEquals(new int[] {compiled.output(right[t])}, pair.answers()[t]);
            assertArrayEquals(new int[] {compiled.output(wrong[t])}, pair.wrongAnswers()[t]);
          }
        }
      }
    }
  }

  private static int[] letters(Program program, int[] ids) {
    return Arrays.stream(ids, 1, ids.length)
        .map(id -> Arrays.binarySearch(program.letters(), id))
        .toArray();
  }

  @ParameterizedTest
  @MethodSource("tasks")
  void theSeedDecides(ProgramTask task) {
    assertEquals(text(prompts(task, 20, 1)), text(prompts(task, 20, 1)));
    assertNotEquals(text(prompts(task, 20, 1)), text(prompts(task, 20, 2)));
  }

  @Test
  void allPromptsAreAutoCircuitsNumbers() {
    assertEquals(243, prompts(new TracrReverseTask(), 0, 1).size());
    assertEquals(1024, prompts(new TracrXProportionTask(), 0, 1).size());
  }

  @Test
  void tooManyPromptsAreRefused() {
    ProgramTask sort = new SortTask();
    Settings settings = Settings.of(sort.settings(), Map.of("count", 0, "length", 12));
    String message =
        assertThrows(IllegalArgumentException.class, () -> sort.prompts(settings, null, 1))
            .getMessage();
    assertEquals(
        "count=0 stands for one pair of each of 16777216 prompts, more than 100000; give a number",
        message);
  }

  @Test
  void balancedBracketsAreNotRare() {
    TokenizedDataset prompts = prompts(new ShuffleDyckTask(), 64, 42);
    long ends =
        prompts.prompts().stream().filter(p -> p.answers()[p.answers().length - 1][0] == 1).count();
    assertTrue(ends >= 8, "balanced at the end: " + ends);
  }
}
