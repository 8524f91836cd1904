package io.autocircuit.kernels;

/** Runs a part of a test as under {@code -Dautocircuit.kernels}. Tests of a process run in turn. */
public final class WithKernels {
  private WithKernels() {}

  /** Runs {@code body}, and sets the property back. */
  public static void run(String request, Runnable body) {
    String before = System.getProperty(KernelsProvider.PROPERTY);
    System.setProperty(KernelsProvider.PROPERTY, request);
    try {
      body.run();
    } finally {
      if (before == null) {
        System.clearProperty(KernelsProvider.PROPERTY);
      } else {
        System.setProperty(KernelsProvider.PROPERTY, before);
      }
    }
  }
}
