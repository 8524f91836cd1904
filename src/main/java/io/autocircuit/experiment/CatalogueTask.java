package io.autocircuit.experiment;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.task.TaskProvider;
import java.util.Optional;

/**
 * A task of the catalogue that is neither the embedded one nor random: one of another jar.
 *
 * @param key its key
 * @param settings all of its settings
 * @param sha256 what it is made of, as {@link TaskProvider#fingerprint} says, or {@code none};
 *     empty where nobody has asked yet
 */
public record CatalogueTask(String key, Settings settings, Optional<String> sha256) {
  /** What stands for the fingerprint of a task that is a function of settings and seed. */
  static final String NONE = ModelSource.NO_TOKENIZER;

  TaskProvider entry() {
    return TaskProvider.catalogue().get(key);
  }

  /**
   * The task as it is now.
   *
   * @return with its fingerprint
   */
  CatalogueTask pinned() {
    return new CatalogueTask(
        key, settings, Optional.of(entry().fingerprint(settings).orElse(NONE)));
  }

  void write(ObjectNode node) {
    node.put("task", key).set("settings", settings.json());
    node.put("sha256", sha256.orElse(null));
  }

  static CatalogueTask read(JsonFields node) {
    TaskProvider entry = node.as("task", key -> TaskProvider.catalogue().get(key));
    return new CatalogueTask(
        entry.key(),
        node.settings(entry.settings()),
        node.isNull("sha256")
            ? Optional.empty()
            : Optional.of(node.as("sha256", RunSpecJson::tokenizer)));
  }
}
