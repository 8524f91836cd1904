package io.autocircuit.cli.internal;

/**
 * What program a process runs. Its library has no JavaCPP in it and is loaded by whoever calls it
 * ({@link System#load}), since it is used by a process that shall end at once.
 */
public final class ProcessImage {
  /** The library's resource, beside this class. */
  public static final String LIBRARY = "libautocircuit_start.so";

  private ProcessImage() {}

  /**
   * Runs another program in place of this one, as C's {@code execv} does: same process, same files,
   * same place in the shell.
   *
   * @param program the file, as the system names it
   * @param words its words, the name of the program first
   * @return why it could not be done, the system's {@code errno}; where it could, nobody returns
   */
  public static native int replace(byte[] program, byte[][] words);
}
