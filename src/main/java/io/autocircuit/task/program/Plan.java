package io.autocircuit.task.program;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * The weights of a compiled program, each matrix as the list of its numbers that are not 0: what
 * the compiler fills and {@link CompiledProgram} is made of.
 */
final class Plan {
  /** Weights by direction. */
  static final class Row extends TreeMap<Integer, Double> {
    private static final long serialVersionUID = 1;

    Row and(int direction, double weight) {
      if (weight != 0) {
        merge(direction, weight, Double::sum);
      }
      return this;
    }
  }

  /**
   * A hidden unit: relu of what it reads times what it writes.
   *
   * @param in weights of what it reads
   * @param out weights of what it writes
   */
  record Unit(Row in, Row out) {}

  /**
   * A coordinate of a head's queries and keys.
   *
   * @param query weights of the query
   * @param bias added to the query
   * @param key weights of the key
   */
  record Match(Row query, double bias, Row key) {}

  /**
   * A coordinate of a head's values.
   *
   * @param in the direction that it reads
   * @param out the direction that it writes
   */
  record Copy(int in, int out) {}

  /** A head. */
  record Head(List<Match> matches, List<Copy> copies) {}

  /** A block. */
  record Block(List<Head> heads, List<Unit> units) {}

  /**
   * An edge by the names of its ends.
   *
   * @param varies whether what it carries depends on the letters
   * @param atBos whether it carries something at BOS
   * @param atLetters whether it carries something behind BOS
   */
  record Use(String source, String destination, boolean varies, boolean atBos, boolean atLetters) {
    private Use or(Use u) {
      return new Use(
          source, destination, varies || u.varies, atBos || u.atBos, atLetters || u.atLetters);
    }
  }

  /** The name of the direction that is 1 at BOS. */
  static final String BOS = "bos";

  /** The name of the direction that is 1 behind BOS. */
  static final String ONE = "one";

  final List<Direction> directions = new ArrayList<>();
  final List<Block> blocks = new ArrayList<>();

  /** What the end of the stream is read for, in the order of the outputs. */
  final List<Integer> outputs = new ArrayList<>();

  int direction(String name, String writer, boolean varies) {
    directions.add(new Direction(name, writer, varies));
    return directions.size() - 1;
  }

  Block block(int index) {
    while (blocks.size() <= index) {
      blocks.add(new Block(new ArrayList<>(), new ArrayList<>()));
    }
    return blocks.get(index);
  }

  int heads() {
    return blocks.stream().mapToInt(b -> b.heads().size()).max().orElse(0);
  }

  int headWidth() {
    return blocks.stream()
        .flatMap(b -> b.heads().stream())
        .mapToInt(h -> Math.max(h.matches().size(), h.copies().size()))
        .max()
        .orElse(0);
  }

  int hiddenUnits() {
    return blocks.stream().mapToInt(b -> b.units().size()).max().orElse(0);
  }

  /** The edges along which something is read that was written: those of the whole program. */
  List<Use> uses() {
    List<Use> uses = new ArrayList<>();
    for (int b = 0; b < blocks.size(); b++) {
      for (int h = 0; h < blocks.get(b).heads().size(); h++) {
        Head head = blocks.get(b).heads().get(h);
        String name = "A" + b + "." + h;
        Set<Integer> queries = new LinkedHashSet<>();
        Set<Integer> keys = new LinkedHashSet<>();
        Set<Integer> values = new LinkedHashSet<>();
        head.matches().forEach(m -> queries.addAll(m.query().keySet()));
        head.matches().forEach(m -> keys.addAll(m.key().keySet()));
        head.copies().forEach(c -> values.add(c.in()));
        read(queries, name + ".Q", uses);
        read(keys, name + ".K", uses);
        read(values, name + ".V", uses);
      }
      Set<Integer> inputs = new LinkedHashSet<>();
      blocks.get(b).units().forEach(u -> inputs.addAll(u.in().keySet()));
      read(inputs, "MLP " + b, uses);
    }
    read(new LinkedHashSet<>(outputs), "Resid End", uses);
    return uses;
  }

  private void read(Set<Integer> read, String destination, List<Use> uses) {
    Map<String, Use> bySource = new TreeMap<>();
    for (int d : read) {
      Direction direction = directions.get(d);
      boolean isBos = direction.name().equals(BOS);
      Use use = new Use(direction.writer(), destination, direction.varies(), isBos, !isBos);
      bySource.merge(use.source(), use, Use::or);
    }
    uses.addAll(bySource.values());
  }
}
