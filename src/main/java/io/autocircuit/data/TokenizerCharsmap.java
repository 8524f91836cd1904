package io.autocircuit.data;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Base64;
import java.util.BitSet;

/**
 * The {@code precompiled_charsmap} of tokenizers made from SentencePiece: what is replaced by what
 * before a text is split. Base64 of: the trie's size in bytes (32 bits, little-endian), a double
 * array trie of what is replaced, and the replacements, each ended by a zero byte. The library
 * follows every offset of the trie without a look, so all that a text can reach are followed here.
 */
final class TokenizerCharsmap {
  /** Characters of base64; SentencePiece's largest own map has about 320,000. */
  private static final int LARGEST = 16 << 20;

  /** Bytes of one replacement; the longest of Unicode's own has 33. */
  private static final int LONGEST = 255;

  private TokenizerCharsmap() {}

  /**
   * Checks a map.
   *
   * @return how many times longer than what they replace the replacements are, at most, in bytes
   * @throws IllegalArgumentException with the reason if the map is damaged
   */
  static double growth(String base64) {
    if (base64.length() > LARGEST) {
      throw new IllegalArgumentException(
          "length=" + base64.length() + " is more than the limit=" + LARGEST);
    }
    byte[] bytes;
    try {
      bytes = Base64.getDecoder().decode(base64);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("it is not base64", e);
    }
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (bytes.length < 8) {
      throw new IllegalArgumentException("bytes=" + bytes.length + " are too few");
    }
    int size = buffer.getInt();
    if (size < 4 || size % 4 != 0 || size > bytes.length - 4) {
      throw new IllegalArgumentException(
          "its trie of bytes=" + Integer.toUnsignedString(size) + " does not fit");
    }
    int[] trie = new int[size / 4];
    buffer.asIntBuffer().get(trie);
    byte[] texts = Arrays.copyOfRange(bytes, 4 + size, bytes.length);
    try {
      CharBuffer ignored = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(texts));
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException("its replacements are not UTF-8 text", e);
    }
    return longestReplacement(trie, texts);
  }

  private record State(int node, int depth) {}

  /** Visits what a text can reach. A node's children are where its offset is, XOR their byte. */
  private static double longestReplacement(int[] trie, byte[] texts) {
    double growth = 1;
    BitSet seen = new BitSet(trie.length);
    ArrayDeque<State> open = new ArrayDeque<>();
    open.add(new State(offset(trie[0]), 0));
    while (!open.isEmpty()) {
      State state = open.remove();
      int node = state.node();
      if ((node | 0xFF) >= trie.length) {
        throw new IllegalArgumentException("its trie points outside itself");
      }
      for (int label = 1; label < 256; label++) {
        int unit = trie[node ^ label];
        if ((unit & (1 << 31 | 0xFF)) != label) {
          continue;
        }
        int child = node ^ label ^ offset(unit);
        if (child < 0 || child >= trie.length) {
          throw new IllegalArgumentException("its trie points outside itself");
        }
        if ((unit >>> 8 & 1) == 1) {
          int length = replacement(trie[child] & Integer.MAX_VALUE, texts);
          growth = Math.max(growth, (double) length / (state.depth() + 1));
        }
        if (!seen.get(child)) {
          seen.set(child);
          open.add(new State(child, state.depth() + 1));
        }
      }
    }
    return growth;
  }

  private static int offset(int unit) {
    return unit >>> 10 << ((unit & 1 << 9) >>> 6);
  }

  private static int replacement(int from, byte[] texts) {
    boolean inCharacter = from < texts.length && (texts[from] & 0xC0) == 0x80;
    int to = from;
    while (to < texts.length && texts[to] != 0 && to - from <= LONGEST) {
      to++;
    }
    if (inCharacter || to >= texts.length || to - from > LONGEST) {
      throw new IllegalArgumentException(
          "a replacement begins or ends outside its texts, or is longer than bytes=" + LONGEST);
    }
    return to - from;
  }
}
