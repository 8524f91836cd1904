package io.autocircuit.task;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Names of nodes, for lists of known circuits. */
final class CircuitNodes {
  private static final List<String> INPUTS = List.of(".Q", ".K", ".V");

  private CircuitNodes() {}

  /** The heads written {@code "9.9 10.0"}: {@code A9.9}, {@code A10.0}. */
  static List<String> heads(String listed) {
    return Arrays.stream(listed.split(" ", -1)).map(h -> "A" + h).toList();
  }

  /** The inputs of that kind ({@code Q}, {@code K} or {@code V}) of heads. */
  static List<String> inputs(List<String> heads, String kind) {
    return heads.stream().map(h -> h + "." + kind).toList();
  }

  /** All three inputs of heads. */
  static List<String> inputs(List<String> heads) {
    return heads.stream().flatMap(h -> INPUTS.stream().map(i -> h + i)).toList();
  }

  /** The MLPs of blocks {@code from} to {@code to − 1}. */
  static List<String> mlps(int from, int to) {
    return IntStream.range(from, to).mapToObj(b -> "MLP " + b).toList();
  }

  /** The block of a head or of its input. */
  static int block(String head) {
    return Integer.parseInt(head.substring(1, head.indexOf('.')));
  }
}
