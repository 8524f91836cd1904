package io.autocircuit.violations.cli;

/** Breaks no rule. */
public final class Innocent {}
