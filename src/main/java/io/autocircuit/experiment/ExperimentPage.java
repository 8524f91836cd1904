package io.autocircuit.experiment;

import io.autocircuit.catalogue.ReferencePage;
import java.util.List;

/** The page of the fields of experiment files, by {@link ExperimentFields}. */
final class ExperimentPage {
  private ExperimentPage() {}

  /** Markdown. */
  static String text() {
    return String.join(
        "\n",
        "# Fields of experiment files",
        "",
        "<!-- Written by `autocircuit reference`; a test compares. -->",
        "",
        "What they are for, with examples: [experiments](../experiments.md). A list of one value may"
            + " be written as the value.",
        "",
        ReferencePage.fields(ExperimentFields.EXPERIMENT).stripTrailing(),
        row(ExperimentFields.TASKS, "one or more: [tasks](#tasks)", ExperimentFields.TASKS_MEANING),
        row(
            ExperimentFields.ALGORITHMS,
            "one or more: [algorithms](#algorithms)",
            ExperimentFields.ALGORITHMS_MEANING),
        row(ExperimentFields.GRAPH, "[a graph](#graph)", ExperimentFields.GRAPH_MEANING),
        row(
            ExperimentFields.COMPLETENESS,
            "[completeness](#completeness)",
            ExperimentFields.COMPLETENESS_MEANING),
        row(
            ExperimentFields.CIRCUIT_TESTS,
            "[circuit tests](#circuit-tests)",
            ExperimentFields.CIRCUIT_TESTS_MEANING),
        "",
        "## How tasks are run",
        "",
        "Fields of the whole file, and of a task, whose own go before.",
        "",
        ReferencePage.fields(ExperimentFields.RUN),
        "## Tasks",
        "",
        "Beside these a task has the settings of the [catalogue's task](tasks.md), of which lists span"
            + " a grid, the fields of the section above, and `graph`.",
        "",
        ReferencePage.fields(ExperimentFields.TASK),
        "## Algorithms",
        "",
        "Beside one of these an algorithm has the settings of the [catalogue's"
            + " algorithm](algorithms.md), of which lists span a grid; of settings that take lists"
            + " themselves, lists of lists do.",
        "",
        ReferencePage.fields(ExperimentFields.ALGORITHM).replace("(presets.md)", "(algorithms.md)"),
        "## Graph",
        "",
        ReferencePage.fields(ExperimentFields.GRAPHS),
        "## Completeness",
        "",
        ReferencePage.fields(ExperimentFields.COMPLETENESS_FIELDS),
        "## Circuit tests",
        "",
        ReferencePage.fields(ExperimentFields.CIRCUIT_TEST_FIELDS));
  }

  private static String row(String... cells) {
    return "| `" + cells[0] + "` | " + String.join(" |  | ", List.of(cells).subList(1, 3)) + " |";
  }
}
