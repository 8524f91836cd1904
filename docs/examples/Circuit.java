///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS io.autocircuit:autocircuit:0.2.0-SNAPSHOT
//JAVA_OPTIONS --enable-native-access=ALL-UNNAMED

import io.autocircuit.experiment.Discovery;
import io.autocircuit.prune.MaskGradient;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.Task;
import java.nio.file.Path;

/** Finds the circuit of the model in the jar, or of {@code MODEL PROMPTS}: {@code jbang Circuit.java}. */
public class Circuit {
  public static void main(String[] args) {
    try (Task task =
        args.length == 2 ? Task.load(Path.of(args[0]), Path.of(args[1])) : EmbeddedTask.load()) {
      Discovery.Result result = Discovery.of(task, MaskGradient.eap()).run();
      result.scores().best(9).forEach(System.out::println);
      result.verdict().ifPresent(System.out::println);
    }
  }
}
