package io.autocircuit.task.program;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.task.KnownCircuit;
import java.util.List;

/** {@code tracr-xproportion}: {@link Programs#xProportion}. */
public final class TracrXProportionTask extends ProgramTask {
  /** For the catalogue. */
  public TracrXProportionTask() {
    super(
        "tracr-xproportion",
        "Tracr xproportion",
        "the share of x among the letters up to each position, Tracr's frac_prevs and a task of AutoCircuit; answers are numbers",
        TRACR);
  }

  @Override
  Program program(Settings settings) {
    return Programs.xProportion();
  }

  @Override
  List<Setting> shape() {
    return List.of();
  }

  @Override
  List<KnownCircuit> published(CompiledProgram compiled) {
    PublishedEdges places = PublishedEdges.everywhere(compiled);
    return List.of(
        places.autoCircuit(key(), "Resid Start->MLP 0", "MLP 0->A1.0.V", "A1.0->Resid End"),
        places.acdc(
            key() + "-acdc",
            "Resid Start->MLP 0",
            "MLP 0->A1.0.V",
            "A1.0->Resid End",
            "Resid Start->A1.0.Q",
            "Resid Start->A1.0.K"));
  }
}
