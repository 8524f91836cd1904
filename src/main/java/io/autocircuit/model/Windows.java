package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.function.IntPredicate;

/** Which blocks attend to a window, as the settings of most families say it. */
final class Windows {
  private static final String SIZE = "sliding_window";
  private static final String TYPES = "layer_types";

  private Windows() {}

  /**
   * How many positions a window has.
   *
   * @param absent what it is where it is missing
   * @return 0 where it is null or false
   */
  static int size(ConfigReader c, int absent) {
    JsonNode n = c.value(SIZE);
    if (n.isMissingNode()) {
      return absent;
    }
    return n.isNull() || n.isBoolean() && !n.booleanValue() ? 0 : c.size(SIZE);
  }

  /** The same window in every block. */
  static int[] everywhere(FamilyReader r, int size) {
    int[] windows = new int[r.sizes.blocks()];
    Arrays.fill(windows, size);
    return windows;
  }

  /**
   * Windows where {@code layer_types} says so.
   *
   * @param size of a window; 0 for none
   * @param absent which blocks see a window where there is no such setting
   */
  static int[] byType(FamilyReader r, int size, IntPredicate absent) {
    ConfigReader c = r.c;
    int blocks = r.sizes.blocks();
    int[] windows = new int[blocks];
    JsonNode types = c.value(TYPES);
    if (c.has(TYPES) && (!types.isArray() || types.size() != blocks)) {
      throw c.error(
          TYPES
              + "="
              + ConfigReader.shown(types)
              + " is not usable; give a list of one for each of "
              + r.sizes.blocksField()
              + "="
              + blocks
              + " blocks");
    }
    for (int b = 0; b < blocks; b++) {
      boolean window = absent.test(b) && size > 0;
      if (c.has(TYPES)) {
        window =
            switch (types.get(b).asText()) {
              case "full_attention" -> false;
              case "sliding_attention" -> true;
              default ->
                  throw c.unsupported(
                      TYPES, types.get(b).asText(), "full_attention, sliding_attention");
            };
        if (window && size == 0) {
          throw c.error(
              TYPES
                  + " has \"sliding_attention\", but "
                  + SIZE
                  + " gives no window; correct one of them");
        }
      }
      windows[b] = window ? size : 0;
    }
    return windows;
  }
}
