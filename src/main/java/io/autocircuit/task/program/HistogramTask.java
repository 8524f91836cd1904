package io.autocircuit.task.program;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import java.util.List;

/** {@code histogram}: {@link Programs#histogram}. */
public final class HistogramTask extends ProgramTask {
  /** For the catalogue. */
  public HistogramTask() {
    super(
        "histogram",
        "Histogram",
        "how often each letter of the prompt occurs in it, at each position: the width of a selector",
        TRACR);
  }

  @Override
  Program program(Settings settings) {
    return Programs.histogram(letters(settings), length(settings));
  }

  @Override
  List<Setting> shape() {
    return List.of(lettersSetting(26, 3), lengthSetting(2, 12, 5));
  }
}
