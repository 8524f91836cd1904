package io.autocircuit.hub;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Asks a hub. Redirects are followed here, so that the token goes to the hub alone: same scheme,
 * host and port.
 */
final class HubClient {
  private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);
  private static final int MOST_REDIRECTS = 10;
  private static final int OK = 200;
  private static final int LARGEST_LIST = 64 << 20;
  private static final int FIRST_FAILURE = 400;

  private final HubSettings settings;
  private final HubProgress progress;
  private final HubErrors errors;
  private final HttpClient http;

  /** An answer, and what was said on the way to it by the hub itself. */
  record Answer(HttpResponse<HubBody> response, Map<String, String> said) {
    int status() {
      return response.statusCode();
    }
  }

  /** Something that may have to be tried again. */
  private interface Attempt<T> {
    T run() throws HubException;
  }

  HubClient(HubSettings settings, HubProgress progress) {
    this.settings = settings;
    this.progress = progress;
    this.errors = new HubErrors(settings);
    this.http =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(settings.patience().answer())
            .proxy(settings.proxies().selector())
            .build(); // an authenticator would make it drop the token
  }

  HubErrors errors() {
    return errors;
  }

  HubSettings settings() {
    return settings;
  }

  /**
   * What the hub has of a model, by one request.
   *
   * @throws HubException if it does not say
   */
  HubListing list(HubId id) throws HubException {
    return retried(id, () -> listOnce(id));
  }

  private HubListing listOnce(HubId id) throws HubException {
    URI address =
        address("/api/models/" + id.name() + "/revision/" + encoded(id.revision()) + "?blobs=true");
    try (HubBody body = success(id, Optional.empty(), send(id, "GET", address, 0)).body()) {
      String text = body.text(LARGEST_LIST);
      JsonNode answer;
      try {
        answer = JsonFiles.parse(text, "answer of " + address.getHost());
      } catch (DataException e) {
        throw HubException.lasting(
            "model="
                + id
                + ": "
                + settings.endpoint()
                + " does not answer as a Hugging Face hub does; check HF_ENDPOINT, and that no"
                + " page of your network (a login, say) stands between",
            e);
      }
      return HubListing.of(id, answer);
    } catch (IOException e) {
      throw errors.of(id, address, e);
    }
  }

  /**
   * Size and hash of a file that the list has without them.
   *
   * @throws HubException if the server does not say them
   */
  HubFile file(HubId id, String commit, String name) throws HubException {
    return retried(
        id,
        () -> {
          Answer answer = send(id, "HEAD", resolve(id, commit, name), 0);
          Map<String, String> said = answer.said();
          answer.response().body().close();
          if (answer.status() >= FIRST_FAILURE) {
            throw errors.of(id, Optional.of(name), answer.response());
          }
          Optional<HubHash> hash =
              Stream.of("x-linked-etag", "etag")
                  .map(said::get)
                  .filter(v -> v != null)
                  .findFirst()
                  .flatMap(HubHash::parse);
          String size = said.getOrDefault("x-linked-size", said.getOrDefault("content-length", ""));
          if (hash.isEmpty() || !size.matches("[0-9]{1,18}")) {
            throw HubException.lasting(
                "model="
                    + id
                    + ": the server says neither size nor hash of file="
                    + DataException.quote(name)
                    + ", so that it could not be checked; use another HF_ENDPOINT");
          }
          return new HubFile(name, Long.parseLong(size), hash.get());
        });
  }

  /** The address of a file's content. */
  URI resolve(HubId id, String commit, String name) {
    return address(
        "/"
            + id.name()
            + "/resolve/"
            + commit
            + "/"
            + Stream.of(name.split("/", -1))
                .map(HubClient::encoded)
                .collect(Collectors.joining("/")));
  }

  private URI address(String path) {
    return URI.create(settings.endpoint() + path);
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }

  private HttpResponse<HubBody> success(HubId id, Optional<String> what, Answer answer)
      throws HubException {
    if (answer.status() != OK) {
      throw errors.of(id, what, answer.response());
    }
    return answer.response();
  }

  /**
   * Sends a request, and follows where it leads.
   *
   * @param from the first byte that is wanted
   * @return an answer that is no redirect; whoever gets it closes the body
   * @throws HubException if there is none
   */
  Answer send(HubId id, String method, URI first, long from) throws HubException {
    URI address = first;
    Map<String, String> said = new HashMap<>();
    for (int hop = 0; hop <= MOST_REDIRECTS; hop++) {
      boolean hub = sameServer(address, settings.endpoint());
      HttpResponse<HubBody> response = once(id, method, address, from, hub);
      if (hub) {
        response
            .headers()
            .map()
            .forEach((name, v) -> said.putIfAbsent(name.toLowerCase(Locale.ROOT), v.get(0)));
      }
      if (!REDIRECTS.contains(response.statusCode())) {
        if (!hub) {
          said.remove("content-length"); // that of the redirect
        }
        return new Answer(response, said);
      }
      if (hub) {
        said.remove("content-length");
        said.remove("etag");
      }
      response.body().close();
      address = next(id, address, response.headers().firstValue("Location").orElse(""));
    }
    throw HubException.lasting(
        "model="
            + id
            + ": "
            + first.getHost()
            + " redirects more than "
            + MOST_REDIRECTS
            + " times; check HF_ENDPOINT and proxies");
  }

  private HttpResponse<HubBody> once(HubId id, String method, URI address, long from, boolean hub)
      throws HubException {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(address)
            .method(method, HttpRequest.BodyPublishers.noBody())
            .timeout(settings.patience().answer())
            .header("User-Agent", "autocircuit; java/" + Runtime.version().feature())
            .header("Accept-Encoding", "identity");
    if (from > 0) {
      request.header("Range", "bytes=" + from + "-");
    }
    if (hub && maySend(address)) {
      settings.token().ifPresent(t -> request.header("Authorization", "Bearer " + t.secret()));
    }
    settings.proxies().login(address).ifPresent(l -> request.header("Proxy-Authorization", l));
    try {
      return http.send(request.build(), info -> new HubBody(settings.patience().stall()));
    } catch (IOException e) {
      throw errors.of(id, address, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw HubException.lasting("model=" + id + ": interrupted while it was downloaded", e);
    }
  }

  /** A token is not sent where everybody on the way could read it. */
  static boolean maySend(URI address) {
    return "https".equals(address.getScheme())
        || Set.of("localhost", "127.0.0.1", "[::1]").contains(address.getHost());
  }

  static boolean sameServer(URI a, URI b) {
    return a.getScheme().equals(b.getScheme())
        && a.getHost().equalsIgnoreCase(b.getHost())
        && a.getPort() == b.getPort();
  }

  /** Where a redirect leads. */
  static URI next(HubId id, URI from, String location) throws HubException {
    URI to;
    try {
      to = from.resolve(URI.create(location));
    } catch (IllegalArgumentException e) {
      throw strange(id, from, location);
    }
    boolean http = "http".equals(to.getScheme()) || "https".equals(to.getScheme());
    boolean weaker = "https".equals(from.getScheme()) && !"https".equals(to.getScheme());
    if (location.isEmpty() || !http || to.getHost() == null || weaker) {
      throw strange(id, from, location);
    }
    if (sameServer(from, to) && to.getRawQuery() == null && from.getRawQuery() != null) {
      return URI.create(to + "?" + from.getRawQuery()); // a model that was renamed
    }
    return to;
  }

  private static HubException strange(HubId id, URI from, String location) {
    return HubException.lasting(
        "model="
            + id
            + ": "
            + from.getHost()
            + " redirects to location="
            + DataException.quote(location)
            + ", which is not followed; check HF_ENDPOINT and proxies");
  }

  private <T> T retried(HubId id, Attempt<T> attempt) throws HubException {
    for (int failures = 1; ; failures++) {
      try {
        return attempt.run();
      } catch (HubException e) {
        pause(id, e, failures);
      }
    }
  }

  /**
   * Waits before the next try.
   *
   * @param failures how many tries in a row have failed
   * @throws HubException the failure, if there is no next try
   */
  void pause(HubId id, HubException failure, int failures) throws HubException {
    HubPatience patience = settings.patience();
    Duration wait = failure.waitFor().orElse(patience.after(failures));
    if (!failure.isPassing()
        || failures >= patience.tries()
        || wait.compareTo(patience.longest()) > 0) {
      throw failure;
    }
    if (failure.waitFor().isPresent()) {
      progress.note(
          "model=" + id + ": waiting " + HubErrors.seconds(wait) + " s, as the server asks for");
    }
    try {
      Thread.sleep(wait.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw HubException.lasting("model=" + id + ": interrupted while it was downloaded", e);
    }
  }
}
