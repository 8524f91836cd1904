package io.autocircuit.task;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.files.Fingerprint;
import io.autocircuit.model.ModelFiles;
import io.autocircuit.model.Transformer;
import io.autocircuit.model.WeightProcessing;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** {@code induction}: the {@link EmbeddedTask}. */
public final class InductionTask implements TaskProvider {
  /** For the catalogue. */
  public InductionTask() {}

  @Override
  public String key() {
    return EmbeddedTask.NAME;
  }

  @Override
  public String title() {
    return "Induction";
  }

  @Override
  public String description() {
    return "the model that travels in the jar: two blocks of attention that complete … A B … A with"
        + " B; the default";
  }

  @Override
  public Source source() {
    return Source.OURS;
  }

  @Override
  public Transformer model(
      Settings settings, WeightProcessing processing, ScalarType type, long seed) {
    return EmbeddedTask.model(processing, type);
  }

  @Override
  public TokenizedDataset prompts(Settings settings, Transformer model, long seed) {
    return Task.tokenize(EmbeddedTask.prompts(), null, BosPolicy.AUTO);
  }

  @Override
  public boolean usesSeed(Settings settings) {
    return false;
  }

  @Override
  public Optional<String> fingerprint(Settings settings) {
    ModelFiles files = ModelFiles.of(EmbeddedTask.directory());
    String parts =
        Fingerprint.of(files.directory(), files.weights())
            + Fingerprint.of(files.directory().resolve(ModelFiles.CONFIG))
            + Fingerprint.of(EmbeddedTask.promptBytes());
    return Optional.of(Fingerprint.of(parts.getBytes(StandardCharsets.UTF_8)));
  }
}
