package io.autocircuit.task.program;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import java.util.List;

/** {@code dyck-1-depth}: {@link Programs#dyckDepth}. */
public final class DyckDepthTask extends ProgramTask {
  /** For the catalogue. */
  public DyckDepthTask() {
    super(
        "dyck-1-depth",
        "Dyck-1 depth",
        "how many brackets are open at each position: two heads count, two MLPs subtract",
        RASP);
  }

  @Override
  Program program(Settings settings) {
    return Programs.dyckDepth(length(settings));
  }

  @Override
  List<Setting> shape() {
    return List.of(lengthSetting(2, 12, 6));
  }
}
