package io.autocircuit.task.program;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.task.KnownCircuit;
import java.util.List;

/** {@code tracr-reverse}: {@link Programs#reverse}. */
public final class TracrReverseTask extends ProgramTask {
  /** For the catalogue. */
  public TracrReverseTask() {
    super(
        "tracr-reverse",
        "Tracr reverse",
        "the letters of the prompt in reverse order, a program of Tracr's library and a task of AutoCircuit",
        TRACR);
  }

  @Override
  Program program(Settings settings) {
    return Programs.reverse();
  }

  @Override
  List<Setting> shape() {
    return List.of();
  }

  @Override
  List<KnownCircuit> published(CompiledProgram compiled) {
    PublishedEdges places = PublishedEdges.allButTheMiddle(compiled);
    return List.of(
        places.autoCircuit(key(), "Resid Start->A3.0.V", "A3.0->Resid End"),
        places.acdc(
            key() + "-acdc",
            "A3.0->Resid End",
            "MLP 2->A3.0.Q",
            "Resid Start->A3.0.K",
            "Resid Start->A3.0.V",
            "MLP 1->MLP 2",
            "MLP 0->MLP 1",
            "Resid Start->MLP 1",
            "A0.0->MLP 0",
            "Resid Start->MLP 0",
            "Resid Start->A0.0.V"));
  }
}
