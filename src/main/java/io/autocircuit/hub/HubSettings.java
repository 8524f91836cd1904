package io.autocircuit.hub;

import io.autocircuit.files.DataException;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How the hub is reached and where its files are kept.
 *
 * @param endpoint the server, without a slash at the end
 * @param cache the folder that models are kept in
 * @param offline whether nothing may be asked through the network
 * @param links whether the cache has symbolic links where the file system does
 * @param proxies through which the server is reached
 * @param patience how long is waited, and how often tried
 * @param token what gives access to models that not everybody may read; not printed
 */
public record HubSettings(
    URI endpoint,
    Path cache,
    boolean offline,
    boolean links,
    HubProxies proxies,
    HubPatience patience,
    Optional<Token> token) {
  private static final String ENDPOINT = "https://huggingface.co";
  private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");
  private static final Pattern VARIABLE = Pattern.compile("\\$(?:(\\w+)|\\{(\\w+)})");
  private static final long LARGEST_TOKEN = 4096;

  /**
   * What a user proves with who they are.
   *
   * @param secret never printed
   * @param source where it comes from, for messages: {@code HF_TOKEN}, or a file
   */
  public record Token(String secret, String source) {
    /**
     * Checks that it can be sent.
     *
     * @param secret never printed
     * @param source where it comes from, for messages
     * @throws DataException if it has blanks, or characters that no token has
     */
    public Token {
      if (!secret.matches("[\\x21-\\x7e]+")) {
        throw new DataException(
            source
                + " holds no token: there are blanks in it, or characters that no token has; copy"
                + " the token again");
      }
    }

    @Override
    public String toString() {
      return "token of " + source;
    }
  }

  /**
   * What this process's environment says.
   *
   * @return the settings
   * @throws DataException if a variable cannot be used
   */
  public static HubSettings standard() {
    return of(System.getenv());
  }

  /**
   * What an environment says, by the variables that the hub's own programs read: {@code
   * HF_ENDPOINT}, {@code HF_HUB_CACHE}, {@code HF_HOME}, {@code XDG_CACHE_HOME}, {@code
   * HF_HUB_OFFLINE}, {@code HF_TOKEN}, {@code HF_TOKEN_PATH}, {@code HF_HUB_DISABLE_SYMLINKS},
   * {@code HF_HUB_ETAG_TIMEOUT}, {@code HF_HUB_DOWNLOAD_TIMEOUT}, and those of proxies.
   *
   * @param environment values by name; a file of a token is read
   * @return the settings
   * @throws DataException if a variable cannot be used
   */
  public static HubSettings of(Map<String, String> environment) {
    return new HubSettings(
        endpoint(value(environment, "HF_ENDPOINT").orElse(ENDPOINT)),
        cache(environment),
        flag(environment, "HF_HUB_OFFLINE") || flag(environment, "TRANSFORMERS_OFFLINE"),
        !flag(environment, "HF_HUB_DISABLE_SYMLINKS"),
        HubProxies.of(environment),
        HubPatience.STANDARD.withTimeouts(
            seconds(environment, "HF_HUB_ETAG_TIMEOUT"),
            seconds(environment, "HF_HUB_DOWNLOAD_TIMEOUT")),
        token(
            environment,
            path(environment, "HF_TOKEN_PATH")
                .orElseGet(() -> home(environment).resolve("token"))));
  }

  /**
   * The folder that an environment has models of the hub in.
   *
   * @param environment values by name
   * @return the folder; need not exist
   * @throws DataException if a variable is no path
   */
  public static Path cache(Map<String, String> environment) {
    return path(environment, "HF_HUB_CACHE")
        .or(() -> path(environment, "HUGGINGFACE_HUB_CACHE"))
        .orElseGet(() -> home(environment).resolve("hub"));
  }

  private static Path home(Map<String, String> environment) {
    return path(environment, "HF_HOME")
        .orElseGet(
            () ->
                path(environment, "XDG_CACHE_HOME")
                    .orElseGet(() -> user(environment).resolve(".cache"))
                    .resolve("huggingface"));
  }

  private static Optional<String> value(Map<String, String> environment, String name) {
    return Optional.ofNullable(environment.get(name)).map(String::strip).filter(v -> !v.isEmpty());
  }

  private static boolean flag(Map<String, String> environment, String name) {
    return value(environment, name)
        .filter(v -> TRUE.contains(v.toUpperCase(Locale.ROOT)))
        .isPresent();
  }

  private static Optional<Duration> seconds(Map<String, String> environment, String name) {
    return value(environment, name)
        .map(
            text -> {
              if (!text.matches("[0-9]{1,6}") || Integer.parseInt(text) == 0) {
                throw new DataException(
                    name
                        + "="
                        + DataException.quote(text)
                        + " is no number of seconds; give a whole number from 1, or leave it"
                        + " away");
              }
              return Duration.ofSeconds(Integer.parseInt(text));
            });
  }

  private static Path user(Map<String, String> environment) {
    return Path.of(value(environment, "HOME").orElse(System.getProperty("user.home")));
  }

  /** A path, in which {@code ~} and variables stand for what they do in a shell. */
  private static Optional<Path> path(Map<String, String> environment, String name) {
    return value(environment, name)
        .map(
            text -> {
              String full =
                  text.equals("~") || text.startsWith("~/")
                      ? user(environment) + text.substring(1)
                      : text;
              try {
                return Path.of(
                    VARIABLE
                        .matcher(full)
                        .replaceAll(m -> Matcher.quoteReplacement(variable(environment, m))));
              } catch (InvalidPathException e) {
                throw new DataException(
                    name + "=" + DataException.quote(text) + " is no path; give a folder", e);
              }
            });
  }

  private static String variable(Map<String, String> environment, MatchResult m) {
    String name = m.group(1) != null ? m.group(1) : m.group(2);
    return environment.getOrDefault(name, m.group());
  }

  private static URI endpoint(String text) {
    String bare = text.replaceFirst("/+$", "");
    try {
      URI uri = new URI(bare);
      boolean http = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
      if (http && uri.getHost() != null && uri.getUserInfo() == null && uri.getQuery() == null) {
        return uri;
      }
    } catch (URISyntaxException e) {
      // said below
    }
    throw new DataException(
        "HF_ENDPOINT="
            + DataException.quote(text)
            + " is no address of a server; give one such as "
            + ENDPOINT
            + ", or leave it away");
  }

  private static Optional<Token> token(Map<String, String> environment, Path file) {
    if (flag(environment, "HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
      return Optional.empty();
    }
    for (String name : new String[] {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
      Optional<String> given = value(environment, name);
      if (given.isPresent()) {
        return given.map(secret -> new Token(secret, name));
      }
    }
    try {
      if (!Files.isRegularFile(file) || Files.size(file) > LARGEST_TOKEN) {
        return Optional.empty();
      }
      String secret = Files.readString(file).strip();
      return secret.isEmpty() ? Optional.empty() : Optional.of(new Token(secret, file.toString()));
    } catch (IOException e) {
      return Optional.empty(); // most models need none; what needs one says so
    }
  }

  /**
   * The same without the network.
   *
   * @return settings with which only the cache is read
   */
  public HubSettings withoutNetwork() {
    return new HubSettings(endpoint, cache, true, links, proxies, patience, token);
  }

  /**
   * The same with another patience.
   *
   * @param other how long is waited, and how often tried
   * @return the settings
   */
  public HubSettings withPatience(HubPatience other) {
    return new HubSettings(endpoint, cache, offline, links, proxies, other, token);
  }
}
