package io.autocircuit.task.program;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import java.util.List;
import java.util.SplittableRandom;

/** {@code shuffle-dyck}: {@link Programs#shuffleDyck}. */
public final class ShuffleDyckTask extends ProgramTask {
  /** For the catalogue. */
  public ShuffleDyckTask() {
    super(
        "shuffle-dyck",
        "Shuffle-Dyck",
        "whether the brackets of two kinds are balanced at each position, each kind for itself: six blocks",
        TRACR);
  }

  @Override
  Program program(Settings settings) {
    return Programs.shuffleDyck(length(settings));
  }

  @Override
  List<Setting> shape() {
    return List.of(lengthSetting(2, 12, 6));
  }

  /** Half of the prompts begin with brackets that are balanced; few would by chance. */
  @Override
  int[] draw(Program program, SplittableRandom random) {
    int[] prompt = super.draw(program, random);
    int balanced = random.nextBoolean() ? 2 * random.nextInt(program.length() / 2 + 1) : 0;
    int[] open = new int[2];
    for (int i = 0; i < balanced; i++) {
      int all = open[0] + open[1];
      boolean opens = all == 0 || (all < balanced - i && random.nextBoolean());
      int kind = opens ? random.nextInt(2) : random.nextInt(all) < open[0] ? 0 : 1;
      open[kind] += opens ? 1 : -1;
      prompt[i] = 2 * kind + (opens ? 0 : 1);
    }
    return prompt;
  }
}
