/**
 * Programs of sequence operations, their compilation to transformers, and the tasks that are made
 * of them.
 *
 * <p>The language is RASP (Weiss, Goldberg and Yahav 2021, "Thinking like transformers",
 * arXiv:2106.06981); that programs in it can be compiled to weights, one named direction of the
 * residual stream for each value, is the idea of Tracr (Lindner et al. 2023, "Tracr: compiled
 * transformers as a laboratory for interpretability", arXiv:2301.05062). See {@code
 * docs/programs.md}.
 */
package io.autocircuit.task.program;
