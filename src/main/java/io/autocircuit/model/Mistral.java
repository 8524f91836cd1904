package io.autocircuit.model;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.BlockReader.Biases;

/** Mistral: Llama whose blocks may all see a window. */
final class Mistral {
  static final Family FAMILY =
      Family.of(
              "mistral",
              "Mistral",
              "Llama whose blocks attend to a window",
              Source.arxiv("Jiang et al. 2023, \"Mistral 7B\"", "2310.06825"),
              "Mistral",
              Mistral::read)
          .refusing(RotarySettings.KINDS);

  static TransformerConfig read(FamilyReader r) {
    ConfigReader c = r.c;
    r.sizes = Sizes.read(c, new Sizes.Defaults(4096, 32, 8, 0, 14336, 32, 32000, 131072));
    r.rmsNorm(1e-6);
    r.rotary(RotarySettings.whole(c, r.sizes, 10000));
    r.windows(Windows.everywhere(r, Windows.size(c, 4096)));
    return Llama.finished(r, Biases.NONE, false, false);
  }

  private Mistral() {}
}
