package io.autocircuit.prune;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import java.util.List;
import java.util.OptionalDouble;

/** {@code information-flow-routes}: {@link InformationFlowRoutes}. */
public final class InformationFlowRoutesProvider implements PruneAlgorithmProvider {
  static final List<Setting> SETTINGS = List.of();

  /** For the catalogue. */
  public InformationFlowRoutesProvider() {}

  @Override
  public String key() {
    return "information-flow-routes";
  }

  @Override
  public String title() {
    return "Information flow routes";
  }

  @Override
  public String description() {
    return "each source's share of what a destination reads, by how much nearer to it it brings the sum";
  }

  @Override
  public Source source() {
    return Source.arxiv("Ferrando and Voita 2024, Information flow routes", "2403.00824");
  }

  @Override
  public List<Setting> settings() {
    return SETTINGS;
  }

  @Override
  public boolean usesSeed() {
    return false;
  }

  @Override
  public boolean scoresPrompts() {
    return true;
  }

  /** One unpatched run that keeps what sources write, and the differences; as measured. */
  @Override
  public OptionalDouble passes(Settings settings, int edges) {
    return OptionalDouble.of(4);
  }

  @Override
  public PruneAlgorithm create(Settings settings, PruneContext context) {
    return new InformationFlowRoutes();
  }
}
