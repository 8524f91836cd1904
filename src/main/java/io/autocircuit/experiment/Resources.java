package io.autocircuit.experiment;

import io.autocircuit.files.DataException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/** Files that travel in the jar. */
final class Resources {
  private Resources() {}

  /**
   * The text of one.
   *
   * @param path absolute
   * @throws DataException if it is not there
   */
  static String text(String path) {
    try (InputStream in = Resources.class.getResourceAsStream(path)) {
      if (in != null) {
        return new String(in.readAllBytes(), StandardCharsets.UTF_8);
      }
    } catch (IOException e) {
      throw new DataException("resource " + path + " cannot be read: " + e.getMessage(), e);
    }
    throw new DataException("resource " + path + " is not in the jar; build it again");
  }
}
