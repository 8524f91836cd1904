package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.hub.HubId;
import io.autocircuit.tensor.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Finds the model in a directory, or says what is there instead and how to make a model of it. */
final class ModelDirectory {
  /** What to do with an adapter. */
  static final String MERGE =
      ", which is not a model by itself; in Python load the model with it, call"
          + " merge_and_unload() and save the result with save_pretrained";

  private static final String NEEDED = "; give a directory with config.json and model.safetensors";
  private static final Pattern SHARD =
      Pattern.compile("(.+)-(\\d{5,6})-of-(\\d{5,6})\\.(safetensors|bin)");
  private static final Pattern OTHER_WEIGHTS =
      Pattern.compile(".*model\\.bin|.*\\.(gguf|h5|pth|pt|ckpt|msgpack|onnx|npz|pkl|ot)");
  private static final int SHOWN = 4;
  private static final int MOST_ENTRIES = 10_000;

  private ModelDirectory() {}

  /**
   * The directory that holds {@code config.json}: the one given, or the only snapshot of the folder
   * of a model in Hugging Face's cache.
   *
   * @throws DataException if there is none, if it is not clear which, or if it holds an adapter
   */
  static Path resolve(Path given) {
    if (given.toString().isEmpty()) {
      throw new DataException("model directory=\"\" is empty" + NEEDED);
    }
    if (given.toString().matches("https?:/.*")) {
      throw new DataException(
          "model directory="
              + given
              + " is an address; give the model's name on the Hugging Face hub, such as"
              + " openai-community/gpt2, or a directory");
    }
    if (Files.isRegularFile(given) && given.toString().matches(".*\\.(safetensors|json)")) {
      throw new DataException(
          "model directory="
              + given
              + " is a file; give the directory that it lies in, "
              + given.toAbsolutePath().getParent());
    }
    requireTarget(given.resolve("config.json"));
    ModelFiles.WEIGHTS.forEach(name -> requireTarget(given.resolve(name)));
    if (!Files.isDirectory(given)) {
      boolean exists = Files.exists(given);
      throw new DataException(
          "model directory="
              + given
              + (exists ? " is a file" : " does not exist")
              + (!exists && HubId.find(given.toString()).isPresent()
                  ? "; if it is a name on the Hugging Face hub, 'autocircuit models fetch "
                      + given
                      + "' downloads it and prints its directory (in Java:"
                      + " Hub.standard().find(HubId.parse(NAME)).directory())"
                  : NEEDED));
    }
    refuseAdapter(given);
    if (Files.isRegularFile(given.resolve("config.json")) || StoredConfig.find(given).isPresent()) {
      return given;
    }
    Path snapshots = given.resolve("snapshots");
    if (Files.isDirectory(snapshots)) {
      return snapshot(given, snapshots);
    }
    if (Files.isRegularFile(given.resolve("params.json"))) {
      throw new DataException(
          "model directory="
              + given
              + " has params.json and no config.json: these are weights in their maker's own"
              + " format; give the ones in Hugging Face's format");
    }
    List<String> inner =
        entries(
            given,
            n ->
                Files.isRegularFile(given.resolve(n).resolve("config.json"))
                    || n.startsWith("models--")
                    || n.equals("hub") && Files.isDirectory(given.resolve(n)));
    throw new DataException(
        "model directory="
            + given
            + " has no config.json"
            + (inner.isEmpty()
                ? NEEDED
                : "; its folders have: give one of " + listed(given, inner)));
  }

  /** A link must lead to something. */
  private static void requireTarget(Path file) {
    if (Files.isSymbolicLink(file) && !Files.exists(file)) {
      throw new DataException(
          "file="
              + file
              + " is a link whose target is missing; copy the directory with cp -rL, or download"
              + " the model again");
    }
  }

  private static void refuseAdapter(Path directory) {
    if (Files.isRegularFile(directory.resolve("adapter_config.json"))) {
      throw new DataException(
          "model directory="
              + directory
              + " has adapter_config.json: it holds a LoRA (or another) adapter"
              + MERGE);
    }
  }

  private static Path snapshot(Path cache, Path snapshots) {
    List<String> names =
        entries(snapshots, n -> Files.isRegularFile(snapshots.resolve(n).resolve("config.json")));
    if (names.isEmpty()) {
      throw new DataException(
          "model directory="
              + cache
              + " is a folder of Hugging Face's cache without a snapshot that has config.json;"
              + " download the model again");
    }
    if (names.size() > 1) {
      String main = main(cache, names);
      throw new DataException(
          "model directory="
              + cache
              + " is a folder of Hugging Face's cache with "
              + names.size()
              + " snapshots; give "
              + (main == null
                  ? "one of " + listed(snapshots, names)
                  : snapshots.resolve(main)
                      + ", which is the main branch, or another of "
                      + listed(snapshots, names)));
    }
    Path only = snapshots.resolve(names.get(0));
    refuseAdapter(only);
    return only;
  }

  /** The snapshot that the main branch stood at, or null. */
  private static String main(Path cache, List<String> names) {
    Path ref = cache.resolve("refs").resolve("main");
    try {
      String text = Files.size(ref) > 100 ? "" : Files.readString(ref).strip();
      return names.contains(text) ? text : null;
    } catch (IOException | RuntimeException unknown) {
      return null;
    }
  }

  /** A name for reports. */
  static String name(Path given) {
    Path p = given.toAbsolutePath().normalize();
    Path last = p.getFileName();
    Path parent = p.getParent();
    if (last != null && parent != null && parent.getFileName() != null) {
      if (last.toString().equals("model")) {
        last = parent.getFileName();
      } else if (parent.getFileName().toString().equals("snapshots")
          && parent.getParent() != null
          && parent.getParent().getFileName() != null) {
        last = parent.getParent().getFileName();
      }
    }
    String name = last == null ? "model" : last.toString();
    return name.startsWith("models--") ? name.substring(name.lastIndexOf("--") + 2) : name;
  }

  /**
   * Opens the weights: those in safetensors format, else those that torch saved.
   *
   * @throws DataException if there are none, or the index of shards does not list all that they
   *     hold
   */
  static Safetensors weights(Path directory) {
    ModelFiles.WEIGHTS.forEach(name -> requireTarget(directory.resolve(name)));
    String name =
        ModelFiles.WEIGHTS.stream()
            .filter(n -> Files.exists(directory.resolve(n)))
            .findFirst()
            .orElseThrow(
                () -> new DataException("model directory=" + directory + instead(directory)));
    Path file = directory.resolve(name);
    if (!name.endsWith(ModelFiles.INDEX)) {
      return open(file);
    }
    if (!Files.isRegularFile(file)) {
      throw new DataException(
          "file=" + file + " is not a regular file; give the index as it was downloaded");
    }
    JsonNode map = JsonFiles.read(file).path("weight_map");
    if (map.isObject() && map.isEmpty()) {
      throw new DataException(
          "file=" + file + ": weight_map={} lists no tensors; download the index again");
    }
    Safetensors files = open(file);
    try {
      requireAllListed(files);
      return files;
    } catch (RuntimeException e) {
      files.close();
      throw e;
    }
  }

  private static boolean isTorch(Path file) {
    return file.getFileName().toString().startsWith(ModelFiles.TORCH);
  }

  private static Safetensors open(Path file) {
    return isTorch(file) ? Safetensors.openTorch(file) : Safetensors.open(file);
  }

  /** What is there instead of {@code model.safetensors}, and what to do. */
  private static String instead(Path directory) {
    List<String> adapters = entries(directory, n -> n.startsWith("adapter_model."));
    if (!adapters.isEmpty()) {
      return " holds "
          + DataException.quote(adapters.get(0))
          + " but no model.safetensors: it is a LoRA (or another) adapter"
          + MERGE;
    }
    List<String> unfinished = entries(directory, n -> n.matches(".*\\.(incomplete|part)"));
    List<String> tensors =
        entries(
            directory,
            n ->
                n.endsWith(".safetensors")
                    || n.startsWith(ModelFiles.TORCH) && SHARD.matcher(n).matches());
    if (tensors.isEmpty() && !unfinished.isEmpty()) {
      return " holds "
          + DataException.quote(unfinished.get(0))
          + " but no model.safetensors: the download has not finished; download the model again";
    }
    for (String name : tensors) {
      Matcher m = SHARD.matcher(name);
      if (m.matches()) {
        int count = Integer.parseInt(m.group(3));
        if (count == 1 && tensors.size() == 1) {
          break; // the whole model
        }
        long there =
            tensors.stream()
                .filter(n -> n.endsWith("-of-" + m.group(3) + "." + m.group(4)))
                .count();
        boolean torch = m.group(4).equals("bin");
        return " holds "
            + DataException.quote(name)
            + " ("
            + there
            + " of "
            + count
            + " shards) but no "
            + ModelFiles.WEIGHTS.get(torch ? 3 : 1)
            + ", which says what is in which; download"
            + (there < count ? " it and the missing shards" : " it");
      }
    }
    if (tensors.size() == 1) {
      return " holds no model.safetensors, but "
          + DataException.quote(tensors.get(0))
          + "; if that is the model, rename it to model.safetensors";
    }
    List<String> others = entries(directory, n -> OTHER_WEIGHTS.matcher(n).matches());
    if (!others.isEmpty()) {
      boolean gguf = others.get(0).endsWith(".gguf");
      return " holds "
          + DataException.quote(others.get(0))
          + " but no model.safetensors, and only safetensors and torch's pytorch_model.bin are read;"
          + " convert it in Python:"
          + " AutoModelForCausalLM.from_pretrained(DIR"
          + (gguf ? ", gguf_file=NAME" : "")
          + ").save_pretrained(NEW_DIR, safe_serialization=True)";
    }
    return " holds neither model.safetensors nor model.safetensors.index.json"
        + (tensors.isEmpty() ? "" : " (but " + listed(tensors) + ")")
        + ", nor pytorch_model.bin; name a directory with weights in one of these formats";
  }

  /** Every tensor of every shard must be the one that the index places there. */
  private static void requireAllListed(Safetensors files) {
    JsonNode map = JsonFiles.read(files.source()).path("weight_map");
    Map<String, Set<String>> listed = new HashMap<>();
    for (Map.Entry<String, JsonNode> e : map.properties()) {
      listed.computeIfAbsent(e.getValue().asText(), s -> new HashSet<>()).add(e.getKey());
    }
    Path directory = files.source().toAbsolutePath().getParent();
    boolean torch = isTorch(files.source());
    List<String> beside =
        entries(directory, n -> SHARD.matcher(n).matches() && !listed.containsKey(n)).stream()
            .filter(n -> n.startsWith(torch ? ModelFiles.TORCH : "model-"))
            .toList();
    if (!beside.isEmpty()) {
      throw new DataException(
          "file="
              + files.source()
              + ": the index does not list "
              + listed(beside)
              + " beside it; remove what does not belong to the model, or download the index again");
    }
    for (String shard : new TreeSet<>(listed.keySet())) {
      List<String> left = new ArrayList<>();
      Path file = files.source().resolveSibling(shard);
      try (Safetensors one = torch ? Safetensors.openTorch(file) : Safetensors.open(file)) {
        one.names().stream().filter(n -> !listed.get(shard).contains(n)).forEach(left::add);
      }
      if (!left.isEmpty()) {
        throw new DataException(
            "file="
                + files.source()
                + ": shard="
                + DataException.quote(shard)
                + " holds tensors that the index does not place there: "
                + StoredWeights.listed(left)
                + "; index and shards do not belong together, download both again");
      }
    }
  }

  private static List<String> entries(Path directory, Predicate<String> wanted) {
    try (Stream<Path> list = Files.list(directory)) {
      return list.limit(MOST_ENTRIES)
          .map(p -> p.getFileName().toString())
          .filter(wanted)
          .sorted()
          .toList();
    } catch (IOException | java.io.UncheckedIOException unreadable) {
      return List.of();
    }
  }

  private static String listed(List<String> names) {
    return StoredWeights.listed(names);
  }

  private static String listed(Path parent, List<String> names) {
    List<String> shown =
        names.stream().limit(SHOWN).map(n -> parent.resolve(n).toString()).toList();
    return String.join(", ", shown)
        + (names.size() > SHOWN ? " and " + (names.size() - SHOWN) + " more" : "");
  }
}
