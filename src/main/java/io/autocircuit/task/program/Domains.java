package io.autocircuit.task.program;

import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Which values the operations of a program can have, from those of their inputs: perhaps more than
 * ever occur, never fewer.
 */
final class Domains {
  /** Numbers that are nearer than this are one: they differ by the rounding of their formula. */
  private static final double SAME = 1e-9;

  private static final int MOST = 20_000;

  private final Program program;

  /** Each after its inputs. */
  private final Map<SOp, double[]> values = new LinkedHashMap<>();

  private final Set<String> names = new HashSet<>();

  Domains(Program program) {
    this.program = program;
    add(program.output());
  }

  /** Throws unless an operation is of a kind. */
  static void requireNumerical(SOp op, boolean numerical, String what) {
    Objects.requireNonNull(op, what);
    if (op.numerical() != numerical) {
      throw new IllegalArgumentException(
          what
              + "="
              + op.name()
              + " is "
              + (numerical ? "categorical; give a numerical" : "numerical; give a categorical")
              + " operation");
    }
  }

  private void add(SOp op) {
    if (values.containsKey(op)) {
      return;
    }
    op.inputs().forEach(this::add);
    if (!names.add(op.name())) {
      throw new IllegalArgumentException(
          "name="
              + op.name()
              + " belongs to two operations of program="
              + program.name()
              + "; give each its own");
    }
    // a number of what has no value is 0
    boolean none = op.numerical() && inputs(op).anyMatch(this::mayBeAbsent);
    double[] all =
        distinct(none ? DoubleStream.concat(DoubleStream.of(0), possible(op)) : possible(op));
    if (all.length > MOST) {
      throw new IllegalArgumentException(
          "operation="
              + op.name()
              + " can have values="
              + all.length
              + ", more than "
              + MOST
              + "; give a shorter length or a smaller vocabulary");
    }
    values.put(op, all);
  }

  private static Stream<SOp> inputs(SOp op) {
    if (op instanceof SOp.Mapped m) {
      return Stream.of(m.of());
    }
    return op instanceof SOp.Paired p ? Stream.of(p.left(), p.right()) : Stream.empty();
  }

  /** Whether a category may be without a value somewhere. */
  private boolean mayBeAbsent(SOp op) {
    if (op.numerical()) {
      return false;
    }
    return op instanceof SOp.Aggregate a
        ? a.orNone() || mayBeAbsent(a.values())
        : inputs(op).anyMatch(this::mayBeAbsent);
  }

  private DoubleStream possible(SOp op) {
    if (op instanceof SOp.Tokens) {
      return IntStream.range(0, program.letters().length).asDoubleStream();
    } else if (op instanceof SOp.Indices) {
      return IntStream.range(0, program.length()).asDoubleStream();
    } else if (op instanceof SOp.Mapped m) {
      return Arrays.stream(of(m.of())).map(m.function());
    } else if (op instanceof SOp.Paired p) {
      return Arrays.stream(of(p.left()))
          .flatMap(x -> Arrays.stream(of(p.right())).map(y -> p.function().applyAsDouble(x, y)));
    } else if (op instanceof SOp.Combined c) {
      return Arrays.stream(of(c.left()))
          .flatMap(
              x -> Arrays.stream(of(c.right())).map(y -> c.leftFactor() * x + c.rightFactor() * y));
    } else if (op instanceof SOp.Width) {
      return IntStream.rangeClosed(0, program.length()).asDoubleStream();
    }
    SOp.Aggregate a = (SOp.Aggregate) op;
    return a.numerical() ? means(of(a.values()), a.orNone()) : Arrays.stream(of(a.values()));
  }

  /** All means of 1 to {@code length} numbers; 0 too, if there may be none. */
  private DoubleStream means(double[] numbers, boolean orNone) {
    TreeSet<Double> means = new TreeSet<>();
    if (orNone) {
      means.add(0.0);
    }
    double[] sums = {0};
    for (int n = 1; n <= program.length(); n++) {
      int count = n;
      sums = distinct(Arrays.stream(sums).flatMap(s -> Arrays.stream(numbers).map(x -> s + x)));
      Arrays.stream(sums).forEach(s -> means.add(s / count));
    }
    return means.stream().mapToDouble(Double::doubleValue);
  }

  /** Ascending, each once. */
  private static double[] distinct(DoubleStream numbers) {
    double[] sorted = numbers.sorted().toArray();
    int n = 0;
    for (double x : sorted) {
      if (n == 0 || x - sorted[n - 1] > SAME) {
        sorted[n++] = x + 0.0; // no negative zero
      }
    }
    return Arrays.copyOf(sorted, n);
  }

  /** The values of an operation, ascending; numbers of a categorical one are whole. */
  double[] of(SOp op) {
    return values.get(op);
  }

  /** All operations, each after its inputs. */
  List<SOp> operations() {
    return List.copyOf(values.keySet());
  }

  /** Whether an operation's values depend on the tokens; the others follow from the length. */
  static boolean varies(SOp op) {
    return op instanceof SOp.Tokens || varies(op.inputs());
  }

  private static boolean varies(Collection<SOp> inputs) {
    return inputs.stream().anyMatch(Domains::varies);
  }

  /** A value for people: letters for tokens, whole numbers without a point. */
  String label(SOp op, double value) {
    if (op instanceof SOp.Tokens) {
      return program.vocabulary().get(program.letters()[(int) value]);
    }
    return value == Math.rint(value) ? Long.toString((long) value) : Double.toString(value);
  }
}
