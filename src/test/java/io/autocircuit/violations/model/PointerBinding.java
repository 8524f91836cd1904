package io.autocircuit.violations.model;

import org.bytedeco.javacpp.Pointer;

/** A native structure outside of kernels.internal. */
public final class PointerBinding extends Pointer {}
