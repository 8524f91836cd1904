/**
 * JMH benchmarks. Each class times one operation in several variants, and its set-up checks that
 * all variants give the same answer: a fast wrong answer is not a result. {@code
 * benchmarks/README.md} says how to run them; a JUnit test calls every method once.
 */
package io.autocircuit.benchmarks;
