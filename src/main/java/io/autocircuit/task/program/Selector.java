package io.autocircuit.task.program;

import java.util.Objects;
import java.util.Optional;

/**
 * Which positions each position looks at: position {@code q} selects position {@code k} if the
 * predicate holds of the key's value at {@code k} and the query's value at {@code q}. RASP's {@code
 * select}. BOS is never selected, and a position without a value selects and is selected by none.
 *
 * @param keys categorical values; empty with {@link #everything}
 * @param queries categorical values; empty where the choice does not depend on them
 * @param predicate of the key's and the query's value; both are 0 where there is none
 */
public record Selector(Optional<SOp> keys, Optional<SOp> queries, Predicate predicate) {

  /** Whether a query selects a key. */
  @FunctionalInterface
  public interface Predicate {
    /**
     * Decides.
     *
     * @param key a value of the keys
     * @param query a value of the queries
     * @return true to select
     */
    boolean test(int key, int query);
  }

  /**
   * Checks that both are categorical.
   *
   * @param keys categorical values
   * @param queries categorical values
   * @param predicate of the key's and the query's value
   * @throws IllegalArgumentException if one is numerical
   */
  public Selector {
    Objects.requireNonNull(predicate, "predicate");
    keys.ifPresent(k -> Domains.requireNumerical(k, false, "keys of a selector"));
    queries.ifPresent(q -> Domains.requireNumerical(q, false, "queries of a selector"));
  }

  /**
   * Selects by key and query.
   *
   * @param keys categorical values
   * @param queries categorical values
   * @param predicate of the key's and the query's value
   * @return the selector
   */
  public static Selector select(SOp keys, SOp queries, Predicate predicate) {
    return new Selector(Optional.of(keys), Optional.of(queries), predicate);
  }

  /**
   * Selects the same positions everywhere, by their keys alone.
   *
   * @param keys categorical values
   * @param predicate of the key's value
   * @return the selector
   */
  public static Selector where(SOp keys, java.util.function.IntPredicate predicate) {
    return new Selector(Optional.of(keys), Optional.empty(), (k, q) -> predicate.test(k));
  }

  /**
   * Selects every position but BOS.
   *
   * @return the selector
   */
  public static Selector everything() {
    return new Selector(Optional.empty(), Optional.empty(), (k, q) -> true);
  }

  /**
   * How many positions each position selects. RASP's {@code selector_width}.
   *
   * @param name of the result
   * @return categorical, 0 to the number of positions
   */
  public SOp width(String name) {
    return new SOp.Width(name, this);
  }

  /**
   * The mean of the values that each position selects, which is at least one.
   *
   * @param name of the result
   * @param values numerical; or categorical, then all that a position selects must be the same
   * @return as {@code values}
   */
  public SOp aggregate(String name, SOp values) {
    return new SOp.Aggregate(name, this, values, false);
  }

  /**
   * The mean of the values that each position selects, where that may be none: then the result is
   * 0, or no value if they are categorical. Attention then rests on BOS.
   *
   * @param name of the result
   * @param values numerical; or categorical, then all that a position selects must be the same
   * @return as {@code values}
   */
  public SOp aggregateOrNone(String name, SOp values) {
    return new SOp.Aggregate(name, this, values, true);
  }
}
