package io.autocircuit.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.catalogue.Catalogue;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.files.DataException;
import io.autocircuit.task.KnownCircuit;
import io.autocircuit.task.ModelFolders;
import io.autocircuit.task.TaskProvider;
import io.autocircuit.task.WantedModel;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What {@code list tasks} says of tasks beside what it says of every entry: which model each wants,
 * whether it is there, and which circuits are known.
 *
 * @param folders where models are looked for
 */
record TaskListing(ModelFolders folders) {

  /** Sentences for people, each behind a space. */
  String more(TaskProvider task) {
    StringBuilder text = new StringBuilder();
    task.wanted()
        .ifPresent(
            model -> text.append(". Needs ").append(model.hub()).append(": ").append(where(model)));
    List<KnownCircuit> circuits = circuits(task);
    if (!circuits.isEmpty()) {
      text.append(". Known circuits: ")
          .append(String.join(", ", circuits.stream().map(KnownCircuit::key).toList()));
    }
    return text.toString();
  }

  private String where(WantedModel model) {
    try {
      return folders
          .find(model)
          .map(Path::toString)
          .orElse("not on this machine (--model " + model.hub() + " downloads it)");
    } catch (DataException e) {
      return e.getMessage();
    }
  }

  private Optional<Path> found(WantedModel model) {
    try {
      return folders.find(model);
    } catch (DataException e) {
      return Optional.empty(); // of no use as it is
    }
  }

  private static List<KnownCircuit> circuits(TaskProvider task) {
    return task.circuits(Settings.defaults(task.settings()));
  }

  /**
   * The catalogue as JSON.
   *
   * @return what {@link Catalogue#json} says of each task, with {@code model} (null where it brings
   *     its own) and {@code circuits}
   */
  ArrayNode json(Catalogue<TaskProvider> tasks) {
    ArrayNode all = tasks.json();
    for (JsonNode node : all) {
      add((ObjectNode) node, tasks.get(node.path("key").textValue()));
    }
    return all;
  }

  private void add(ObjectNode node, TaskProvider task) {
    Optional<WantedModel> wanted = task.wanted();
    if (wanted.isEmpty()) {
      node.putNull("model");
    } else {
      ObjectNode model = node.putObject("model").put("hub", wanted.get().hub());
      wanted.get().names().forEach(model.putArray("names")::add);
      model.put("blocks", wanted.get().blocks()).put("heads", wanted.get().heads());
      model.put("directory", found(wanted.get()).map(Path::toString).orElse(null));
    }
    ArrayNode circuits = node.putArray("circuits");
    for (KnownCircuit c : circuits(task)) {
      circuits
          .addObject()
          .put("key", c.key())
          .put("title", c.title())
          .put("description", c.description())
          .put("source", c.source().toString());
    }
  }
}
