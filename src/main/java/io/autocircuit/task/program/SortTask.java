package io.autocircuit.task.program;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import java.util.List;

/** {@code sort}: {@link Programs#sort}. */
public final class SortTask extends ProgramTask {
  /** For the catalogue. */
  public SortTask() {
    super(
        "sort",
        "Sort",
        "the letters of the prompt in order: each finds its place by counting, then each place fetches its letter",
        TRACR);
  }

  @Override
  Program program(Settings settings) {
    return Programs.sort(letters(settings), length(settings));
  }

  @Override
  List<Setting> shape() {
    return List.of(lettersSetting(26, 4), lengthSetting(2, 12, 5));
  }
}
