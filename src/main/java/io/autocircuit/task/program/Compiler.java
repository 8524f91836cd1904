package io.autocircuit.task.program;

import io.autocircuit.task.program.Plan.Copy;
import io.autocircuit.task.program.Plan.Head;
import io.autocircuit.task.program.Plan.Match;
import io.autocircuit.task.program.Plan.Row;
import io.autocircuit.task.program.Plan.Unit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Compiles a {@link Program} to the {@link Plan} of a transformer without normalisation.
 *
 * <p>Every operation is put into the first block that can compute it. Each of its values has a
 * direction of its own, written by one head or MLP, so that the edges of the program are those from
 * who writes a direction to who reads it.
 *
 * <p>Constants of hidden units are read from {@code one}, which BOS lacks, so that nothing is
 * written at BOS; where that matters (what is written is a key later, or is averaged where nothing
 * may be selected) heads rest on BOS there.
 */
final class Compiler {
  /** The attention score of a selected position; that of others is 0, so that e^-100 is left. */
  static final double SELECTED = 100;

  private static final String EMBEDDING = "Resid Start";

  private final Domains domains;
  private final Plan plan = new Plan();
  private final Set<SOp> clean;
  private final Map<SOp, int[]> directions = new HashMap<>();

  /** Where an operation is computed: 2b for the heads of block b, 2b + 1 for its MLP. */
  private final Map<SOp, Integer> depth = new HashMap<>();

  private final int one;
  private final int bos;

  private Compiler(Program program) {
    this.domains = new Domains(program);
    this.clean = clean(domains.operations());
    this.one = plan.direction(Plan.ONE, EMBEDDING, false);
    this.bos = plan.direction(Plan.BOS, EMBEDDING, false);
  }

  /**
   * The weights of a program.
   *
   * @param program any
   * @return its model
   * @throws IllegalArgumentException if two operations have one name, or there are too many values
   */
  static CompiledProgram compile(Program program) {
    Compiler c = new Compiler(program);
    c.domains.operations().forEach(c::place);
    for (int d : c.directions.get(program.output())) {
      c.plan.outputs.add(d);
    }
    c.plan.block(0);
    return new CompiledProgram(
        program,
        c.plan,
        c.domains.of(program.output()),
        c.directions.getOrDefault(SOp.TOKENS, new int[0]),
        c.directions.getOrDefault(SOp.INDICES, new int[0]));
  }

  /** The operations that must have no value at BOS. */
  private static Set<SOp> clean(List<SOp> operations) {
    Set<SOp> clean = new HashSet<>();
    for (int i = operations.size() - 1; i >= 0; i--) {
      SOp op = operations.get(i);
      if (op instanceof SOp.Width w) {
        w.selector()
            .keys()
            .ifPresent(clean::add); // without "one" both halves of its steps are equal
      } else if (op instanceof SOp.Aggregate a) {
        a.selector().keys().ifPresent(clean::add);
        if (clean.contains(a)) {
          a.selector().queries().ifPresent(clean::add);
        }
        if (clean.contains(a) || a.orNone()) {
          clean.add(a.values());
        }
      } else if (clean.contains(op)) {
        clean.addAll(op.inputs());
      }
    }
    return clean;
  }

  private void place(SOp op) {
    int inputs = op.inputs().stream().mapToInt(depth::get).max().orElse(-1);
    if (op instanceof SOp.Tokens || op instanceof SOp.Indices) {
      depth.put(op, -1);
      directions.put(op, written(op, EMBEDDING));
    } else if (op instanceof SOp.Aggregate a) {
      int at = (inputs + 2) / 2 * 2; // the first even depth above
      depth.put(op, at);
      aggregate(a, at / 2);
    } else if (op instanceof SOp.Width w) {
      int at = (inputs + 2) / 2 * 2; // the first even depth above
      depth.put(op, at + 1);
      width(w, at / 2);
    } else {
      int at = (inputs + 1) / 2 * 2 + 1; // the first odd depth above
      depth.put(op, at);
      int block = at / 2;
      directions.put(op, written(op, "MLP " + block));
      List<Unit> units = plan.block(block).units();
      if (op instanceof SOp.Mapped m) {
        if (m.of().numerical()) {
          steps(m, units);
        } else {
          map(m, units);
        }
      } else if (op instanceof SOp.Paired p) {
        pairs(p, units);
      } else {
        combine((SOp.Combined) op, units);
      }
    }
  }

  /** New directions for the values of an operation, or one for its number. */
  private int[] written(SOp op, String writer) {
    boolean varies = Domains.varies(op);
    if (op.numerical()) {
      return new int[] {plan.direction(op.name(), writer, varies)};
    }
    double[] values = domains.of(op);
    int[] made = new int[values.length];
    for (int i = 0; i < made.length; i++) {
      String name = op.name() + ":" + domains.label(op, values[i]);
      made[i] = plan.direction(name, writer, varies);
    }
    return made;
  }

  private String head(int block) {
    return "A" + block + "." + plan.block(block).heads().size();
  }

  private void aggregate(SOp.Aggregate a, int block) {
    boolean everything = a.selector().keys().isEmpty();
    boolean rests = clean.contains(a) || a.orNone();
    List<Match> matches = matches(a.selector(), clean.contains(a));
    if (everything) {
      // BOS is left out; where the query is BOS itself, it is all there is
      matches.add(match(clean.contains(a), new Row().and(bos, -1.5 * SELECTED)));
    }
    if (everything || rests) {
      matches.add(new Match(new Row(), 1, new Row().and(bos, SELECTED / 2)));
    }
    int[] from = directions.get(a.values());
    int[] to = written(a, head(block));
    directions.put(a, to);
    List<Copy> copies = new ArrayList<>();
    for (int i = 0; i < to.length; i++) {
      copies.add(new Copy(from[i], to[i]));
    }
    plan.block(block).heads().add(new Head(matches, copies));
  }

  private void width(SOp.Width w, int block) {
    List<Match> matches = matches(w.selector(), false);
    if (w.selector().keys().isPresent()) {
      matches.add(new Match(new Row(), 1, new Row().and(bos, SELECTED)));
    }
    boolean varies = Domains.varies(w);
    int share = plan.direction(w.name() + " share of BOS", head(block), varies);
    plan.block(block).heads().add(new Head(matches, List.of(new Copy(bos, share))));
    int[] to = written(w, "MLP " + block);
    directions.put(w, to);
    // from the largest width up: below half of the smallest share there is no value at all
    double below = 0;
    for (int width = to.length - 1; width >= 0; width--) {
      double here = 1.0 / (1 + width);
      Row change = new Row().and(to[width], 1);
      if (width < to.length - 1) {
        change.and(to[width + 1], -1);
      }
      step(share, below, here, change, plan.block(block).units());
      below = here;
    }
  }

  /** The coordinates that give selected positions their score. */
  private List<Match> matches(Selector selector, boolean notAtBos) {
    List<Match> matches = new ArrayList<>();
    if (selector.keys().isEmpty()) {
      return matches;
    }
    double[] keys = domains.of(selector.keys().get());
    int[] keyDirections = directions.get(selector.keys().get());
    if (selector.queries().isEmpty()) {
      Row key = new Row();
      for (int k = 0; k < keys.length; k++) {
        key.and(keyDirections[k], selector.predicate().test((int) keys[k], 0) ? SELECTED : 0);
      }
      matches.add(match(notAtBos, key));
      return matches;
    }
    double[] queries = domains.of(selector.queries().get());
    int[] queryDirections = directions.get(selector.queries().get());
    boolean byQuery = queries.length <= keys.length;
    for (int i = 0; i < (byQuery ? queries.length : keys.length); i++) {
      Row many = new Row();
      for (int j = 0; j < (byQuery ? keys.length : queries.length); j++) {
        int key = (int) keys[byQuery ? j : i];
        int query = (int) queries[byQuery ? i : j];
        boolean selected = selector.predicate().test(key, query);
        many.and(byQuery ? keyDirections[j] : queryDirections[j], selected ? SELECTED : 0);
      }
      if (!many.isEmpty()) {
        Row single = new Row().and(byQuery ? queryDirections[i] : keyDirections[i], 1);
        matches.add(byQuery ? new Match(single, 0, many) : new Match(many, 0, single));
      }
    }
    return matches;
  }

  /** A key's score whatever the query; at BOS too, or not there. */
  private Match match(boolean notAtBos, Row key) {
    return notAtBos ? new Match(new Row().and(one, 1), 0, key) : new Match(new Row(), 1, key);
  }

  private void map(SOp.Mapped m, List<Unit> units) {
    double[] values = domains.of(m.of());
    int[] from = directions.get(m.of());
    for (int i = 0; i < values.length; i++) {
      add(new Row().and(from[i], 1), result(m, m.function().applyAsDouble(values[i]), 1), units);
    }
  }

  private void pairs(SOp.Paired p, List<Unit> units) {
    double[] lefts = domains.of(p.left());
    double[] rights = domains.of(p.right());
    for (int i = 0; i < lefts.length; i++) {
      for (int j = 0; j < rights.length; j++) {
        Row both =
            new Row()
                .and(directions.get(p.left())[i], 1)
                .and(directions.get(p.right())[j], 1)
                .and(one, -1);
        add(both, result(p, p.function().applyAsDouble(lefts[i], rights[j]), 1), units);
      }
    }
  }

  private void combine(SOp.Combined c, List<Unit> units) {
    int to = directions.get(c)[0];
    for (int sign = 1; sign >= -1; sign -= 2) {
      Row in =
          new Row()
              .and(directions.get(c.left())[0], sign * c.leftFactor())
              .and(directions.get(c.right())[0], sign * c.rightFactor());
      add(in, new Row().and(to, sign), units);
    }
  }

  /** A function of a number as a sum of steps half way between the numbers that can occur. */
  private void steps(SOp.Mapped m, List<Unit> units) {
    double[] values = domains.of(m.of());
    int from = directions.get(m.of())[0];
    double last = m.function().applyAsDouble(values[0]);
    add(new Row().and(one, 1), result(m, last, 1), units);
    for (int i = 1; i < values.length; i++) {
      double next = m.function().applyAsDouble(values[i]);
      Row change = result(m, next, 1);
      result(m, last, -1).forEach(change::and);
      change.values().removeIf(w -> w == 0);
      step(from, values[i - 1], values[i], change, units);
      last = next;
    }
  }

  /**
   * Writes {@code change} where a number is nearer to {@code high} than to {@code low}: the
   * difference of two units, which are equal, and so write nothing, at BOS.
   */
  private void step(int number, double low, double high, Row change, List<Unit> units) {
    double slope = 2 / (high - low);
    double middle = slope * (low + high) / 2;
    for (int side = -1; side <= 1; side += 2) {
      Row in = new Row().and(number, slope).and(one, -middle - side * 0.5);
      Row out = new Row();
      int sign = -side;
      change.forEach((d, w) -> out.and(d, sign * w));
      add(in, out, units);
    }
  }

  /** What an operation writes for a value. */
  private Row result(SOp op, double value, double times) {
    int[] to = directions.get(op);
    if (op.numerical()) {
      return new Row().and(to[0], times * value);
    }
    int index = Arrays.binarySearch(domains.of(op), value + 0.0);
    return new Row().and(to[index], times);
  }

  private static void add(Row in, Row out, List<Unit> units) {
    if (!out.isEmpty()) {
      units.add(new Unit(in, out));
    }
  }
}
