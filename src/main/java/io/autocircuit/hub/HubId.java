package io.autocircuit.hub;

import io.autocircuit.files.DataException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A model on the Hugging Face hub, at some revision.
 *
 * @param name such as {@code gpt2} or {@code EleutherAI/pythia-70m}
 * @param revision a branch, a tag, or a commit
 */
public record HubId(String name, String revision) {
  /** The revision where none is given. */
  public static final String MAIN = "main";

  private static final String WHAT =
      "; give NAME, ORGANISATION/NAME or ORGANISATION/NAME@REVISION, such as"
          + " EleutherAI/pythia-70m@main";
  private static final int LONGEST = 96;
  private static final Pattern NAME =
      Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?");
  private static final Pattern BAD_NAME = Pattern.compile("--|\\.\\.|[.-](/|$)|\\.git$");
  private static final Pattern REVISION = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_./+=#%-]{0,199}");
  private static final Pattern BAD_REVISION =
      Pattern.compile("\\.\\.|//|/\\.|\\.(/|$)|/$|\\.lock(/|$)");
  private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
  private static final Pattern FOLDER = Pattern.compile("models--(.+)");

  /** Models that were there before names had an organisation, and what they are called now. */
  private static final Map<String, String> RENAMED =
      Map.of(
          "gpt2", "openai-community/gpt2",
          "gpt2-medium", "openai-community/gpt2-medium",
          "gpt2-large", "openai-community/gpt2-large",
          "gpt2-xl", "openai-community/gpt2-xl",
          "distilgpt2", "distilbert/distilgpt2");

  /**
   * Checks both: they become parts of addresses and paths.
   *
   * @param name such as {@code gpt2} or {@code EleutherAI/pythia-70m}
   * @param revision a branch, a tag, or a commit
   * @throws DataException if one of them cannot be
   */
  public HubId {
    if (!isName(name)) {
      throw new DataException(
          "model=" + DataException.quote(name) + " is no name of the Hugging Face hub" + WHAT);
    }
    if (!isRevision(revision)) {
      throw new DataException(
          "model="
              + name
              + ": revision="
              + DataException.quote(revision)
              + " cannot be a branch, a tag or a commit; give one of its branches, or main");
    }
  }

  private static boolean isName(String text) {
    return text.length() <= LONGEST
        && NAME.matcher(text).matches()
        && !BAD_NAME.matcher(text).find();
  }

  private static boolean isRevision(String text) {
    return REVISION.matcher(text).matches() && !BAD_REVISION.matcher(text).find();
  }

  /**
   * Reads what people type.
   *
   * @param text such as {@code org/name@revision}
   * @return the model, at {@value #MAIN} where no revision is given
   * @throws DataException if it is not of that form
   */
  public static HubId parse(String text) {
    int at = text.indexOf('@');
    return at < 0
        ? new HubId(text, MAIN)
        : new HubId(text.substring(0, at), text.substring(at + 1));
  }

  /**
   * Reads what may be one, or a path.
   *
   * @param text such as {@code org/name@revision}
   * @return empty if it is not of that form
   */
  public static Optional<HubId> find(String text) {
    int at = text.indexOf('@');
    return isName(at < 0 ? text : text.substring(0, at))
            && (at < 0 || isRevision(text.substring(at + 1)))
        ? Optional.of(parse(text))
        : Optional.empty();
  }

  /**
   * The model that a snapshot of the hub's cache is of.
   *
   * @param directory such as {@code …/models--org--name/snapshots/607a30d…}; need not exist
   * @return the model at that commit; empty if the path is another
   */
  public static Optional<HubId> ofSnapshot(Path directory) {
    Path path = directory.toAbsolutePath().normalize();
    int count = path.getNameCount();
    if (count < 3
        || !COMMIT.matcher(path.getName(count - 1).toString()).matches()
        || !path.getName(count - 2).toString().equals("snapshots")) {
      return Optional.empty();
    }
    return ofFolder(path.getName(count - 3).toString())
        .map(id -> new HubId(id.name(), path.getName(count - 1).toString()));
  }

  /** The model of a folder's name in the cache. */
  static Optional<HubId> ofFolder(String folder) {
    Matcher m = FOLDER.matcher(folder);
    if (!m.matches()) {
      return Optional.empty();
    }
    String name = m.group(1).replace("--", "/");
    return isName(name) ? Optional.of(new HubId(name, MAIN)) : Optional.empty();
  }

  /**
   * The folder that the cache has for it.
   *
   * @return such as {@code models--org--name}
   */
  public String folder() {
    return "models--" + name.replace("/", "--");
  }

  /**
   * Whether the revision is a commit, which never changes.
   *
   * @return whether it is 40 lower-case hexadecimal digits
   */
  public boolean isCommit() {
    return isCommit(revision);
  }

  /** Whether a text is a commit. */
  static boolean isCommit(String text) {
    return COMMIT.matcher(text).matches();
  }

  /**
   * The same model at another revision.
   *
   * @param other a branch, a tag, or a commit
   * @return that one
   */
  public HubId at(String other) {
    return new HubId(name, other);
  }

  /** This model, then the same under the name that it has now. */
  List<HubId> names() {
    return Stream.concat(
            Stream.of(this),
            Stream.ofNullable(RENAMED.get(name)).map(now -> new HubId(now, revision)))
        .toList();
  }

  @Override
  public String toString() {
    return revision.equals(MAIN) ? name : name + "@" + revision;
  }
}
