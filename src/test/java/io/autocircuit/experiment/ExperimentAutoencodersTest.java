package io.autocircuit.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import io.autocircuit.task.TaskDefaults;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Autoencoders in experiment files. */
class ExperimentAutoencodersTest {
  private static ExperimentSpec parse(String graph) {
    return ExperimentSpec.parse(
        "tasks: [induction]\nalgorithms: [eap]\ngraph: " + graph + "\n",
        "sweep.yaml",
        Path.of("/data"));
  }

  @Test
  void listsSpanAGrid() {
    ExperimentGraphs graphs =
        parse("{autoencoders: [a, b], max_latents: [3, 5], error_term: true}").graph();
    Path a = Path.of("/data/a");
    Path b = Path.of("/data/b");
    assertEquals(
        List.of(
            AutoencoderSource.at(a, 3, true),
            AutoencoderSource.at(a, 5, true),
            AutoencoderSource.at(b, 3, true),
            AutoencoderSource.at(b, 5, true)),
        graphs.autoencoders());
    List<RunSpec.Graph> all = graphs.graphs(TaskDefaults.USUAL);
    assertEquals(4, all.size());
    assertEquals("b, at most 5, with the error term", all.get(3).autoencoders().get().text());
  }

  @Test
  void withoutThemGraphsAreAsTheyWere() {
    assertEquals(
        List.of(new RunSpec.Graph(false, false)),
        parse("{separate_qkv: false}").graph().graphs(TaskDefaults.USUAL));
    assertEquals(Optional.empty(), RunSpec.Graph.USUAL.autoencoders());
  }

  @Test
  void whatGoesWithThemIsRefusedAlone() {
    for (String field : List.of("max_latents: 3", "error_term: true")) {
      String message =
          assertThrows(DataException.class, () -> parse("{" + field + "}")).getMessage();
      assertTrue(message.contains("is for autoencoders"), message);
    }
    String none =
        assertThrows(DataException.class, () -> parse("{autoencoders: a, max_latents: 0}"))
            .getMessage();
    assertTrue(none.contains("max_latents=0"), none);
  }
}
