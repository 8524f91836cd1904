package io.autocircuit.task;

import io.autocircuit.files.DataException;
import io.autocircuit.hub.HubCache;
import io.autocircuit.hub.HubId;
import io.autocircuit.hub.HubSettings;
import io.autocircuit.model.ModelFiles;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Folders below which a user has models, each in a directory of its own: named by its id on the
 * Hugging Face hub ({@code openai-community/gpt2}), by the last part of it, by another usual name,
 * or as the hub's cache names it ({@code models--openai-community--gpt2}).
 *
 * @param folders in the order in which they are searched
 */
public record ModelFolders(List<Path> folders) {
  /** The environment variable that names such folders, parted as those of {@code PATH}. */
  public static final String VARIABLE = "AUTOCIRCUIT_MODELS";

  /**
   * Copies the list; each folder once.
   *
   * @param folders in the order in which they are searched
   */
  public ModelFolders {
    folders = folders.stream().distinct().toList();
  }

  /**
   * The folders that the environment names, and the cache of the Hugging Face hub where there is
   * one.
   *
   * @return those of {@value #VARIABLE}, then the cache
   * @throws IllegalArgumentException if one is no path
   * @throws DataException if the place of the cache cannot be used
   */
  public static ModelFolders standard() {
    ModelFolders named = of(System.getenv());
    Path cache = HubSettings.cache(System.getenv());
    return Files.isDirectory(cache) ? named.and(new ModelFolders(List.of(cache))) : named;
  }

  /**
   * The folders that an environment names.
   *
   * @param environment values by name
   * @return those of {@value #VARIABLE}; none where it is not set
   * @throws IllegalArgumentException if one is no path
   */
  static ModelFolders of(Map<String, String> environment) {
    return parse(environment.getOrDefault(VARIABLE, ""));
  }

  /**
   * Reads a list of folders.
   *
   * @param paths parted as those of {@code PATH}: by {@code :}, or on Windows by {@code ;}
   * @return the folders; none of an empty text
   * @throws IllegalArgumentException if one is no path
   */
  public static ModelFolders parse(String paths) {
    return new ModelFolders(
        Arrays.stream(paths.split(File.pathSeparator, -1))
            .filter(p -> !p.isBlank())
            .map(Path::of)
            .toList());
  }

  /**
   * These folders, then others.
   *
   * @param others searched after these
   * @return both
   */
  public ModelFolders and(ModelFolders others) {
    return new ModelFolders(Stream.concat(folders.stream(), others.folders.stream()).toList());
  }

  /**
   * Looks for a model.
   *
   * @param model which
   * @return the first directory of one of its names that holds a model; empty if there is none
   * @throws DataException if what lies there is a folder of the hub's cache in which it is not
   *     clear which snapshot is meant
   */
  public Optional<Path> find(WantedModel model) {
    for (Path folder : folders) {
      for (String name : names(model)) {
        Path directory = folder.resolve(name);
        if (Files.isRegularFile(directory.resolve(ModelFiles.CONFIG))) {
          return Optional.of(directory);
        }
        if (Files.isDirectory(directory.resolve("snapshots"))) {
          Optional<Path> cached = new HubCache(folder, true).find(HubId.parse(model.hub()));
          return cached.isPresent() ? cached : Optional.of(ModelFiles.of(directory).directory());
        }
      }
    }
    return Optional.empty();
  }

  /**
   * The directory of a model that has to be there.
   *
   * @param model which
   * @param task the key of the task that wants it, for the message
   * @return as {@link #find}
   * @throws DataException if it is not there; the message says what is wanted, where was looked,
   *     and how to name it
   */
  public Path require(WantedModel model, String task) {
    return find(model)
        .orElseThrow(
            () ->
                new DataException(
                    "task="
                        + task
                        + " wants model="
                        + model.hub()
                        + " (blocks="
                        + model.blocks()
                        + ", heads="
                        + model.heads()
                        + "), "
                        + searched()
                        + "; give its name on the hub, which downloads it, or its directory with"
                        + " --model "
                        + model.hub()
                        + ", or with --model-dir DIR or "
                        + VARIABLE
                        + " a folder that holds one of "
                        + String.join(", ", names(model))));
  }

  private String searched() {
    if (folders.isEmpty()) {
      return "and no folder of models is named";
    }
    List<String> places = new ArrayList<>();
    for (Path folder : folders) {
      places.add(folder + (Files.isDirectory(folder) ? "" : " (which is no directory)"));
    }
    return "which is not in models=" + String.join(File.pathSeparator, places);
  }

  private static Set<String> names(WantedModel model) {
    Set<String> names = new LinkedHashSet<>();
    names.add(model.hub());
    names.add(model.hub().substring(model.hub().lastIndexOf('/') + 1));
    names.addAll(model.names());
    names.add("models--" + model.hub().replace("/", "--"));
    return names;
  }
}
