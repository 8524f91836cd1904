package io.autocircuit.hub;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.files.LockFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * The folder in which programs of the Hugging Face hub keep models, in the published layout ({@code
 * huggingface.co/docs/hub/local-cache}): below {@code models--org--name} the files under their hash
 * ({@code blobs}), for each commit a folder of relative links to them ({@code snapshots}), the
 * commits that branches and tags stood at ({@code refs}), and which files are known not to exist
 * ({@code .no_exist}). Where there are no symbolic links, snapshots hold the files.
 *
 * @param folder where it is; need not exist
 * @param links whether links are made where the file system has them
 */
public record HubCache(Path folder, boolean links) {
  private static final String BLOBS = "blobs";
  private static final String REFS = "refs";
  private static final String SNAPSHOTS = "snapshots";
  private static final String MISSING = ".no_exist";
  private static final String LOCKS = ".locks";
  private static final long LONGEST_REF = 200;

  /** Of a file name that the hub's own programs do not know: their locks are not Java's. */
  private static final String PARTIAL = ".autocircuit.incomplete";

  /** What is done while nobody else may. */
  interface Locked<T> {
    T run() throws IOException, HubException;
  }

  /**
   * The snapshot of a model that can be loaded, under the name that was asked for or the one that
   * it has now.
   *
   * @param id the model
   * @return its directory; empty if it is not there, or not with settings and weights
   */
  public Optional<Path> find(HubId id) {
    return snapshot(id).filter(s -> lacks(s).isEmpty());
  }

  /** The snapshot of a model, of which not all files need to be there. */
  Optional<Path> snapshot(HubId id) {
    return id.names().stream().flatMap(n -> own(n).stream()).findFirst();
  }

  private Optional<Path> own(HubId id) {
    Optional<Path> named = commit(id).map(c -> snapshot(id, c)).filter(Files::isDirectory);
    if (named.isPresent() || !id.revision().equals(HubId.MAIN)) {
      return named;
    }
    // not every program writes down where the branch stands
    List<Path> all =
        entries(place(id).resolve(SNAPSHOTS)).stream()
            .filter(p -> HubId.isCommit(p.getFileName().toString()) && Files.isDirectory(p))
            .toList();
    return all.size() == 1 ? Optional.of(all.get(0)) : Optional.empty();
  }

  /**
   * The name under which a model is kept: the one asked for, unless only the newer one is there.
   */
  HubId home(HubId id) {
    return id.names().stream().filter(n -> Files.isDirectory(place(n))).findFirst().orElse(id);
  }

  /** Where a model's files are. */
  Path place(HubId id) {
    return folder.resolve(id.folder());
  }

  /** The commit that a revision stood at when the hub was asked last. */
  Optional<String> commit(HubId id) {
    if (id.isCommit()) {
      return Optional.of(id.revision());
    }
    Path ref = place(id).resolve(REFS).resolve(id.revision());
    try {
      String text =
          Files.isRegularFile(ref) && Files.size(ref) <= LONGEST_REF
              ? Files.readString(ref).strip()
              : "";
      return HubId.isCommit(text) ? Optional.of(text) : Optional.empty();
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /**
   * What a model in a snapshot lacks before it can be loaded.
   *
   * @param snapshot a directory
   * @return the name of a file; empty if settings and weights are there
   */
  static Optional<String> lacks(Path snapshot) {
    if (!Files.isRegularFile(snapshot.resolve(HubListing.CONFIG))) {
      return Optional.of(HubListing.CONFIG);
    }
    Optional<String> found =
        HubListing.WEIGHTS.stream()
            .filter(n -> Files.isRegularFile(snapshot.resolve(n)))
            .findFirst();
    if (found.isEmpty()) {
      return Optional.of(HubListing.WEIGHTS.get(0));
    }
    if (!found.get().endsWith(HubListing.INDEX)) {
      return Optional.empty();
    }
    Path index = snapshot.resolve(found.get());
    try {
      TreeSet<String> shards = new TreeSet<>();
      for (JsonNode shard : JsonFiles.read(index).path("weight_map")) {
        shards.add(shard.asText());
      }
      return shards.isEmpty()
          ? found
          : shards.stream().filter(s -> !Files.isRegularFile(snapshot.resolve(s))).findFirst();
    } catch (DataException | InvalidPathException e) {
      return found;
    }
  }

  /** Whether nothing more would be downloaded: the tokenizer is there, or known not to exist. */
  static boolean isWhole(Path snapshot) {
    Path commit = snapshot.getFileName();
    Path model = snapshot.toAbsolutePath().getParent().getParent();
    return lacks(snapshot).isEmpty()
        && (Files.isRegularFile(snapshot.resolve(HubListing.TOKENIZER))
            || Files.isRegularFile(
                model.resolve(MISSING).resolve(commit).resolve(HubListing.TOKENIZER)));
  }

  /** The folder of a commit. */
  Path snapshot(HubId id, String commit) {
    return place(id).resolve(SNAPSHOTS).resolve(commit);
  }

  /** Where what has been received of a file is kept. */
  Path partial(HubId id, HubFile file) {
    return place(id).resolve(BLOBS).resolve(file.hash() + PARTIAL);
  }

  /** Whether a file is there, in its snapshot, with its size. */
  boolean has(HubId id, String commit, HubFile file) {
    return holds(snapshot(id, commit).resolve(file.name()), file);
  }

  /** Whether a file is there for any snapshot. */
  boolean hasBlob(HubId id, HubFile file) {
    return holds(blob(id, file), file);
  }

  private static boolean holds(Path there, HubFile file) {
    try {
      return Files.isRegularFile(there) && Files.size(there) == file.size();
    } catch (IOException e) {
      return false;
    }
  }

  private Path blob(HubId id, HubFile file) {
    return place(id).resolve(BLOBS).resolve(file.hash().digits());
  }

  /**
   * Puts a file that has been received into its place, and a link to it into the snapshot; where
   * there are no links the file itself.
   */
  void put(HubId id, String commit, HubFile file) throws IOException {
    Path partial = partial(id, file);
    Path blob = blob(id, file);
    Path name = snapshot(id, commit).resolve(file.name());
    Files.createDirectories(name.getParent());
    boolean received = Files.exists(partial);
    if (received) {
      AtomicFile.replace(partial, blob);
    }
    if (links && link(blob, name)) {
      return;
    }
    if (received) {
      AtomicFile.replace(blob, name);
    } else {
      Files.copy(blob, partial, StandardCopyOption.REPLACE_EXISTING);
      AtomicFile.replace(partial, name);
    }
  }

  /** Makes a relative link; false where there are none. */
  private static boolean link(Path blob, Path name) throws IOException {
    Path target = name.getParent().toAbsolutePath().relativize(blob.toAbsolutePath());
    if (Files.isSymbolicLink(name) && Files.readSymbolicLink(name).equals(target)) {
      return true;
    }
    Files.deleteIfExists(name);
    try {
      Files.createSymbolicLink(name, target);
      return true;
    } catch (UnsupportedOperationException | FileSystemException e) {
      // FAT, some network drives, Windows without the right: the file itself takes the name, as in
      // the hub's own library; what is wrong with the disk, that reports
      return false;
    }
  }

  /** Notes that the hub has no file of that name at a commit. */
  void missing(HubId id, String commit, String name) throws IOException {
    Path file = place(id).resolve(MISSING).resolve(commit).resolve(name);
    if (!Files.exists(file)) {
      Files.createDirectories(file.getParent());
      Files.createFile(file);
    }
  }

  /** Notes the commit that a revision stands at. */
  void ref(HubId id, String commit) throws IOException {
    if (id.isCommit() || commit(id).equals(Optional.of(commit))) {
      return;
    }
    Path ref = place(id).resolve(REFS).resolve(id.revision());
    Files.createDirectories(ref.getParent());
    AtomicFile.write(ref, commit);
  }

  /** Makes the folders of a model. */
  void prepare(HubId id) throws IOException {
    Files.createDirectories(place(id).resolve(BLOBS));
  }

  /** Does something while no other process of this library changes the same model. */
  <T> T locked(HubId id, String doing, Locked<T> action) throws IOException, HubException {
    Path locks = Files.createDirectories(locks(id));
    try (LockFile lock =
        LockFile.kept(locks.resolve("autocircuit.lock"), doing + " " + id.name())) {
      return action.run();
    }
  }

  /** The folder of the locks of a model. */
  Path locks(HubId id) {
    return folder.resolve(LOCKS).resolve(id.folder());
  }

  /**
   * The models that are there.
   *
   * @return by name
   * @throws DataException if the folder cannot be read
   */
  public List<CachedModel> models() {
    List<CachedModel> models = new ArrayList<>();
    for (Path place : entries(folder)) {
      HubId.ofFolder(place.getFileName().toString())
          .filter(id -> Files.isDirectory(place))
          .ifPresent(id -> models.add(CachedModel.of(id, place)));
    }
    return List.copyOf(models);
  }

  /**
   * A model that is there.
   *
   * @param id the model; its revision does not matter
   * @return empty if there is none of that name
   */
  public Optional<CachedModel> model(HubId id) {
    return id.names().stream()
        .filter(n -> Files.isDirectory(place(n)))
        .map(n -> CachedModel.of(n.at(HubId.MAIN), place(n)))
        .findFirst();
  }

  /** What is in a folder, by name; nothing where there is none. */
  static List<Path> entries(Path folder) {
    return paths(folder, Files::list);
  }

  /** All files and links below a folder, by name; nothing where there is none. */
  static List<Path> below(Path folder) {
    return paths(folder, Files::walk).stream()
        .filter(p -> !Files.isDirectory(p, LinkOption.NOFOLLOW_LINKS))
        .toList();
  }

  /** A way to go through a folder. */
  private interface Listing {
    Stream<Path> of(Path folder) throws IOException;
  }

  /** What a listing gives, by name; nothing where there is no folder. */
  private static List<Path> paths(Path folder, Listing listing) {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> all = listing.of(folder)) {
      return all.sorted().toList();
    } catch (IOException e) {
      throw JsonFiles.unreadable(folder, e);
    } catch (UncheckedIOException e) {
      throw JsonFiles.unreadable(folder, e.getCause());
    }
  }
}
