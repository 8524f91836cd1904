package io.autocircuit.task.program;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import java.util.List;

/** {@code most-frequent}: {@link Programs#mostFrequent}. */
public final class MostFrequentTask extends ProgramTask {
  /** For the catalogue. */
  public MostFrequentTask() {
    super(
        "most-frequent",
        "Most frequent letter",
        "the letter that occurs most often, at all positions: counts are compared, and the largest fetches its letter",
        RASP);
  }

  @Override
  Program program(Settings settings) {
    return Programs.mostFrequent(letters(settings), length(settings));
  }

  @Override
  List<Setting> shape() {
    return List.of(lettersSetting(26, 3), lengthSetting(2, 12, 5));
  }
}
