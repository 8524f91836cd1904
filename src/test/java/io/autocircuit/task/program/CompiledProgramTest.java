package io.autocircuit.task.program;

import static io.autocircuit.task.program.SOp.INDICES;
import static io.autocircuit.task.program.SOp.TOKENS;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.model.Transformer;
import io.autocircuit.model.TransformerConfig;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Compiled programs compute what the programs say. */
class CompiledProgramTest {
  /** The errors that docs/programs.md states. */
  private static final double FLOAT_ERROR = 1e-4;

  private static final double DOUBLE_ERROR = 1e-12;

  private static final List<String> ABC = List.of("a", "b", "c", Program.BOS);

  static Stream<Program> programs() {
    return Stream.of(
        Programs.reverse(),
        Programs.xProportion(),
        Programs.histogram(3, 5),
        Programs.histogram(5, 12),
        Programs.sort(4, 5),
        Programs.sort(3, 9),
        Programs.sort(26, 12),
        Programs.dyckDepth(6),
        Programs.dyckDepth(12),
        Programs.shuffleDyck(5),
        Programs.shuffleDyck(12),
        Programs.mostFrequent(3, 5),
        Programs.mostFrequent(4, 10),
        Programs.mostFrequent(26, 12),
        Programs.pairBalance(5),
        Programs.pairBalance(12));
  }

  @ParameterizedTest
  @MethodSource("programs")
  void computesWhatTheProgramSays(Program program) {
    int prompts = program.vocabulary().size() > 20 ? 40 : 1100; // large models, fewer prompts
    assertTrue(ProgramTasks.error(program, ScalarType.Float, prompts) <= FLOAT_ERROR);
    assertTrue(ProgramTasks.error(program, ScalarType.Double, prompts) <= DOUBLE_ERROR);
  }

  private static void assertExact(Program program) {
    assertEquals(0, ProgramTasks.error(program, ScalarType.Float, 1100), FLOAT_ERROR);
    assertEquals(0, ProgramTasks.error(program, ScalarType.Double, 1100), DOUBLE_ERROR);
  }

  /** Attention to selected positions alone, where keys and queries are read from the embedding. */
  @Test
  void softmaxIsExactToRounding() {
    for (int length : new int[] {2, 5, 12, 40}) {
      SOp isA = TOKENS.number("is a", t -> t == 0 ? 1 : 0);
      SOp share = Selector.select(INDICES, INDICES, (k, q) -> k <= q).aggregate("share", isA);
      Program program = new Program("share", ABC, length, share);
      assertTrue(ProgramTasks.error(program, ScalarType.Float, 500) <= 1.2e-7);
      assertTrue(ProgramTasks.error(program, ScalarType.Double, 500) <= 2.3e-16);
    }
  }

  @Test
  void whereNothingIsSelectedThereIsNoValue() {
    SOp previous =
        Selector.select(INDICES, INDICES, (k, q) -> k == q - 1).aggregateOrNone("before", TOKENS);
    Program program = new Program("previous", ABC, 4, previous);
    assertArrayEquals(new double[] {Double.NaN, 2, 0, 1}, program.run(new int[] {2, 0, 1, 1}));
    assertExact(program);
  }

  /** What is made of no value is no value, or the number 0, which may be made a category again. */
  @Test
  void numbersOfNoValueAreZero() {
    SOp before =
        Selector.select(INDICES, INDICES, (k, q) -> k == q - 1).aggregateOrNone("before", TOKENS);
    SOp number = before.number("number", t -> t + 1);
    SOp again = number.classify("again", x -> (int) Math.round(x));
    Program program = new Program("again", ABC, 4, again);
    assertArrayEquals(new double[] {0, 3, 1, 2}, program.run(new int[] {2, 0, 1, 1}));
    assertExact(program);
    SOp mean = Selector.everything().aggregate("mean", number);
    assertExact(new Program("mean", ABC, 4, mean.classify("most", x -> x > 1.4 ? 1 : 0)));
  }

  @Test
  void whereNoNumberIsSelectedTheMeanIsZero() {
    SOp isA = TOKENS.number("is a", t -> t == 0 ? 1 : 0);
    SOp mean = Selector.select(INDICES, INDICES, (k, q) -> k < q).aggregateOrNone("earlier", isA);
    Program program = new Program("earlier", ABC, 5, mean);
    assertArrayEquals(
        new double[] {0, 1, 0.5, 1 / 3.0, 0.5}, program.run(new int[] {0, 1, 2, 0, 0}), 1e-15);
    assertExact(program);
  }

  /** What a head writes at BOS would be selected there, if it were not kept clean. */
  @Test
  void whatAHeadWritesCanBeAKey() {
    SOp first = Selector.where(INDICES, i -> i == 0).aggregate("first", TOKENS);
    SOp count = Selector.select(first, TOKENS, (k, q) -> k == q).width("count");
    assertExact(new Program("first", ABC, 4, count));
    SOp last = Selector.select(INDICES, INDICES, (k, q) -> k == 3).aggregate("last", TOKENS);
    SOp isA = TOKENS.number("is a", t -> t == 0 ? 1 : 0);
    SOp mean = Selector.select(last, TOKENS, (k, q) -> k == q).aggregateOrNone("mean", isA);
    assertExact(new Program("last", ABC, 4, mean));
  }

  @Test
  void everythingLeavesBosOut() {
    SOp isA = TOKENS.number("is a", t -> t == 0 ? 1 : 0);
    SOp mean = Selector.everything().aggregate("mean", isA);
    assertExact(new Program("mean", ABC, 5, mean));
    SOp some = mean.classify("some", x -> x > 0.5 ? 2 : x > 0 ? 1 : 0);
    SOp counted = Selector.select(some, TOKENS, (k, q) -> k == q).width("counted");
    assertExact(new Program("some", ABC, 5, counted));
  }

  @Test
  void numbersFromNumbers() {
    SOp one = TOKENS.number("one more", t -> t - 1);
    SOp mean = Selector.everything().aggregate("mean", one);
    SOp squared = mean.number("squared", x -> x * x);
    assertExact(new Program("squared", ABC, 4, squared.minus("less", mean)));
  }

  /** The shapes of the models that Tracr's library makes of the two programs. */
  @Test
  void shapesOfTracr() {
    TransformerConfig reverse = CompiledProgram.of(Programs.reverse()).config();
    assertEquals(4, reverse.blocks());
    assertEquals(1, reverse.heads());
    assertEquals(5, reverse.vocabulary());
    assertEquals(3, reverse.outputs());
    assertEquals(6, reverse.contextLength());
    TransformerConfig proportion = CompiledProgram.of(Programs.xProportion()).config();
    assertEquals(2, proportion.blocks());
    assertEquals(1, proportion.heads());
    assertEquals(1, proportion.outputs());
  }

  @Test
  void directionsHaveNames() {
    CompiledProgram compiled = CompiledProgram.of(Programs.xProportion());
    List<String> names = compiled.directions().stream().map(Direction::name).toList();
    assertEquals(
        List.of(
            "one",
            "bos",
            "indices:0",
            "indices:1",
            "indices:2",
            "indices:3",
            "indices:4",
            "tokens:w",
            "tokens:x",
            "tokens:y",
            "tokens:z",
            "is x",
            "proportion"),
        names);
    assertEquals(new Direction("is x", "MLP 0", true), compiled.directions().get(11));
    assertEquals(new Direction("proportion", "A1.0", true), compiled.directions().get(12));
    assertEquals(new Direction("indices:0", "Resid Start", false), compiled.directions().get(2));
  }

  @Test
  void bosIsTheProgramsOwn() {
    assertArrayEquals(new int[] {3, 0, 2}, Programs.reverse().prompt(new int[] {0, 2}));
    assertArrayEquals(new int[] {0, 2, 5}, Programs.xProportion().prompt(new int[] {0, 3}));
  }

  @Test
  void whatBreaksTheRulesIsRefused() {
    SOp number = TOKENS.number("n", t -> t);
    assertTrue(
        refusal(() -> Selector.select(number, TOKENS, (k, q) -> true))
            .startsWith("keys of a selector=n is numerical; give a categorical"));
    assertTrue(refusal(() -> TOKENS.minus("d", number)).contains("tokens is categorical"));
    SOp twice = TOKENS.map("same", t -> t).with("with", TOKENS.map("same", t -> 1), (a, b) -> a);
    assertTrue(
        refusal(() -> CompiledProgram.of(new Program("p", ABC, 2, twice)))
            .startsWith("name=same belongs to two operations"));
    assertTrue(
        refusal(() -> new Program("p", List.of("a", "b"), 2, TOKENS))
            .startsWith("vocabulary=[a, b], length=2; give BOS"));
    SOp mixed = Selector.everything().aggregate("mixed", TOKENS);
    Program program = new Program("p", ABC, 2, mixed);
    assertTrue(
        assertThrows(IllegalStateException.class, () -> program.run(new int[] {0, 1}))
            .getMessage()
            .contains("selects different categories=[0.0, 1.0]"));
    SOp nothing = Selector.where(TOKENS, t -> false).aggregate("nothing", TOKENS);
    Program empty = new Program("p", ABC, 2, nothing);
    assertTrue(
        assertThrows(IllegalStateException.class, () -> empty.run(new int[] {0, 1}))
            .getMessage()
            .contains("selects nothing at position=0; use aggregateOrNone"));
  }

  private static String refusal(org.junit.jupiter.api.function.Executable what) {
    return assertThrows(IllegalArgumentException.class, what).getMessage();
  }

  /** A prompt of another length: the positions that there are have their values. */
  @Test
  void shorterPromptsAreReadToo() {
    Program program = Programs.xProportion();
    try (Transformer model = CompiledProgram.of(program).transformer(ScalarType.Double)) {
      Program shorter = new Program("s", program.vocabulary(), 3, program.output());
      double[] logits = ProgramTasks.logits(model, shorter, List.of(new int[] {1, 0, 1}))[0];
      assertArrayEquals(new double[] {1, 0.5, 2 / 3.0}, logits, 1e-15);
    }
  }
}
