package io.autocircuit.task.program;

import java.util.List;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import java.util.function.IntBinaryOperator;
import java.util.function.IntUnaryOperator;
import java.util.stream.Stream;

/**
 * A sequence operation: for every prompt a value at each position but BOS. A <em>categorical</em>
 * one has whole numbers of which the compiler knows all, and a direction of the stream for each; a
 * <em>numerical</em> one has numbers, and one direction whose length is the number.
 */
// no deadlock: nothing but this interface makes the classes of its constants
@SuppressWarnings("ClassInitializationDeadlock")
public sealed interface SOp {
  /** The token at the position, counted among the letters of the program's vocabulary. */
  SOp TOKENS = new Tokens();

  /** The position, counted from 0 at the first token after BOS. */
  SOp INDICES = new Indices();

  /**
   * Its name, unique in a program; those of its directions begin with it.
   *
   * @return such as {@code length}
   */
  String name();

  /**
   * Whether its values are numbers along one direction.
   *
   * @return false if it has a direction for each value
   */
  boolean numerical();

  /**
   * What it is computed from.
   *
   * @return sequence operations, in order; keys and queries of a selector first
   */
  List<SOp> inputs();

  /** The token. */
  record Tokens() implements SOp {
    @Override
    public String name() {
      return "tokens";
    }

    @Override
    public boolean numerical() {
      return false;
    }

    @Override
    public List<SOp> inputs() {
      return List.of();
    }
  }

  /** The position. */
  record Indices() implements SOp {
    @Override
    public String name() {
      return "indices";
    }

    @Override
    public boolean numerical() {
      return false;
    }

    @Override
    public List<SOp> inputs() {
      return List.of();
    }
  }

  /**
   * A function of one operation's value. An MLP computes it: of a category by one hidden unit for
   * each, of a number by steps between the numbers that can occur.
   *
   * @param name its name
   * @param of the operation
   * @param numerical whether the result is a number
   * @param function of the value
   */
  record Mapped(String name, SOp of, boolean numerical, DoubleUnaryOperator function)
      implements SOp {
    @Override
    public List<SOp> inputs() {
      return List.of(of);
    }
  }

  /**
   * A function of the values of two categorical operations: RASP's sequence map. An MLP computes
   * it, with a hidden unit for each pair that is on when both values are there.
   *
   * @param name its name
   * @param left one operation
   * @param right the other
   * @param numerical whether the result is a number
   * @param function of both values
   */
  record Paired(String name, SOp left, SOp right, boolean numerical, DoubleBinaryOperator function)
      implements SOp {
    /**
     * Checks the kinds.
     *
     * @param name its name
     * @param left categorical
     * @param right categorical
     * @param numerical whether the result is a number
     * @param function of both values
     * @throws IllegalArgumentException if one is numerical
     */
    public Paired {
      Domains.requireNumerical(left, false, "left of " + name);
      Domains.requireNumerical(right, false, "right of " + name);
    }

    @Override
    public List<SOp> inputs() {
      return List.of(left, right);
    }
  }

  /**
   * A linear combination of two numerical operations, by an MLP.
   *
   * @param name its name
   * @param leftFactor what the one is multiplied by
   * @param left one operation
   * @param rightFactor what the other is multiplied by
   * @param right the other
   */
  record Combined(String name, double leftFactor, SOp left, double rightFactor, SOp right)
      implements SOp {
    /**
     * Checks the kinds.
     *
     * @param name its name
     * @param leftFactor what the one is multiplied by
     * @param left numerical
     * @param rightFactor what the other is multiplied by
     * @param right numerical
     * @throws IllegalArgumentException if one is categorical
     */
    public Combined {
      Domains.requireNumerical(left, true, "left of " + name);
      Domains.requireNumerical(right, true, "right of " + name);
    }

    @Override
    public boolean numerical() {
      return true;
    }

    @Override
    public List<SOp> inputs() {
      return List.of(left, right);
    }
  }

  /**
   * The mean of selected values, by a head.
   *
   * @param name its name
   * @param selector which positions are looked at
   * @param values what is averaged
   * @param orNone whether a position may select nothing
   */
  record Aggregate(String name, Selector selector, SOp values, boolean orNone) implements SOp {
    @Override
    public boolean numerical() {
      return values.numerical();
    }

    @Override
    public List<SOp> inputs() {
      return Stream.concat(selected(selector), Stream.of(values)).toList();
    }
  }

  /**
   * How many positions are selected, by a head and an MLP: BOS is selected too, so that the mean of
   * "is BOS" is 1/(1 + number), and the MLP finds the number by steps.
   *
   * @param name its name
   * @param selector which positions are counted
   */
  record Width(String name, Selector selector) implements SOp {
    @Override
    public boolean numerical() {
      return false;
    }

    @Override
    public List<SOp> inputs() {
      return selected(selector).toList();
    }
  }

  /**
   * A category for each value.
   *
   * @param name of the result
   * @param function of a category
   * @return categorical
   */
  default SOp map(String name, IntUnaryOperator function) {
    Domains.requireNumerical(this, false, "what " + name + " is of");
    return new Mapped(name, this, false, v -> function.applyAsInt((int) v));
  }

  /**
   * A category for each number.
   *
   * @param name of the result
   * @param function of a number; its results are whole
   * @return categorical
   */
  default SOp classify(String name, DoubleUnaryOperator function) {
    Domains.requireNumerical(this, true, "what " + name + " is of");
    return new Mapped(name, this, false, function);
  }

  /**
   * A number for each value.
   *
   * @param name of the result
   * @param function of a value
   * @return numerical
   */
  default SOp number(String name, DoubleUnaryOperator function) {
    return new Mapped(name, this, true, function);
  }

  /**
   * A category for each pair of values.
   *
   * @param name of the result
   * @param other categorical, as this
   * @param function of this one's category and the other's
   * @return categorical
   */
  default SOp with(String name, SOp other, IntBinaryOperator function) {
    return new Paired(name, this, other, false, (a, b) -> function.applyAsInt((int) a, (int) b));
  }

  /**
   * This less another, both numerical.
   *
   * @param name of the result
   * @param other numerical, as this
   * @return numerical
   */
  default SOp minus(String name, SOp other) {
    return new Combined(name, 1, this, -1, other);
  }

  private static Stream<SOp> selected(Selector selector) {
    return Stream.concat(selector.keys().stream(), selector.queries().stream());
  }
}
