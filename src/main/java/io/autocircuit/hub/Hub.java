package io.autocircuit.hub;

import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Models by their name on the Hugging Face hub. One that is in the cache at a named commit is read
 * without a request; of a branch one request asks where it stands, and if there is no answer, what
 * the cache has is taken, with a notice. Only what a model and its tokenizer are read from is
 * downloaded: settings, tokenizer, and weights as safetensors.
 *
 * <pre>{@code
 * Path directory = Hub.standard().find(HubId.parse("EleutherAI/pythia-70m")).directory();
 * Transformer model = ModelLoader.load(directory);
 * }</pre>
 *
 * @param settings how the hub is reached and where files are kept
 * @param progress hears of downloads
 */
public record Hub(HubSettings settings, HubProgress progress) {
  private static final double MEBI = 1 << 20;

  /**
   * The hub that this process's environment names, without a word about progress.
   *
   * @return a hub
   * @throws DataException if a variable cannot be used
   */
  public static Hub standard() {
    return new Hub(HubSettings.standard(), HubProgress.SILENT);
  }

  /**
   * The cache.
   *
   * @return where the files are
   */
  public HubCache cache() {
    return new HubCache(settings.cache(), settings.links());
  }

  /**
   * A directory as it is, or the model that is named where there is no such directory.
   *
   * @param given a directory, or such as {@code org/name@revision}
   * @return the directory, or a model's snapshot; what is neither a directory nor a name of the hub
   *     comes back as it is
   * @throws DataException if the hub has no such model, or it cannot be downloaded
   */
  public Optional<HubModel> named(Path given) {
    if (Files.exists(given)) {
      return Optional.empty();
    }
    Optional<HubId> id =
        HubId.ofSnapshot(given)
            .or(
                () ->
                    given.isAbsolute()
                        ? Optional.empty()
                        : HubId.find(given.toString().replace('\\', '/')));
    try {
      return id.map(this::find);
    } catch (DataException e) {
      throw new DataException("no directory=" + given + "; " + e.getMessage(), e);
    }
  }

  /**
   * A model, from the cache or else from the hub.
   *
   * @param id the model
   * @return where it is
   * @throws DataException if there is no such model, or it cannot be downloaded
   */
  public HubModel find(HubId id) {
    Optional<Path> known = cache().find(id);
    if (known.isPresent()
        && (settings.offline() || id.isCommit() && HubCache.isWhole(known.get()))) {
      return cached(id, known.get(), List.of());
    }
    if (settings.offline()) {
      throw notThere(id);
    }
    HubListing listing;
    try {
      listing = client(known.isPresent()).list(id);
    } catch (HubException e) {
      if (known.isPresent()) {
        return cached(
            id,
            known.get(),
            List.of(
                "the hub was not asked for a newer version of "
                    + id
                    + " ("
                    + e.getMessage()
                    + "); the one in the cache is used, "
                    + known.get().getFileName()));
      }
      throw new DataException(e.getMessage(), e);
    }
    try {
      return fetched(id, listing);
    } catch (DataException e) {
      throw known.isEmpty()
          ? e
          : new DataException(
              e.getMessage() + "; HF_HUB_OFFLINE=1 takes the version that the cache has", e);
    }
  }

  /**
   * A model as the hub has it now: what the cache lacks of it is downloaded.
   *
   * @param id the model
   * @return where it is
   * @throws DataException if there is no such model, it cannot be downloaded, or the settings
   *     forbid to use the network
   */
  public HubModel fetch(HubId id) {
    if (settings.offline()) {
      throw new DataException(
          "model="
              + id
              + " cannot be fetched: HF_HUB_OFFLINE is set; unset it, or copy the model into"
              + " cache="
              + settings.cache());
    }
    try {
      return fetched(id, client(false).list(id));
    } catch (HubException e) {
      throw new DataException(e.getMessage(), e);
    }
  }

  private HubModel cached(HubId id, Path snapshot, List<String> notices) {
    return new HubModel(id, snapshot.getFileName().toString(), snapshot, notices);
  }

  private DataException notThere(HubId id) {
    Optional<Path> part = cache().snapshot(id);
    String lacks = part.flatMap(HubCache::lacks).orElse("");
    return new DataException(
        "model="
            + id
            + (part.isPresent() ? " lacks " + lacks + " in cache=" : " is not in cache=")
            + settings.cache()
            + ", and HF_HUB_OFFLINE is set, so that it is not downloaded; unset it, name another"
            + " cache in HF_HUB_CACHE, or give a directory");
  }

  private HubClient client(boolean once) {
    return new HubClient(
        once ? settings.withPatience(settings.patience().once()) : settings, progress);
  }

  private HubModel fetched(HubId given, HubListing listing) {
    HubCache cache = cache();
    HubId id = cache.home(given);
    Path snapshot = cache.snapshot(id, listing.commit());
    try {
      boolean there = has(id, listing);
      if (!there) {
        cache.locked(
            id,
            "downloading",
            () -> {
              cache.prepare(id);
              download(id, listing);
              return snapshot;
            });
      }
      note(id, listing, there);
      return cached(given, snapshot, List.of());
    } catch (HubException e) {
      throw new DataException(e.getMessage(), e);
    } catch (IOException e) {
      throw unwritable(id, e);
    }
  }

  /**
   * Writes down what the hub said.
   *
   * @param mayFail whether it does not matter if it cannot be: others' caches are read too
   */
  private void note(HubId id, HubListing listing, boolean mayFail) throws IOException {
    try {
      if (!listing.files().containsKey(HubListing.TOKENIZER)) {
        cache().missing(id, listing.commit(), HubListing.TOKENIZER);
      }
      cache().ref(id, listing.commit());
    } catch (IOException | DataException e) {
      if (!mayFail) {
        throw e;
      }
    }
  }

  private DataException unwritable(HubId id, IOException e) {
    return new DataException(
        "model="
            + id
            + " cannot be written into cache="
            + settings.cache()
            + " ("
            + e.getClass().getSimpleName()
            + ": "
            + DataException.printable(String.valueOf(e.getMessage()), 200)
            + "); name a folder of yours with enough room in HF_HUB_CACHE",
        e);
  }

  /** Whether all that would be downloaded is there. */
  private boolean has(HubId id, HubListing listing) throws HubException {
    HubCache cache = cache();
    Path snapshot = cache.snapshot(id, listing.commit());
    listing.weights(id);
    return HubCache.lacks(snapshot).isEmpty()
        && listing.small().stream()
            .allMatch(
                name ->
                    listing
                        .files()
                        .get(name)
                        .map(f -> cache.has(id, listing.commit(), f))
                        .orElse(Files.isRegularFile(snapshot.resolve(name))))
        && weightsHaveTheirSizes(id, listing, snapshot);
  }

  private boolean weightsHaveTheirSizes(HubId id, HubListing listing, Path snapshot) {
    return listing.files().entrySet().stream()
        .filter(e -> e.getKey().matches(".*\\.(safetensors|bin)"))
        .filter(e -> Files.exists(snapshot.resolve(e.getKey())))
        .allMatch(e -> e.getValue().map(f -> cache().has(id, listing.commit(), f)).orElse(true));
  }

  /** Small files first, then the weights; the settings last, without which it is no model. */
  private void download(HubId id, HubListing listing) throws HubException, IOException {
    HubClient client = client(false);
    String weights = listing.weights(id);
    List<String> names = new ArrayList<>(listing.small());
    names.remove(HubListing.CONFIG);
    if (weights.endsWith(HubListing.INDEX)) {
      HubFile index = file(client, id, listing, weights);
      one(client, id, listing.commit(), index);
      Path read = cache().snapshot(id, listing.commit()).resolve(weights);
      names.addAll(listing.shards(id, weights, JsonFiles.read(read)));
    } else {
      names.add(weights);
    }
    names.add(HubListing.CONFIG);
    Map<String, HubFile> files = new LinkedHashMap<>();
    for (String name : names) {
      files.put(name, file(client, id, listing, name));
    }
    requireRoom(id, listing.commit(), List.copyOf(files.values()));
    for (HubFile file : files.values()) {
      one(client, id, listing.commit(), file);
    }
  }

  private static HubFile file(HubClient client, HubId id, HubListing listing, String name)
      throws HubException {
    Optional<HubFile> known = listing.files().get(name);
    return known.isPresent() ? known.get() : client.file(id, listing.commit(), name);
  }

  /** One file, unless it is there. */
  private void one(HubClient client, HubId id, String commit, HubFile file)
      throws HubException, IOException {
    HubCache cache = cache();
    if (cache.has(id, commit, file)) {
      return;
    }
    if (!cache.hasBlob(id, file)) {
      new HubDownload(client, id, commit, file, progress).into(cache.partial(id, file));
    }
    cache.put(id, commit, file);
  }

  private void requireRoom(HubId id, String commit, List<HubFile> files)
      throws HubException, IOException {
    long needed = 0;
    for (HubFile file : files) {
      if (!cache().has(id, commit, file) && !cache().hasBlob(id, file)) {
        Path partial = cache().partial(id, file);
        needed += file.size() - (Files.exists(partial) ? Files.size(partial) : 0);
      }
    }
    long free = Files.getFileStore(cache().place(id)).getUsableSpace();
    if (needed > free) {
      throw HubException.lasting(
          String.format(
              Locale.ROOT,
              "model=%s needs %,.1f MiB, and the disk of cache=%s has %,.1f MiB; make room, or name"
                  + " another folder in HF_HUB_CACHE",
              id,
              needed / MEBI,
              settings.cache(),
              free / MEBI));
    }
  }

  /**
   * Reads a model's files in the cache again, and compares them with their hashes. The hub is asked
   * only for those of files that are not kept under their hash.
   *
   * @param id a model that is in the cache
   * @param drop whether damaged files are removed, so that {@link #fetch} downloads them again
   * @return its files
   * @throws DataException if it is not there, or a file cannot be read or removed
   */
  public List<CachedModel.Checked> verify(HubId id, boolean drop) {
    CachedModel model = model(id);
    CachedRevision revision = revision(id, model);
    boolean unlinked =
        HubCache.below(revision.directory()).stream().anyMatch(f -> !Files.isSymbolicLink(f));
    Map<String, Optional<HubFile>> known = Map.of();
    if (unlinked && !settings.offline()) {
      try {
        known = client(true).list(model.id().at(revision.commit())).files();
      } catch (HubException e) {
        // they stay unknown
      }
    }
    if (!drop) {
      return model.verify(revision, known, progress);
    }
    Map<String, Optional<HubFile>> said = known;
    return changed(
        model,
        () -> {
          CachedModel now = model(id); // another process may have changed it
          CachedRevision same = revision(id.at(revision.commit()), now);
          List<CachedModel.Checked> files = now.verify(same, said, progress);
          now.drop(same, files);
          return files;
        });
  }

  /**
   * Removes a model from the cache, or a revision of it with what no other revision needs.
   *
   * @param id the model
   * @param all whether all revisions go
   * @return the bytes that are free now
   * @throws DataException if it is not there, or cannot be removed
   */
  public long remove(HubId id, boolean all) {
    return changed(
        model(id),
        () -> {
          CachedModel now = model(id); // another process may have changed it
          return all ? now.remove() : now.remove(revision(id, now));
        });
  }

  /** Changes a model in the cache while no other process does. */
  private <T> T changed(CachedModel model, HubCache.Locked<T> action) {
    try {
      return cache().locked(model.id(), "changing", action);
    } catch (HubException e) {
      throw new DataException(e.getMessage(), e);
    } catch (IOException e) {
      throw new DataException(
          "model="
              + model.id()
              + " cannot be changed ("
              + e.getClass().getSimpleName()
              + ": "
              + DataException.printable(String.valueOf(e.getMessage()), 200)
              + "); see whose files they are in folder="
              + model.folder(),
          e);
    }
  }

  private CachedModel model(HubId id) {
    return cache()
        .model(id)
        .orElseThrow(
            () ->
                new DataException(
                    "model="
                        + id.name()
                        + " is not in cache="
                        + settings.cache()
                        + "; see 'models list' for those that are"));
  }

  private static CachedRevision revision(HubId id, CachedModel model) {
    return model
        .revision(id.revision())
        .or(
            () ->
                id.revision().equals(HubId.MAIN) && model.revisions().size() == 1
                    ? Optional.of(model.revisions().get(0))
                    : Optional.empty())
        .orElseThrow(
            () ->
                new DataException(
                    "model="
                        + id.name()
                        + " has no revision="
                        + DataException.quote(id.revision())
                        + " in the cache; it has "
                        + (model.revisions().isEmpty()
                            ? "none"
                            : String.join(
                                ", ",
                                model.revisions().stream()
                                    .map(
                                        r ->
                                            r.refs().isEmpty()
                                                ? r.commit()
                                                : String.join(", ", r.refs()))
                                    .toList()))));
  }
}
