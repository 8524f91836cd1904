package io.autocircuit.hub;

import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * A model in the cache.
 *
 * @param id its name, at no particular revision
 * @param folder where it is
 * @param revisions its snapshots
 * @param bytes that all of it takes on the disk, also what is left of unfinished downloads
 */
public record CachedModel(HubId id, Path folder, List<CachedRevision> revisions, long bytes) {
  private static final String BLOBS = "blobs";
  private static final long LONGEST_REF = 200;

  /**
   * A file of a snapshot that was read again.
   *
   * @param name in the snapshot
   * @param bytes its size
   * @param found what was found
   */
  public record Checked(String name, long bytes, Found found) {}

  /** What a file turned out to be. */
  public enum Found {
    /** It has the hash that it is kept under, or that the hub says. */
    RIGHT,
    /** It has another. */
    WRONG,
    /** The link leads nowhere. */
    MISSING,
    /** It is kept under no hash, and the hub was not asked. */
    UNKNOWN
  }

  /**
   * Copies the list.
   *
   * @param id its name, at no particular revision
   * @param folder where it is
   * @param revisions its snapshots
   * @param bytes that all of it takes on the disk
   */
  public CachedModel {
    revisions = List.copyOf(revisions);
  }

  /** Looks into a folder. */
  static CachedModel of(HubId id, Path folder) {
    Map<String, List<String>> refs = refs(folder.resolve("refs"));
    List<CachedRevision> revisions = new ArrayList<>();
    for (Path snapshot : HubCache.entries(folder.resolve("snapshots"))) {
      String commit = snapshot.getFileName().toString();
      if (HubId.isCommit(commit) && Files.isDirectory(snapshot)) {
        revisions.add(
            new CachedRevision(
                commit,
                refs.getOrDefault(commit, List.of()),
                snapshot,
                HubCache.below(snapshot).stream().mapToLong(CachedModel::size).sum(),
                HubCache.lacks(snapshot)));
      }
    }
    long bytes =
        Stream.of(BLOBS, "snapshots")
            .flatMap(part -> HubCache.below(folder.resolve(part)).stream())
            .filter(f -> !Files.isSymbolicLink(f) || f.startsWith(folder.resolve(BLOBS)))
            .mapToLong(CachedModel::size)
            .sum();
    return new CachedModel(id, folder, revisions, bytes);
  }

  private static Map<String, List<String>> refs(Path folder) {
    Map<String, List<String>> refs = new TreeMap<>();
    for (Path ref : HubCache.below(folder)) {
      try {
        if (Files.size(ref) <= LONGEST_REF) {
          refs.computeIfAbsent(Files.readString(ref).strip(), c -> new ArrayList<>())
              .add(folder.relativize(ref).toString().replace('\\', '/'));
        }
      } catch (IOException unreadable) {
        // a branch less
      }
    }
    return refs;
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      return 0; // a link to nothing
    }
  }

  /**
   * A snapshot of it.
   *
   * @param revision a branch, a tag, a commit, or the beginning of one of at least 6 digits
   * @return empty if it is not there
   */
  public Optional<CachedRevision> revision(String revision) {
    return revisions.stream()
        .filter(
            r ->
                r.refs().contains(revision)
                    || revision.length() >= 6 && r.commit().startsWith(revision))
        .findFirst();
  }

  /**
   * Reads the files of a snapshot, and compares them with the hash that they are kept under.
   *
   * @param revision one of its snapshots
   * @param known what the hub says of files that are kept under none, by name
   * @param progress hears of it
   * @return by name
   * @throws DataException if a file cannot be read
   */
  List<Checked> verify(
      CachedRevision revision, Map<String, Optional<HubFile>> known, HubProgress progress) {
    List<Checked> all = new ArrayList<>();
    long done = 0;
    for (Path file : HubCache.below(revision.directory())) {
      String name = revision.directory().relativize(file).toString().replace('\\', '/');
      progress.update("verifying", done, Math.max(done, revision.bytes()));
      Optional<HubHash> hash =
          keptUnder(file).or(() -> known.getOrDefault(name, Optional.empty()).map(HubFile::hash));
      Found found =
          !Files.isRegularFile(file)
              ? Found.MISSING
              : hash.isEmpty()
                  ? Found.UNKNOWN
                  : hash.get().of(file).equals(hash.get()) ? Found.RIGHT : Found.WRONG;
      all.add(new Checked(name, size(file), found));
      done += size(file);
    }
    progress.update("verifying", done, done);
    return all;
  }

  private static Optional<HubHash> keptUnder(Path file) {
    try {
      return Files.isSymbolicLink(file)
          ? HubHash.parse(String.valueOf(Files.readSymbolicLink(file).getFileName()))
          : Optional.empty();
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /** Removes the files that are not what they should be. */
  void drop(CachedRevision revision, List<Checked> files) throws IOException {
    for (Checked file : files) {
      Path name = revision.directory().resolve(file.name());
      if (file.found() == Found.WRONG || file.found() == Found.MISSING) {
        if (Files.isSymbolicLink(name)) {
          Files.deleteIfExists(
              folder.resolve(BLOBS).resolve(Files.readSymbolicLink(name).getFileName()));
        }
        Files.deleteIfExists(name);
      }
    }
  }

  /**
   * Removes a snapshot, and what no other snapshot needs.
   *
   * @return the bytes that are free now
   */
  long remove(CachedRevision gone) throws IOException {
    if (revisions.size() <= 1) {
      return remove();
    }
    Set<String> needed = new HashSet<>();
    for (CachedRevision other : revisions) {
      if (!other.equals(gone)) {
        for (Path file : HubCache.below(other.directory())) {
          if (Files.isSymbolicLink(file)) {
            needed.add(String.valueOf(Files.readSymbolicLink(file).getFileName()));
          }
        }
      }
    }
    long freed = 0;
    List<Path> links = HubCache.below(gone.directory());
    for (Path file : links) {
      if (Files.isSymbolicLink(file)) {
        String name = String.valueOf(Files.readSymbolicLink(file).getFileName());
        Path blob = folder.resolve(BLOBS).resolve(name);
        if (!needed.contains(name) && Files.exists(blob, LinkOption.NOFOLLOW_LINKS)) {
          freed += size(blob);
          Files.delete(blob);
        }
      } else {
        freed += size(file);
      }
    }
    for (String ref : gone.refs()) {
      Files.deleteIfExists(folder.resolve("refs").resolve(ref));
    }
    delete(gone.directory());
    delete(folder.resolve(".no_exist").resolve(gone.commit()));
    Files.deleteIfExists(folder.resolve("trees").resolve(gone.commit() + ".json"));
    return freed;
  }

  /**
   * Removes the model.
   *
   * @return the bytes that are free now
   */
  long remove() throws IOException {
    delete(folder);
    return bytes;
  }

  /** Deletes a folder, and of links only themselves. */
  static void delete(Path folder) throws IOException {
    if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    List<Path> all;
    try (Stream<Path> walk = Files.walk(folder)) {
      all = walk.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path path : all) {
      Files.deleteIfExists(path);
    }
  }
}
