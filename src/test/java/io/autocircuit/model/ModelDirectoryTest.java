package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static io.autocircuit.model.Loaded.complaint;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.model.ModelDirectories.Draft;
import io.autocircuit.tensor.Safetensors.Array;
import io.autocircuit.tensor.TorchArchive;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Directories that are not quite model directories. */
class ModelDirectoryTest {
  private static final String SHARD = "model-0000%d-of-00003.safetensors";
  private static final String TORCH_SHARD = "pytorch_model-0000%d-of-00002.bin";

  @TempDir Path directory;

  /** A model's settings without its weights. */
  private Path bare(String name) throws IOException {
    Path path = ModelDirectories.gpt2().write(directory.resolve(name));
    Files.delete(path.resolve("model.safetensors"));
    return path;
  }

  @Test
  void aNameOnTheHub() {
    for (String id : List.of("gpt2", "EleutherAI/pythia-70m", "meta-llama/Llama-3.2-1B")) {
      assertContains(
          complaint(Path.of(id)),
          " does not exist; if it is a name on the Hugging Face hub, 'autocircuit models fetch M' downloads it",
          "Hub.standard().find(HubId.parse(NAME)).directory()");
    }
    assertContains(
        complaint(directory.resolve("missing")),
        "model directory=M does not exist; give a directory with config.json");
  }

  @Test
  void aFolderOfTheCache() throws IOException {
    Path cache = directory.resolve("models--org--tiny-model");
    Path first = ModelDirectories.gpt2().write(cache.resolve("snapshots").resolve("aaa111"));
    try (Transformer t = ModelLoader.load(cache)) {
      assertEquals("tiny-model", t.config().name());
    }
    try (Transformer t = ModelLoader.load(first)) {
      assertEquals("tiny-model", t.config().name());
    }
    Path second = ModelDirectories.gpt2().write(cache.resolve("snapshots").resolve("bbb222"));
    assertContains(
        complaint(cache),
        "is a folder of Hugging Face's cache with 2 snapshots; give one of "
            + "M/snapshots/aaa111, M/snapshots/bbb222");
    Files.createDirectories(cache.resolve("refs"));
    Files.writeString(cache.resolve("refs").resolve("main"), "bbb222");
    assertContains(complaint(cache), "; give M/snapshots/bbb222, which is the main branch, or");
    Files.delete(first.resolve("config.json"));
    Files.delete(second.resolve("config.json"));
    assertContains(complaint(cache), "without a snapshot that has config.json; download");
    assertContains(complaint(directory), "its folders have: give one of M/models--org--tiny-model");
  }

  @Test
  void aFolderOfCheckpoints() throws IOException {
    ModelDirectories.gpt2().write(directory.resolve("run").resolve("checkpoint-500"));
    assertContains(
        complaint(directory.resolve("run")),
        "has no config.json; its folders have: give one of M/checkpoint-500");
  }

  @Test
  void weightsInOtherFormats() throws IOException {
    int i = 0;
    for (String file :
        List.of(
            "model.bin",
            "consolidated.00.pth",
            "tf_model.h5",
            "flax_model.msgpack",
            "model.ckpt")) {
      Path path = bare("other" + i++);
      Files.writeString(path.resolve(file), "x");
      assertContains(
          complaint(path),
          "model directory=M holds \"" + file + "\" but no model.safetensors, and only safetensors",
          "AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW_DIR,");
    }
    Path gguf = bare("gguf");
    Files.writeString(gguf.resolve("tiny.Q4.gguf"), "x");
    assertContains(complaint(gguf), "\"tiny.Q4.gguf\"", "from_pretrained(DIR, gguf_file=NAME)");
    Path own = Files.createDirectory(directory.resolve("own"));
    Files.writeString(own.resolve("params.json"), "{}");
    assertContains(complaint(own), "has params.json and no config.json", "Hugging Face's format");
  }

  @Test
  void weightsThatTorchSaved() throws IOException {
    Draft gpt2 = ModelDirectories.gpt2();
    Path whole = gpt2.write(directory.resolve("safetensors"));
    Path bin = bare("bin");
    TorchArchive.write(bin.resolve("pytorch_model.bin"), gpt2.weights());
    Path split = bare("split");
    Map<String, Map<String, Array>> shards = new TreeMap<>();
    StringBuilder index = new StringBuilder();
    gpt2.weights()
        .forEach(
            (name, array) -> {
              String shard = String.format(TORCH_SHARD, name.contains("h.0.") ? 1 : 2);
              shards.computeIfAbsent(shard, s -> new TreeMap<>()).put(name, array);
              index.append(String.format(", \"%s\": \"%s\"", name, shard));
            });
    for (Map.Entry<String, Map<String, Array>> shard : shards.entrySet()) {
      TorchArchive.write(split.resolve(shard.getKey()), shard.getValue());
    }
    Path indexFile = split.resolve("pytorch_model.bin.index.json");
    Files.writeString(indexFile, "{\"weight_map\": {" + index.substring(2) + "}}");
    Path renamed = bare("renamed");
    Files.copy(whole.resolve("model.safetensors"), renamed.resolve("pytorch_model.bin"));
    assertEquals(List.of("pytorch_model.bin"), ModelFiles.of(bin).weights());
    assertEquals(3, ModelFiles.of(split).weights().size());
    float[] expected = Loaded.logits(whole);
    assertArrayEquals(expected, Loaded.logits(bin));
    assertArrayEquals(expected, Loaded.logits(split));
    assertArrayEquals(expected, Loaded.logits(renamed));
    TorchArchive.write(
        split.resolve(String.format(TORCH_SHARD, 1)),
        Map.of("lost", new Array(new long[] {1}, new float[1])));
    assertContains(complaint(split), "pytorch_model-00001-of-00002.bin", "does not hold tensor");
    Files.delete(indexFile);
    assertContains(
        complaint(split),
        "(2 of 2 shards) but no pytorch_model.bin.index.json, which says what is in which");
    Files.writeString(bin.resolve("pytorch_model.bin"), "version https://git-lfs");
    assertContains(complaint(bin), "Git LFS pointer");
  }

  @Test
  void shardsWithoutAnIndex() throws IOException {
    Path path = bare("shards");
    Files.writeString(path.resolve(String.format(SHARD, 1)), "x");
    assertContains(
        complaint(path),
        "holds \"model-00001-of-00003.safetensors\" (1 of 3 shards) but no"
            + " model.safetensors.index.json",
        "download it and the missing shards");
    Files.writeString(path.resolve(String.format(SHARD, 2)), "x");
    Files.writeString(path.resolve(String.format(SHARD, 3)), "x");
    assertContains(complaint(path), "(3 of 3 shards)");
  }

  @Test
  void weightsUnderAnotherName() throws IOException {
    Path path = bare("renamed");
    Files.writeString(path.resolve("weights.safetensors"), "x");
    assertContains(
        complaint(path),
        "holds no model.safetensors, but \"weights.safetensors\"; if that is the model, rename it");
    Files.writeString(path.resolve("more.safetensors"), "x");
    assertContains(
        complaint(path),
        "model.safetensors.index.json (but \"more.safetensors\", \"weights.safetensors\"), nor");
  }

  @Test
  void anAdapterFolder() throws IOException {
    Path path = Files.createDirectory(directory.resolve("adapter"));
    Files.writeString(path.resolve("adapter_config.json"), "{}");
    Files.writeString(path.resolve("adapter_model.safetensors"), "x");
    assertContains(
        complaint(path), "model directory=M has adapter_config.json", "LoRA", "merge_and_unload()");
    Path beside = ModelDirectories.gpt2().write(directory.resolve("beside"));
    Files.writeString(beside.resolve("adapter_config.json"), "{}");
    assertContains(complaint(beside), "LoRA", "merge_and_unload()");
  }

  @Test
  void anUnknownFamilyIsNamedWhateverItsWeightsAre() throws IOException {
    Path path = bare("unknown");
    Files.writeString(path.resolve("config.json"), "{\"model_type\": \"mamba\"}");
    assertContains(complaint(path), "model_type=\"mamba\" is not supported");
  }

  // ---- TransformerLens without its key ----

  @Test
  void aDictionaryOfTransformerLensIsRecognised() throws IOException {
    Draft m = ModelDirectories.hooked();
    float[] expected = Loaded.logits(m, directory);
    m.config().remove("architecture");
    assertArrayEquals(expected, Loaded.logits(m, directory));
    for (String name : List.copyOf(m.weights().keySet())) {
      m.rename(name, "x." + name);
    }
    assertContains(
        complaint(m, directory),
        "missing field \"model_type\"; add it, or \"architecture\": \"HookedTransformer\" if the"
            + " weights are a state dictionary of TransformerLens");
  }
}
