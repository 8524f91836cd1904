/**
 * Measuring the library itself: {@link io.autocircuit.benchmark.Benchmark} times runs as multiples
 * of the plain forward pass, {@link io.autocircuit.benchmark.BenchmarkComparison} holds two results
 * against each other.
 */
package io.autocircuit.benchmark;
