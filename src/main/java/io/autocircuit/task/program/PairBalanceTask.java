package io.autocircuit.task.program;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import java.util.List;

/** {@code pair-balance}: {@link Programs#pairBalance}. */
public final class PairBalanceTask extends ProgramTask {
  /** For the catalogue. */
  public PairBalanceTask() {
    super(
        "pair-balance",
        "Pair balance",
        "the share of opening less that of closing brackets up to each position: two heads take means, an MLP their difference; answers are numbers",
        TRACR);
  }

  @Override
  Program program(Settings settings) {
    return Programs.pairBalance(length(settings));
  }

  @Override
  List<Setting> shape() {
    return List.of(lengthSetting(2, 12, 5));
  }
}
