package io.autocircuit.task.program;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.Transformer;
import io.autocircuit.task.TaskProvider;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** What the tests of compiled programs share. */
final class ProgramTasks {
  private ProgramTasks() {}

  static Stream<ProgramTask> all() {
    return TaskProvider.catalogue().entries().stream()
        .filter(ProgramTask.class::isInstance)
        .map(ProgramTask.class::cast);
  }

  static Settings defaults(ProgramTask task) {
    return Settings.of(task.settings(), Map.of());
  }

  /** All prompts of letters if there are at most {@code most}, else so many random ones. */
  static List<int[]> letters(Program program, int most) {
    int kinds = program.letters().length;
    double all = Math.pow(kinds, program.length());
    SplittableRandom random = new SplittableRandom(7);
    List<int[]> prompts = new ArrayList<>();
    for (int i = 0; i < Math.min(all, most); i++) {
      int[] p = new int[program.length()];
      int rest = i;
      for (int t = 0; t < p.length; t++) {
        p[t] = all <= most ? rest % kinds : random.nextInt(kinds);
        rest /= kinds;
      }
      prompts.add(p);
    }
    return prompts;
  }

  /** The logits behind BOS, {@code [prompts][positions × outputs]}. */
  static double[][] logits(Transformer model, Program program, List<int[]> prompts) {
    int length = program.length() + 1;
    int[] ids = new int[prompts.size() * length];
    for (int i = 0; i < prompts.size(); i++) {
      System.arraycopy(program.prompt(prompts.get(i)), 0, ids, i * length, length);
    }
    try (TensorScope scope = new TensorScope()) {
      TokenBatch batch = new TokenBatch(ids, prompts.size(), length, new int[prompts.size()]);
      double[] flat = Tensors.doubles(model.logits(batch, OutputSlice.NOT_FIRST_SEQ));
      int width = flat.length / prompts.size();
      double[][] rows = new double[prompts.size()][];
      for (int i = 0; i < rows.length; i++) {
        rows[i] = Arrays.copyOfRange(flat, i * width, (i + 1) * width);
      }
      return rows;
    }
  }

  /** The largest distance of the model's outputs from those that the program has on plain lists. */
  static double error(Program program, ScalarType type, int most) {
    CompiledProgram compiled = CompiledProgram.of(program);
    List<int[]> prompts = letters(program, most);
    double error = 0;
    try (Transformer model = compiled.transformer(type)) {
      double[][] logits = logits(model, program, prompts);
      int outputs = model.config().outputs();
      for (int i = 0; i < logits.length; i++) {
        double[] wanted = program.run(prompts.get(i));
        for (int j = 0; j < logits[i].length; j++) {
          double value = wanted[j / outputs];
          double target = compiled.numerical() ? value : 0;
          if (!compiled.numerical() && !Double.isNaN(value)) {
            target = compiled.output(value) == j % outputs ? 1 : 0;
          }
          error = Math.max(error, Math.abs(logits[i][j] - target));
        }
      }
    }
    return error;
  }
}
