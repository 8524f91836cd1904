package io.autocircuit.cli;

import java.util.Arrays;
import java.util.regex.Pattern;

/** What helps when memory is used up, which depends on whose memory it was and who wanted it. */
final class MemoryAdvice {
  /** What the virtual machine says of its own heap. */
  private static final Pattern HEAP =
      Pattern.compile("Java heap space|GC overhead limit|Requested array size|Metaspace");

  /** What reads models, whose size no option changes. */
  private static final Pattern LOADING =
      Pattern.compile(
          "io\\.autocircuit\\.(tensor\\.Safetensors.*|task\\.Task"
              + "|model\\.(ModelLoader|WeightProcessing|[A-Za-z]*Layout|RandomModels).*)");

  private MemoryAdvice() {}

  /** The end of a message, from "use …" on. */
  static String of(Throwable e) {
    String message = String.valueOf(e.getMessage());
    if (e instanceof OutOfMemoryError && HEAP.matcher(message).find()) {
      return "give Java more (java -Xmx8g -jar …); --memory does not count Java's own heap";
    }
    if (message.contains("native thread")) {
      return "the system allows no more threads; end other programs or raise its limit (ulimit -u)";
    }
    boolean computing =
        Arrays.stream(e.getStackTrace())
            .anyMatch(frame -> frame.getClassName().startsWith("io.autocircuit.patch."));
    boolean loading =
        Arrays.stream(e.getStackTrace())
            .anyMatch(frame -> LOADING.matcher(frame.getClassName()).matches());
    return loading && !computing
        ? "the model does not fit; end other programs, or give Java more (java -Xmx8g -jar …),"
            + " which also raises the limit of native memory"
        : "use a smaller --memory or --batch-size, shorter prompts, or give Java more (java -Xmx8g"
            + " -jar …)";
  }
}
