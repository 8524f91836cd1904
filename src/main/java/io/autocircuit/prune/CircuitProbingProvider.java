package io.autocircuit.prune;

import io.autocircuit.catalogue.Preset;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code cp}: {@link CircuitProbing}. */
public final class CircuitProbingProvider implements PruneAlgorithmProvider {
  /** In place of a number: as many edges, or nodes, as the run's official circuit has. */
  static final String OFFICIAL = "official";

  static final List<Setting> SETTINGS =
      ProbingSettings.with(
          Setting.of(
                  ProbingSettings.CIRCUIT_SIZES,
                  new SettingType.Several(new SettingType.Size(1, OFFICIAL)),
                  List.of(OFFICIAL),
                  "wanted numbers of edges, each probed for by itself; official for as many as the"
                      + " known circuit has")
              .in("edges"),
          "−");

  /** For the catalogue. */
  public CircuitProbingProvider() {}

  @Override
  public String key() {
    return "cp";
  }

  @Override
  public String title() {
    return "Circuit probing";
  }

  @Override
  public String description() {
    return "subnetwork probing once for each wanted size, from the full circuit on";
  }

  @Override
  public Source source() {
    return Source.web("AutoCircuit, Miller 2024", "https://github.com/UFO-101/auto-circuit");
  }

  @Override
  public List<Setting> settings() {
    return SETTINGS;
  }

  @Override
  public List<Preset> presets() {
    return PublishedPresets.CIRCUIT_PROBING;
  }

  @Override
  public boolean needsOfficial(Settings settings) {
    return sizes(settings).contains(OFFICIAL);
  }

  @Override
  public boolean avoids() {
    return true;
  }

  private static List<?> sizes(Settings settings) {
    return (List<?>) settings.value(ProbingSettings.CIRCUIT_SIZES).orElseThrow();
  }

  /** A forward and a backward pass with masks for each epoch and size. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(3.0 * settings.whole("epochs") * sizes(settings).size());
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    List<Integer> sizes =
        sizes(settings).stream()
            .map(
                size ->
                    size instanceof Long n
                        ? Math.toIntExact(n)
                        : context
                            .officialSize()
                            .orElseThrow(
                                () ->
                                    new IllegalArgumentException(
                                        "circuit_sizes=official needs an official circuit; give"
                                            + " one, or numbers of edges")))
            .toList();
    return new CircuitProbing(
        ProbingSettings.probing(settings, 0, -MaskFunction.INITIAL, context), sizes);
  }
}
