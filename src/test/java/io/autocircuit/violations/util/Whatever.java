package io.autocircuit.violations.util;

/** In a package whose name says nothing. */
public final class Whatever {}
