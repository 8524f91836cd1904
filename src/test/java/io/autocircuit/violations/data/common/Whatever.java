package io.autocircuit.violations.data.common;

/** In a package whose name says nothing, further down. */
public final class Whatever {}
