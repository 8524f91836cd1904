package io.autocircuit.hub;

import java.nio.file.Path;
import java.util.List;

/**
 * A model of the hub that lies on the disk.
 *
 * @param id what was asked for
 * @param commit the commit that its files are of, 40 hexadecimal digits
 * @param directory the snapshot: a model directory
 * @param notices what its user should know, one line each
 */
public record HubModel(HubId id, String commit, Path directory, List<String> notices) {
  /**
   * Copies the notices.
   *
   * @param id what was asked for
   * @param commit the commit that its files are of, 40 hexadecimal digits
   * @param directory the snapshot: a model directory
   * @param notices what its user should know, one line each
   */
  public HubModel {
    notices = List.copyOf(notices);
  }
}
