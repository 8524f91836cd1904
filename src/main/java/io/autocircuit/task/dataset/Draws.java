package io.autocircuit.task.dataset;

import java.util.ArrayList;
import java.util.List;

/**
 * Random numbers that are the same in every version of Java: SplitMix64 (Steele, Lea and Flood
 * 2014, "Fast splittable pseudorandom number generators", the generator of {@code
 * java.util.SplittableRandom}, whose ways of drawing from a range Java may change).
 */
final class Draws {
  private static final long GAMMA = 0x9e3779b97f4a7c15L;

  private long state;

  Draws(long seed) {
    this.state = seed;
  }

  /** The next 64 bits. */
  long next() {
    state += GAMMA;
    long z = state;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  /** A number from 0 to n − 1, each as likely: the rest of 63 bits, drawn again where it is not. */
  int below(int n) {
    if (n < 1) {
      throw new IllegalArgumentException("n=" + n + "; give at least 1");
    }
    while (true) {
      long bits = next() >>> 1;
      long rest = bits % n;
      if (bits - rest + (n - 1) >= 0) {
        return (int) rest;
      }
    }
  }

  /** One of them. */
  <T> T pick(List<T> from) {
    return from.get(below(from.size()));
  }

  /** {@code k} of them, at different places, in random order. */
  <T> List<T> sample(List<T> from, int k) {
    List<T> rest = new ArrayList<>(from);
    for (int i = 0; i < k; i++) {
      int j = i + below(rest.size() - i);
      T drawn = rest.get(j);
      rest.set(j, rest.get(i));
      rest.set(i, drawn);
    }
    return List.copyOf(rest.subList(0, k));
  }

  /** All of them in random order. */
  <T> List<T> shuffled(List<T> all) {
    return sample(all, all.size());
  }
}
