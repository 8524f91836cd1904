package io.autocircuit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.autocircuit.kernels.internal.NativeKernels;
import org.junit.jupiter.api.Test;

class SmokeTest {
  @Test
  void nativeLibraryLoads() {
    assertEquals(1, NativeKernels.ac_version());
  }
}
