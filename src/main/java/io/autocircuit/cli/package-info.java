/**
 * The command line: {@code discover} runs the main job, {@code list} names what exists, {@code
 * train-induction} makes the embedded default anew. Exit codes: 0 done, 1 bad data, 2 wrong usage;
 * errors are one line on standard error, with a stack trace only under {@code --verbose}.
 */
package io.autocircuit.cli;
