package io.autocircuit.kernels;

import io.autocircuit.Exhaustive;
import io.autocircuit.kernels.CudaCases.Axes;
import io.autocircuit.kernels.CudaCases.Case;
import io.autocircuit.kernels.CudaCases.Fill;
import io.autocircuit.kernels.CudaCases.Layout;
import io.autocircuit.kernels.CudaLaunch.Device;
import io.autocircuit.kernels.CudaTiling.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What {@code cuda/pack.sh} takes along for {@code cuda/test/run_device.cpp}, which runs the
 * kernels on a device without Java: the cases of {@link CudaEmulatorTest}, calls to be timed, and
 * what is to be compiled for them.
 */
final class CudaPack {
  private static final Device H100 = new Device(132, 232_448, 233_472);
  private static final Normalization LAYER_NORM =
      new Normalization(Normalization.Kind.LAYER_NORM, 1e-5);

  private CudaPack() {}

  /** One compilation of a source; a kernel is called {@code v<number>/<entry>}. */
  record Variant(int number, String source, List<String> options) {
    static String key(CudaLaunch launch) {
      return launch.source() + launch.options();
    }
  }

  /** The compilations that some cases need, in the order of their first use. */
  static Map<String, Variant> variants(List<Case> cases) {
    Map<String, Variant> variants = new LinkedHashMap<>();
    for (Case c : cases) {
      for (CudaLaunch launch : c.plan().launches()) {
        variants.computeIfAbsent(
            Variant.key(launch),
            key -> new Variant(variants.size(), launch.source(), launch.options()));
      }
    }
    return variants;
  }

  /** A case's line, its kernels called by their variants. */
  static String line(Case c, Map<String, Variant> variants) {
    return CudaCases.line(
        c, launch -> "v" + variants.get(Variant.key(launch)).number() + "/" + launch.entry());
  }

  /** What run_cases.cpp includes: the kernels, once per variant, and their table. */
  static String include(Map<String, Variant> variants) throws IOException {
    StringBuilder text = new StringBuilder();
    StringBuilder table = new StringBuilder("static void register_kernels() {\n");
    for (Variant variant : variants.values()) {
      List<String> names = new ArrayList<>();
      for (String option : variant.options()) {
        String[] parts = option.substring("-D".length()).split("=", 2);
        names.add(parts[0]);
        text.append("#define ").append(parts[0]).append(' ').append(parts[1]).append('\n');
      }
      text.append("namespace v").append(variant.number()).append(" {\n");
      text.append("#include \"").append(variant.source()).append(".cu\"\n}\n");
      names.forEach(name -> text.append("#undef ").append(name).append('\n'));
      for (String entry : entries(variant.source())) {
        String name = "v" + variant.number() + "/" + entry;
        String function = "v" + variant.number() + "::" + variant.source() + "_kernel::" + entry;
        table.append("  kernels[\"").append(name).append("\"] = kernel(").append(function);
        table.append(");\n");
      }
    }
    return text.append(table).append("}\n").toString();
  }

  /** The entries of a source, by its text. */
  private static List<String> entries(String source) throws IOException {
    String text = Files.readString(Path.of("cuda", source + ".cu"));
    List<String> entries = new ArrayList<>();
    Matcher matcher =
        Pattern.compile("AUTOCIRCUIT_ENTRY void[^{]*?\\s(\\w+)\\(const \\w+Launch").matcher(text);
    while (matcher.find()) {
      entries.add(matcher.group(1));
    }
    return entries;
  }

  /** All cases of the emulator. */
  static List<Case> checked() {
    List<Case> cases = new ArrayList<>(CudaCases.single());
    cases.addAll(CudaCases.all());
    cases.addAll(CudaCases.attention());
    return cases;
  }

  /** Those of {@link #checked} that a build has time for: every kernel, fewer compilations. */
  static List<Case> sampled() {
    if (Exhaustive.on()) {
      return checked();
    }
    List<Case> single = CudaCases.single();
    List<Case> cases = new ArrayList<>(single.subList(0, single.size() / 2 + 2));
    List<Case> all = CudaCases.all();
    // a call and its gradient; 7 of them do not go round with 8 numbers of sources
    for (int i = 6; i + 1 < all.size(); i += 14) {
      cases.addAll(all.subList(i, i + 2));
    }
    List<Case> attention = CudaCases.attention();
    for (int i = 0; i + 1 < attention.size(); i += 4) {
      cases.addAll(attention.subList(i, i + 2));
    }
    return cases;
  }

  /** Calls to be timed: GPT-2 small's last block, its attention's inputs and its MLP's. */
  static List<Case> timed() {
    List<Case> cases = new ArrayList<>();
    for (ElementType type : ModelLaunches.TYPES) {
      for (int[] sizes : new int[][] {{36, 144}, {1, 156}}) {
        Shape shape = new Shape(type, 64, 64, sizes[0], sizes[1], 768);
        cases.add(
            CudaCases.forward(
                H100, shape, LAYER_NORM, Layout.CONTIGUOUS, Axes.NONE, Fill.DENSE, true, 1));
        cases.add(
            CudaCases.backward(
                H100,
                shape,
                LAYER_NORM,
                Layout.CONTIGUOUS,
                Axes.NONE,
                Axes.NONE,
                Fill.DENSE,
                7,
                false,
                1));
      }
      for (boolean backward : new boolean[] {false, true}) {
        Shape heads = new Shape(type, 64, 64, 12, 0, 64);
        cases.add(
            CudaCases.attention(
                H100, heads, false, CudaCases.AttentionMask.CAUSAL, false, backward, 1));
      }
    }
    return cases;
  }

  /**
   * Writes {@code variants.txt} (number, source, options), {@code variants.inc}, {@code cases.txt}
   * and {@code times.txt} (bytes and operations, then as in cases.txt).
   *
   * @param args the folder
   */
  public static void main(String[] args) throws IOException {
    Path folder = Files.createDirectories(Path.of(args[0]));
    List<Case> checked = checked();
    List<Case> timed = timed();
    List<Case> all = new ArrayList<>(checked);
    all.addAll(timed);
    Map<String, Variant> variants = variants(all);
    Files.write(
        folder.resolve("variants.txt"),
        variants.values().stream()
            .map(v -> v.number() + " " + v.source() + " " + String.join(" ", v.options()))
            .toList());
    Files.writeString(folder.resolve("variants.inc"), include(variants));
    Files.write(folder.resolve("cases.txt"), checked.stream().map(c -> line(c, variants)).toList());
    Files.write(
        folder.resolve("times.txt"),
        timed.stream()
            .map(c -> c.plan().bytesMoved() + " " + c.plan().operations() + " " + line(c, variants))
            .toList());
  }
}
