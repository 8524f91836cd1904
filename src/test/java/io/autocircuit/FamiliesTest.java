package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.RandomModels.Architecture;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.graph.Stage;
import io.autocircuit.kernels.Kernels;
import io.autocircuit.kernels.KernelsProvider;
import io.autocircuit.kernels.LibtorchKernels;
import io.autocircuit.model.ModelLoader;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/**
 * What must hold of every family: the outputs of all sources and attention's biases add up to the
 * stream, so that they make the model's logits; with the kernels of this machine as with libtorch's
 * operations.
 */
class FamiliesTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static List<Kernels> kernels() {
    return List.of(KernelsProvider.choose().kernels(), new LibtorchKernels());
  }

  /** Logits of the sum of what all sources write, against the plain forward pass. */
  private static void assertSourcesAddUp(Transformer model, TokenBatch tokens, double most) {
    for (Kernels kernels : kernels()) {
      try (TensorScope scope = new TensorScope()) {
        PatchableModel patchable = PatchableModel.of(model, true, 0, OutputSlice.ALL, kernels);
        Tensor stream = SourceOutputs.of(patchable, tokens).sum(new long[] {0}, false, null);
        Stage end = patchable.graph().end();
        for (Stage stage : patchable.graph().stages()) {
          if (stage.kind() == Stage.Kind.ATTENTION) {
            stream.add_(model.attentionOutputBias(stage));
          }
        }
        double[] ours = Tensors.doubles(model.unembed(model.read(end, stream)));
        double[] expected = Tensors.doubles(model.logits(tokens, OutputSlice.ALL));
        double largest = 0;
        for (int i = 0; i < expected.length; i++) {
          largest = Math.max(largest, Math.abs(ours[i] - expected[i]));
        }
        assertEquals(0, largest, most, model.config().name() + " with " + kernels.name());
      }
    }
  }

  @Test
  void sourcesOfRandomModelsAddUp() {
    for (Architecture a : RandomModels.architectures().toList()) {
      try (TensorScope scope = new TensorScope();
          Transformer model = RandomModels.model(a, ScalarType.Double, 3)) {
        assertSourcesAddUp(model, RandomModels.batch(2, 6, 4).clean(), 1e-10);
        assertSourcesAddUp(model, RandomModels.batch(new int[] {6, 3}, 6, 4).clean(), 1e-10);
      }
    }
  }

  private static List<Path> folders() throws IOException {
    Path place = Path.of(System.getProperty("reference.dir", "../shared/reference"));
    place = place.resolve("architectures");
    assumeTrue(Files.isDirectory(place), "no model folders at reference.dir: " + place);
    try (Stream<Path> all = Files.list(place)) {
      return all.filter(f -> Files.isRegularFile(f.resolve("hf_logits.json")))
          .sorted(Comparator.comparing(Path::toString))
          .toList();
    }
  }

  private static TokenBatch tokens(JsonNode ids) {
    int[] numbers = new int[ids.size()];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = ids.get(i).asInt();
    }
    return new TokenBatch(numbers, 1, numbers.length, new int[1]);
  }

  @Test
  void sourcesOfCheckpointsAddUp() throws IOException {
    List<String> loaded = new ArrayList<>();
    for (Path folder : folders()) {
      JsonNode file = JSON.readTree(folder.resolve("hf_logits.json").toFile());
      String type =
          JSON.readTree(folder.resolve("model/config.json").toFile()).path("model_type").asText();
      if (!ModelLoader.ARCHITECTURES.contains(type)) {
        continue;
      }
      loaded.add(folder.getFileName().toString());
      try (TensorScope scope = new TensorScope();
          Transformer model =
              ModelLoader.load(
                  folder.resolve("model"), WeightProcessing.DEFAULT, ScalarType.Double)) {
        assertEquals(List.of(), model.notices(), folder.toString());
        JsonNode ids = file.path("ids");
        assertSourcesAddUp(model, tokens(ids.get(ids.size() - 1)), 1e-9);
      }
    }
    System.out.println("FamiliesTest: sources add up in " + loaded);
  }
}
