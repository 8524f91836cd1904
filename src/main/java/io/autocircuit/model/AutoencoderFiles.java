package io.autocircuit.model;

import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Where the autoencoders of a model lie.
 *
 * @param directory holds a directory or a file for each block
 */
record AutoencoderFiles(Path directory) {
  private static final Pattern BLOCK =
      Pattern.compile("(?:blocks?[._]|layer_?)?(\\d{1,4})(?:[._]hook_mlp_out)?(?:\\.safetensors)?");

  /** What lies beside autoencoders and says nothing of them. */
  private static final Pattern BESIDE =
      Pattern.compile("\\..*|README.*|LICENSE.*|.*\\.md|training\\.json");

  private static final long MOST_ENTRIES = 10_000;

  /**
   * What holds the autoencoder of a block.
   *
   * @param notices is told of what is not read
   */
  Map<Integer, Path> blocks(TransformerConfig config, List<String> notices) {
    Map<Integer, Path> found = new TreeMap<>();
    for (Path entry : entries(directory)) {
      String name = entry.getFileName().toString();
      Matcher m = BLOCK.matcher(name);
      if (!m.matches()) {
        if (!BESIDE.matcher(name).matches()) {
          notices.add(
              "autoencoders="
                  + directory
                  + ": "
                  + DataException.quote(name)
                  + " is not read; the autoencoder of block 0 lies in 0, blocks.0 or"
                  + " blocks.0.hook_mlp_out");
        }
        continue;
      }
      int block = Integer.parseInt(m.group(1));
      if (block >= config.blocks()) {
        throw new DataException(
            "autoencoders="
                + directory
                + ": "
                + DataException.quote(name)
                + " is of block="
                + block
                + ", but the model "
                + config.name()
                + " has blocks="
                + config.blocks()
                + "; give the autoencoders of this model");
      }
      Path other = found.put(block, entry);
      if (other != null) {
        throw new DataException(
            "autoencoders="
                + directory
                + ": "
                + DataException.quote(other.getFileName().toString())
                + " and "
                + DataException.quote(name)
                + " are both of block="
                + block
                + "; leave one");
      }
    }
    if (found.isEmpty()) {
      throw new DataException(
          "autoencoders="
              + directory
              + " holds none; the autoencoder of block 0 lies in 0, blocks.0 or"
              + " blocks.0.hook_mlp_out: a directory with cfg.json and sae_weights.safetensors, or a"
              + " file that ends in .safetensors");
    }
    return found;
  }

  /** Weights and settings of all blocks, as paths from the directory, sorted. */
  static List<String> files(Path directory) {
    List<String> files = new ArrayList<>();
    for (Path entry : entries(directory)) {
      for (Path file : Files.isDirectory(entry) ? entries(entry) : List.of(entry)) {
        String name = file.getFileName().toString();
        if (name.endsWith(".safetensors")
            || name.endsWith("cfg.json")
            || name.equals("config.json")) {
          files.add(directory.relativize(file).toString());
        }
      }
    }
    return files.stream().sorted().toList();
  }

  private static List<Path> entries(Path directory) {
    if (!Files.isDirectory(directory)) {
      throw new DataException(
          "autoencoders="
              + directory
              + " is not a directory; give one that holds the autoencoder of each block");
    }
    try (Stream<Path> all = Files.list(directory)) {
      return all.limit(MOST_ENTRIES).sorted().toList();
    } catch (IOException e) {
      throw JsonFiles.unreadable(directory, e);
    }
  }

  /** The weights in a directory. */
  static Path weights(Path directory) {
    Path usual = directory.resolve("sae_weights.safetensors");
    if (Files.exists(usual)) {
      return usual;
    }
    List<Path> some =
        entries(directory).stream().filter(p -> p.toString().endsWith(".safetensors")).toList();
    if (some.size() != 1) {
      boolean pickled = entries(directory).stream().anyMatch(p -> p.toString().endsWith(".pt"));
      throw new DataException(
          "autoencoder directory="
              + directory
              + " holds "
              + (some.isEmpty() ? "no" : String.valueOf(some.size()))
              + " files that end in .safetensors"
              + (pickled
                  ? ", but a .pt file, which is not read: save its state_dict in Python by"
                      + " safetensors.torch.save_file"
                  : "; give it one, such as sae_weights.safetensors"));
    }
    return some.get(0);
  }

  /** The settings in a directory; null if it has none. */
  static ConfigReader settings(Path directory) {
    for (String name : List.of("cfg.json", "config.json")) {
      Path file = directory.resolve(name);
      if (Files.exists(file)) {
        return new ConfigReader(file, JsonFiles.read(file, JsonFiles.LARGEST_CONFIG));
      }
    }
    return null;
  }
}
