package io.autocircuit.hub;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A snapshot in the cache.
 *
 * @param commit 40 hexadecimal digits
 * @param refs the branches and tags that stood there
 * @param directory its folder
 * @param bytes size of its files
 * @param lacks the first file that is missing before the model can be loaded
 */
public record CachedRevision(
    String commit, List<String> refs, Path directory, long bytes, Optional<String> lacks) {
  /**
   * Copies the names.
   *
   * @param commit 40 hexadecimal digits
   * @param refs the branches and tags that stood there
   * @param directory its folder
   * @param bytes size of its files
   * @param lacks the first file that is missing before the model can be loaded
   */
  public CachedRevision {
    refs = List.copyOf(refs);
  }
}
