package io.autocircuit.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.autocircuit.catalogue.Entry;
import io.autocircuit.catalogue.Preset;
import io.autocircuit.model.Architecture;
import io.autocircuit.model.RandomModels;
import io.autocircuit.model.TransformerConfig;
import io.autocircuit.task.ModelFolders;
import io.autocircuit.task.TaskProvider;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code list WHAT}: the entries of a catalogue, or the models that can be loaded. */
@Command(
    name = "list",
    mixinStandardHelpOptions = true,
    description = "Lists what exists, by the names that options take.")
final class ListCommand implements Runnable {
  private static final String MODELS = "models";
  private static final String HOOKED = "hooked_transformer";

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(
      paramLabel = "WHAT",
      completionCandidates = What.class,
      description = "One of: ${COMPLETION-CANDIDATES}.",
      arity = "1")
  private What what;

  @Option(
      names = "--json",
      description =
          "As JSON: key, title, description, source, settings and presets of each; of tasks also the"
              + " model and the known circuits.")
  private boolean json;

  /**
   * What can be listed.
   *
   * @param name in lower case
   */
  record What(String name) implements Iterable<String> {
    /** For the help. */
    What() {
      this("");
    }

    /** All that can be listed. */
    static List<String> names() {
      List<String> names = new java.util.ArrayList<>();
      for (Catalogues c : Catalogues.values()) {
        names.add(c.name().toLowerCase(Locale.ROOT));
      }
      names.add(MODELS);
      return names;
    }

    @Override
    public java.util.Iterator<String> iterator() {
      return names().iterator();
    }
  }

  @Override
  public void run() {
    PrintWriter out = spec.commandLine().getOut();
    if (what.name().equals(MODELS)) {
      Map<String, String> models = models();
      out.print(json ? text(array(models)) : new Rows(models).text(width()));
    } else {
      Catalogues c = Catalogues.valueOf(what.name().toUpperCase(Locale.ROOT));
      out.print(json ? text(json(c)) : new Rows(rows(c.load())).text(width()));
    }
    out.flush();
  }

  private static ArrayNode json(Catalogues c) {
    return c == Catalogues.TASKS
        ? new TaskListing(ModelFolders.standard()).json(TaskProvider.catalogue())
        : c.load().json();
  }

  private int width() {
    return spec.usageMessage().width();
  }

  /** Description, with the options that each has, and what tasks need. */
  private static Map<String, String> rows(Iterable<? extends Entry> entries) {
    Map<String, String> rows = new LinkedHashMap<>();
    TaskListing tasks = new TaskListing(ModelFolders.standard());
    for (Entry e : entries) {
      List<String> options = e.settings().stream().map(s -> s.option()).toList();
      rows.put(
          e.key(),
          e.description()
              + (options.isEmpty() ? "" : " (" + String.join(", ", options) + ")")
              + (e instanceof TaskProvider t ? tasks.more(t) : ""));
    }
    for (Entry e : entries) {
      for (Preset p : e.presets()) {
        String names =
            p.names().stream()
                .map(n -> '"' + Preset.PREFIX + n + '"')
                .collect(Collectors.joining(", "));
        rows.put(
            "--preset " + p.key(),
            e.key()
                + ", as "
                + p.title()
                + ": "
                + p.description()
                + (names.isEmpty() ? "" : " (also " + names + ")"));
      }
    }
    return rows;
  }

  private static Map<String, String> models() {
    Map<String, String> rows = new LinkedHashMap<>();
    for (Architecture a : Architecture.catalogue()) {
      if (!a.key().equals(HOOKED)) {
        rows.put(a.key(), "Hugging Face directory with \"model_type\": \"" + a.key() + "\"");
      }
    }
    rows.put(
        "HookedTransformer",
        "TransformerLens state dictionary with \"architecture\": \"HookedTransformer\"");
    for (String shape : RandomModels.names()) {
      rows.put("--random-weights " + shape, shape(RandomModels.shape(shape)));
    }
    return rows;
  }

  private static String shape(TransformerConfig c) {
    return String.format(
        Locale.ROOT,
        "random weights: %d blocks, %d heads, d_model %d, vocabulary %,d",
        c.blocks(),
        c.heads(),
        c.dModel(),
        c.vocabulary());
  }

  private static ArrayNode array(Map<String, String> rows) {
    ArrayNode all = JsonNodeFactory.instance.arrayNode();
    rows.forEach((key, text) -> all.addObject().put("key", key).put("description", text));
    return all;
  }

  private static String text(ArrayNode tree) {
    try {
      return new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(tree) + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }
}
