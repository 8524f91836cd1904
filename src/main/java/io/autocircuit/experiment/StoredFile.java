package io.autocircuit.experiment;

import io.autocircuit.files.DataException;
import io.autocircuit.files.Fingerprint;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;

/**
 * A file that a run reads: where it lies, and what it holds.
 *
 * @param path where it lies; no part of a run's hash
 * @param sha256 the SHA-256 of its bytes; empty where it has not been read yet
 */
public record StoredFile(Path path, Optional<String> sha256) {
  /**
   * Checks that both are there.
   *
   * @param path where it lies; no part of a run's hash
   * @param sha256 the SHA-256 of its bytes; empty where it has not been read yet
   */
  public StoredFile {
    Objects.requireNonNull(path, "path");
    Objects.requireNonNull(sha256, "sha256");
  }

  /**
   * A file that has not been read yet.
   *
   * @param path where it lies
   * @return the file
   */
  public static StoredFile at(Path path) {
    return new StoredFile(path, Optional.empty());
  }

  /**
   * Checks that it can be read twice: to be hashed, and to be used.
   *
   * @throws DataException if it is a pipe or a device
   */
  void requireRegular() {
    if (Files.exists(path) && !Files.isRegularFile(path) && !Files.isDirectory(path)) {
      throw new DataException(
          "file="
              + path
              + " is a pipe or a device, and a run's files are read twice; write it to a file, and"
              + " give that");
    }
  }

  /**
   * The file as it is now.
   *
   * @return with its SHA-256
   * @throws DataException if it cannot be read
   */
  StoredFile pinned() {
    return new StoredFile(path, Optional.of(Fingerprint.of(path)));
  }
}
