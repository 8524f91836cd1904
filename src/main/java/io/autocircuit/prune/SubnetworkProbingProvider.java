package io.autocircuit.prune;

import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code sp}: {@link SubnetworkProbing}. */
public final class SubnetworkProbingProvider implements PruneAlgorithmProvider {
  static final List<Setting> SETTINGS =
      ProbingSettings.with(
          Setting.whole(ProbingSettings.CIRCUIT_SIZE, 0, 0, "wanted number of edges; 0 for none")
              .in("edges"),
          "+");

  /** For the catalogue. */
  public SubnetworkProbingProvider() {}

  @Override
  public String key() {
    return "sp";
  }

  @Override
  public String title() {
    return "Subnetwork probing";
  }

  @Override
  public String description() {
    return "learns the masks by gradient descent on a loss plus λ times the size";
  }

  @Override
  public Source source() {
    return Source.arxiv(
        "Cao et al. 2021, Low-complexity probing via finding subnetworks", "2104.03514");
  }

  @Override
  public List<Setting> settings() {
    return SETTINGS;
  }

  @Override
  public List<Preset> presets() {
    return PublishedPresets.SUBNETWORK_PROBING;
  }

  /** A forward and a backward pass with masks for each epoch. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(3.0 * settings.whole("epochs"));
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return ProbingSettings.probing(
        settings, settings.whole(ProbingSettings.CIRCUIT_SIZE), MaskFunction.INITIAL, context);
  }

  @Override
  public boolean avoids() {
    return true;
  }
}
