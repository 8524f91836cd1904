package io.autocircuit.model;

import static io.autocircuit.model.Loaded.assertContains;
import static io.autocircuit.model.Loaded.complaint;
import static io.autocircuit.model.Loaded.logits;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.autocircuit.model.ModelDirectories.Draft;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights that were saved from inside something. */
class WrappedNamesTest {
  @TempDir Path directory;

  private static final List<Supplier<Draft>> LAYOUTS =
      List.of(
          ModelDirectories::gpt2,
          ModelDirectories::neox,
          ModelDirectories::llama,
          ModelDirectories::hooked);

  private static Draft renamed(Draft m, UnaryOperator<String> to) {
    for (String name : List.copyOf(m.weights().keySet())) {
      m.rename(name, to.apply(name));
    }
    return m;
  }

  @Test
  void wrappersAreTakenOff() throws IOException {
    List<UnaryOperator<String>> wrappers =
        List.of(
            n -> "module." + n,
            n -> "_orig_mod." + n,
            n -> "base_model.model." + n,
            n -> "module._orig_mod.module." + n,
            n -> "model." + n,
            n -> "_forward_module.model." + n,
            n -> n.replace("layers.0.", "layers.0._orig_mod.").replace("h.1.", "h.1.module."),
            n -> "module." + n.replaceFirst("^(transformer|gpt_neox|model)\\.", ""),
            n -> n.replaceFirst("^(transformer|gpt_neox|model)\\.", ""));
    for (Supplier<Draft> layout : LAYOUTS) {
      float[] expected = logits(layout.get(), directory);
      for (UnaryOperator<String> wrapper : wrappers) {
        Draft m = renamed(layout.get(), wrapper);
        assertArrayEquals(expected, logits(m, directory), m.weights().firstKey());
      }
    }
  }

  @Test
  void messagesNameWhatWouldBeInTheFile() throws IOException {
    Draft m = renamed(ModelDirectories.llama(), n -> "module." + n);
    m.weights().remove("module.model.layers.1.mlp.up_proj.weight");
    assertContains(
        complaint(m, directory),
        "tensor=\"module.model.layers.1.mlp.up_proj.weight\" is missing; did you mean");
    Draft head = renamed(ModelDirectories.llama(), n -> "module." + n);
    head.weights().remove("module.lm_head.weight");
    assertContains(complaint(head, directory), "tensor=\"module.lm_head.weight\" is missing; ");
    Draft shape = renamed(ModelDirectories.hooked(), n -> "_orig_mod." + n);
    shape.put("_orig_mod.embed.W_E", 3, 3);
    assertContains(
        complaint(shape, directory), "tensor=\"_orig_mod.embed.W_E\" has shape=[3, 3] but");
  }

  @Test
  void namesThatFallTogether() throws IOException {
    Draft m = ModelDirectories.gpt2();
    m.copy("transformer.wte.weight", "module.transformer.wte.weight");
    assertContains(
        complaint(m, directory),
        "tensors \"module.transformer.wte.weight\" and \"transformer.wte.weight\" would both be the"
            + " model's \"wte.weight\"");
    Draft unknown = renamed(ModelDirectories.gpt2(), n -> "policy." + n);
    assertContains(complaint(unknown, directory), "wte.weight\" is missing; ");
  }
}
