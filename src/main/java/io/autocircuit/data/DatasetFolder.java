package io.autocircuit.data;

import io.autocircuit.files.DataException;
import io.autocircuit.files.Fingerprint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The files of a dataset: one file, or those of one split of a folder as Hugging Face's hub lays it
 * out ({@code train.jsonl}, {@code data/test-00000-of-00002.parquet}, {@code train/part.csv}).
 */
final class DatasetFolder {
  static final String PARQUET = ".parquet";
  private static final int DEEPEST = 3;
  private static final int MOST = 10_000;
  private static final List<String> FORMS =
      List.of(".jsonl", ".ndjson", ".json", ".csv", ".tsv", PARQUET);

  /** What describes a dataset, and is none. */
  private static final Set<String> DESCRIPTIONS =
      Set.of("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json");

  /** How splits are called, and what each is. */
  private static final Map<String, String> SPLITS =
      new TreeMap<>(
          Map.of(
              "train", "train",
              "training", "train",
              "test", "test",
              "testing", "test",
              "eval", "test",
              "validation", "validation",
              "valid", "validation",
              "val", "validation",
              "dev", "validation"));

  private static final Pattern WORDS = Pattern.compile("[^a-z]+");

  private DatasetFolder() {}

  /**
   * The files to read.
   *
   * @param place a file, or a folder
   * @return that file; of a folder those of the split, sorted by their names
   * @throws DataException if the folder has no files, not the split, or several and none is named
   */
  static List<Path> files(Path place, Columns columns) {
    if (!Files.isDirectory(place)) {
      return List.of(place);
    }
    if (Files.exists(place.resolve("config.json"))) {
      throw new DataException(
          "file=" + place + " is a directory of a model, not of prompts; give a prompt file");
    }
    Map<String, List<Path>> splits = splits(place);
    if (splits.isEmpty()) {
      throw new DataException(
          "file="
              + place
              + " is a directory without files that end in "
              + String.join(", ", FORMS)
              + "; give a prompt file, or a folder that has some");
    }
    Optional<String> wanted = columns.split().map(s -> SPLITS.getOrDefault(s, s));
    if (wanted.isEmpty() && splits.size() > 1) {
      throw new DataException(
          "file="
              + place
              + " has splits="
              + splits.keySet()
              + "; choose one with --columns split="
              + splits.keySet().iterator().next());
    }
    List<Path> files = splits.get(wanted.orElse(splits.keySet().iterator().next()));
    if (files == null) {
      throw new DataException(
          "file="
              + place
              + " has no split="
              + columns.split().get()
              + ", but "
              + splits.keySet()
              + "; choose one of them");
    }
    return files;
  }

  private static Map<String, List<Path>> splits(Path folder) {
    try (Stream<Path> all = Files.walk(folder, DEEPEST)) {
      List<Path> files =
          all.limit(MOST)
              .filter(Files::isRegularFile)
              .filter(DatasetFolder::holdsRows)
              .filter(f -> !elsewhere(folder.relativize(f)))
              .sorted()
              .toList();
      return files.stream()
          .collect(
              Collectors.groupingBy(
                  f -> split(folder.relativize(f)), TreeMap::new, Collectors.toList()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean holdsRows(Path file) {
    String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
    return FORMS.stream().anyMatch(name::endsWith) && !DESCRIPTIONS.contains(name);
  }

  /** Whether a file lies where a dataset has none: in a folder other than data or a split's. */
  private static boolean elsewhere(Path file) {
    for (int i = 0; i < file.getNameCount() - 1; i++) {
      String name = file.getName(i).toString().toLowerCase(Locale.ROOT);
      if (!name.equals("data") && !SPLITS.containsKey(name)) {
        return true;
      }
    }
    return file.getFileName().toString().startsWith(".");
  }

  /** The split that a word of the path names, its file name first; else {@code train}. */
  private static String split(Path file) {
    for (int i = file.getNameCount() - 1; i >= 0; i--) {
      for (String word : WORDS.split(file.getName(i).toString().toLowerCase(Locale.ROOT), -1)) {
        if (SPLITS.containsKey(word)) {
          return SPLITS.get(word);
        }
      }
    }
    return "train";
  }

  /** The SHA-256 of what is read. */
  static String fingerprint(Path place, Columns columns) {
    List<Path> files = files(place, columns);
    if (!Files.isDirectory(place)) {
      return Fingerprint.of(place);
    }
    List<String> names = new ArrayList<>();
    files.forEach(f -> names.add(place.relativize(f).toString().replace('\\', '/')));
    return Fingerprint.of(place, names);
  }
}
