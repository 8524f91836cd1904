package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static io.autocircuit.model.Loaded.complaint;
import static io.autocircuit.model.Loaded.notices;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.files.DataException;
import io.autocircuit.model.ModelDirectories.Draft;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files that are there, but are not what is needed: the message says what they are. */
class WrongFilesTest {
  private static final String WEIGHTS = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final int D = ModelDirectories.D;

  @TempDir Path directory;

  private Path written(String name) throws IOException {
    return ModelDirectories.llama().write(directory.resolve(name));
  }

  private Path renamed(String name) throws IOException {
    Path path = written("as-" + name);
    Files.move(path.resolve(WEIGHTS), path.resolve(name));
    return path;
  }

  @Test
  void linksToNothing() throws IOException {
    for (String file : List.of(WEIGHTS, "config.json")) {
      Path path = written("dangling-" + file);
      Files.delete(path.resolve(file));
      Files.createSymbolicLink(path.resolve(file), Path.of("../blobs/abc"));
      assertContains(
          complaint(path), "file=M/" + file + " is a link whose target is missing; copy", "cp -rL");
    }
    Path loop = written("loop");
    Files.delete(loop.resolve(WEIGHTS));
    Files.createSymbolicLink(loop.resolve(WEIGHTS), Path.of(WEIGHTS));
    assertContains(complaint(loop), "is a link whose target is missing");
  }

  @Test
  void settingsOfTheOtherKind() throws IOException {
    Draft hooked = ModelDirectories.hooked();
    ObjectNode settings = hooked.config().deepCopy();
    hooked.config().removeAll();
    hooked.config().setAll(ModelDirectories.gpt2().config());
    assertContains(
        complaint(hooked, directory),
        "model_type=\"gpt2\", but the weights have the names of TransformerLens; give");
    for (Draft m :
        List.of(ModelDirectories.gpt2(), ModelDirectories.neox(), ModelDirectories.llama())) {
      m.config().removeAll();
      m.config().setAll(settings);
      assertContains(
          complaint(m, directory), "but the weights have the names of Hugging Face; give");
    }
  }

  @Test
  void namesOfAnotherFamily() throws IOException {
    for (Draft m :
        List.of(ModelDirectories.gpt2(), ModelDirectories.neox(), ModelDirectories.llama())) {
      String type = m.config().path("model_type").asText();
      for (String other : List.of("gpt2", "gpt_neox", "llama")) {
        if (!other.equals(type)) {
          m.config().put("model_type", other);
          assertContains(
              complaint(m, directory),
              "model_type=\""
                  + other
                  + "\", but the weights have the names of model_type=\""
                  + type,
              "; correct model_type");
        }
      }
    }
  }

  @Test
  void filesUnderOtherNames() throws IOException {
    Map<String, String> cures =
        Map.of(
            "adapter_model.safetensors", "is a LoRA (or another) adapter, which is not a model",
            "adapter_model.bin", "merge_and_unload()",
            "weights.pkl", "pytorch_model.bin are read; convert it in Python",
            "rust_model.ot", "pytorch_model.bin are read; convert it in Python",
            "model.safetensors.incomplete", "the download has not finished",
            "model-00001-of-00001.safetensors", "rename it to model.safetensors");
    for (Map.Entry<String, String> e : cures.entrySet()) {
      assertContains(complaint(renamed(e.getKey())), '"' + e.getKey() + '"', e.getValue());
    }
  }

  @Test
  void partsOfModels() throws IOException {
    Draft biased = ModelDirectories.llama();
    biased.config().put("attention_bias", true);
    assertContains(
        complaint(biased, directory), "attention_bias=true", "\"attention_bias\": false");
    Draft saved = ModelDirectories.llama();
    saved.rename("lm_head.weight", "base_model.model.lm_head.modules_to_save.default.weight");
    assertContains(complaint(saved, directory), "LoRA", "merge_and_unload()");
    for (String head :
        List.of(
            "v_head.summary.weight",
            "score.weight",
            "prompt_embeddings",
            "medusa_head.0.linear.weight")) {
      Draft m = ModelDirectories.gpt2();
      m.put(head, 2, D);
      assertContains(complaint(m, directory), '"' + head + '"', "remove these tensors");
    }
  }

  @Test
  void quantisedInOtherWays() throws IOException {
    for (String part :
        List.of("weight._data", "codes", "codebooks", "centroids", "indices", "weight_scales")) {
      Draft m = ModelDirectories.llama();
      String name = "model.layers.0.mlp.up_proj.";
      m.rename(name + "weight", name + part);
      assertContains(complaint(m, directory), "the weights are quantised", name + part);
    }
    Draft mlx = ModelDirectories.llama();
    mlx.config().putObject("quantization").put("bits", 4);
    assertContains(complaint(mlx, directory), "quantization: the weights are quantised");
    Draft not = ModelDirectories.llama();
    not.config().put("quantization_config", false);
    assertEquals(List.of(), notices(not, directory));
  }

  @Test
  void textInsteadOfWeights() throws IOException {
    for (String text : List.of("Entry not found", "{\"error\":\"Unauthorized\"}", "404: gone")) {
      Path path = written("text" + text.length());
      Files.writeString(path.resolve(WEIGHTS), text);
      assertContains(complaint(path), "is not the file: it is text: ", "; download the file again");
    }
    Path old = written("hawser");
    Files.writeString(
        old.resolve(WEIGHTS), "version https://hawser.github.com/spec/v1\noid sha256:0\n");
    assertContains(complaint(old), "is a Git LFS pointer");
  }

  @Test
  void placesThatAreNoDirectory() throws IOException {
    DataException nothing =
        assertThrows(DataException.class, () -> ModelLoader.load(Path.of("")).close());
    assertContains(nothing.getMessage(), "model directory=\"\" is empty; give");
    assertContains(
        complaint(Path.of("https://huggingface.co/openai-community/gpt2")),
        "is an address; give the model's name on the Hugging Face hub");
    Path path = written("file");
    assertContains(complaint(path.resolve(WEIGHTS)), " is a file; give the directory that");
    Path hub = directory.resolve("home").resolve("hub").resolve("models--a--b");
    Files.createDirectories(hub);
    assertContains(complaint(directory.resolve("home")), "give one of M/hub");
  }

  @Test
  void indicesOfNothing() throws IOException {
    Path empty = renamed("model-00001-of-00002.safetensors");
    Files.writeString(empty.resolve(INDEX), "{\"weight_map\": {}}");
    assertContains(complaint(empty), "weight_map={} lists no tensors; download");
  }

  @Test
  void aPipeIsNotAnIndex() throws IOException, InterruptedException {
    Path path = written("pipe");
    Files.delete(path.resolve(WEIGHTS));
    boolean made;
    try {
      made = new ProcessBuilder("mkfifo", path.resolve(INDEX).toString()).start().waitFor() == 0;
    } catch (IOException e) {
      made = false;
    }
    assumeTrue(made, "mkfifo does not work here");
    assertContains(complaint(path), "file=M/" + INDEX + " is not a regular file; give");
  }
}
