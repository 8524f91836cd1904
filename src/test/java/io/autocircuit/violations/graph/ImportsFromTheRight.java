package io.autocircuit.violations.graph;

import io.autocircuit.violations.cli.Innocent;

/** A graph that knows the command line. */
public record ImportsFromTheRight(Innocent command) {}
