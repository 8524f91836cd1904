package io.autocircuit.violations.window;

/** In a package that the arrow does not list. */
public final class Unlisted {}
