package io.autocircuit.model;

import io.autocircuit.files.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/**
 * The names in a file without what wrapped the model when it was saved: {@code
 * module.transformer.h.0.ln_1.weight} is {@code h.0.ln_1.weight}.
 */
final class StoredNames {
  /** Modules that only pass on to the one inside; they may stand anywhere in a name. */
  private static final Set<String> WRAPPERS =
      Set.of(
          "module",
          "_orig_mod",
          "_forward_module",
          "_fsdp_wrapped_module",
          "_checkpoint_wrapped_module");

  private final Set<String> roots;
  private final Map<String, String> stored = new HashMap<>();
  private String bodyPrefix = "";
  private String headPrefix = "";

  /**
   * Sorts names.
   *
   * @param source where they come from, as messages begin: {@code file=…}
   * @param names the names in the file, in order
   * @param roots what the names of the layout may begin with: {@code transformer}, say
   * @param head whether a plain name stands beside the root, not under it: {@code lm_head.weight}
   * @param equivalent brings names that mean the same to one
   * @throws DataException if two names mean the same tensor
   */
  StoredNames(
      String source,
      Iterable<String> names,
      Set<String> roots,
      Predicate<String> head,
      UnaryOperator<String> equivalent) {
    this.roots = roots;
    boolean known = false;
    for (String name : names) {
      String plain = equivalent.apply(plain(name));
      String other = stored.putIfAbsent(plain, name);
      if (other != null) {
        throw new DataException(
            source
                + ": tensors "
                + DataException.quote(other)
                + " and "
                + DataException.quote(name)
                + " would both be the model's "
                + DataException.quote(plain)
                + "; remove one of them from the file");
      }
      if (!known && name.endsWith(plain) && !head.test(plain)) {
        bodyPrefix = name.substring(0, name.length() - plain.length());
        headPrefix = withoutRoots(bodyPrefix);
        known = true;
      }
    }
  }

  /** A name without wrappers and roots. */
  String plain(String name) {
    List<String> parts = new ArrayList<>(Arrays.asList(name.split("\\.", -1)));
    parts.removeIf(WRAPPERS::contains);
    int first = 0;
    while (first < parts.size() - 1) {
      if (parts.get(first).equals("base_model") && parts.get(first + 1).equals("model")) {
        first += 2;
      } else if (roots.contains(parts.get(first))) {
        first++;
      } else {
        break;
      }
    }
    return String.join(".", parts.subList(first, parts.size()));
  }

  private String withoutRoots(String prefix) {
    List<String> parts = new ArrayList<>(Arrays.asList(prefix.split("\\.")));
    while (!parts.isEmpty()
        && roots.contains(parts.get(parts.size() - 1))
        && !(parts.size() > 1 && parts.get(parts.size() - 2).equals("base_model"))) {
      parts.remove(parts.size() - 1);
    }
    String joined = String.join(".", parts);
    return joined.isEmpty() ? "" : joined + ".";
  }

  /** The name in the file, or null. */
  String stored(String plain) {
    return stored.get(plain);
  }

  /** The name that a tensor would have in this file. */
  String expected(String plain, boolean head) {
    String there = stored.get(plain);
    return there != null ? there : (head ? headPrefix : bodyPrefix) + plain;
  }
}
