package io.autocircuit.hub;

import io.autocircuit.files.DataException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The proxies that an environment names.
 *
 * @param https for addresses of {@code https}
 * @param http for addresses of {@code http}
 * @param none hosts that are reached without: names, which stand for all below them too, perhaps
 *     with a port, or {@code *}
 */
public record HubProxies(Optional<URI> https, Optional<URI> http, List<String> none) {
  /** Everything is reached without a proxy. */
  public static final HubProxies NONE =
      new HubProxies(Optional.empty(), Optional.empty(), List.of());

  private static final int HTTP_PORT = 80;
  private static final int HTTPS_PORT = 443;

  /**
   * Copies the hosts.
   *
   * @param https for addresses of {@code https}
   * @param http for addresses of {@code http}
   * @param none hosts that are reached without
   */
  public HubProxies {
    none = List.copyOf(none);
  }

  /**
   * Reads {@code HTTPS_PROXY}, {@code HTTP_PROXY}, {@code ALL_PROXY} and {@code NO_PROXY}, in
   * either case; lower case goes before.
   *
   * @param environment values by name
   * @return the proxies
   * @throws DataException if one cannot be used
   */
  static HubProxies of(Map<String, String> environment) {
    List<String> none =
        value(environment, "NO_PROXY")
            .map(
                text ->
                    Stream.of(text.split("[,\\s]+", -1))
                        .map(h -> h.toLowerCase(Locale.ROOT).replaceFirst("^\\*?\\.", ""))
                        .filter(h -> !h.isEmpty())
                        .toList())
            .orElse(List.of());
    return new HubProxies(
        proxy(environment, "HTTPS_PROXY"), proxy(environment, "HTTP_PROXY"), none);
  }

  private static Optional<String> value(Map<String, String> environment, String name) {
    return Stream.of(name.toLowerCase(Locale.ROOT), name)
        .map(environment::get)
        .filter(v -> v != null && !v.isBlank())
        .map(String::strip)
        .findFirst();
  }

  private static Optional<URI> proxy(Map<String, String> environment, String name) {
    String used = value(environment, name).isPresent() ? name : "ALL_PROXY";
    return value(environment, used).map(text -> uri(used, text));
  }

  private static URI uri(String name, String text) {
    try {
      URI uri = new URI(text.contains("://") ? text : "http://" + text);
      if (uri.getHost() != null && "http".equals(uri.getScheme())) {
        return uri;
      }
    } catch (URISyntaxException e) {
      // said below, without what may be a password
    }
    throw new DataException(
        name
            + " names no proxy that can be used here; give http://HOST:PORT (SOCKS and proxies that"
            + " are spoken to in https are not supported)");
  }

  /** The proxy for an address. */
  Optional<URI> of(URI address) {
    return without(address) ? Optional.empty() : "https".equals(address.getScheme()) ? https : http;
  }

  private boolean without(URI address) {
    String host = address.getHost().toLowerCase(Locale.ROOT);
    boolean secure = "https".equals(address.getScheme());
    int port = address.getPort() >= 0 ? address.getPort() : secure ? HTTPS_PORT : HTTP_PORT;
    return none.stream()
        .anyMatch(
            n -> {
              boolean hasPort = n.matches(".*[^:]:[0-9]+");
              String name = hasPort ? n.substring(0, n.lastIndexOf(':')) : n;
              return n.equals("*")
                  || (!hasPort || n.endsWith(":" + port))
                      && (host.equals(name) || host.endsWith("." + name));
            });
  }

  /**
   * What an address's proxy is told of user and password, as its header has it. Java's client sends
   * that header to proxies alone.
   */
  Optional<String> login(URI address) {
    return of(address)
        .map(URI::getUserInfo)
        .filter(user -> user.contains(":"))
        .map(user -> user.getBytes(StandardCharsets.UTF_8))
        .map(bytes -> "Basic " + Base64.getEncoder().encodeToString(bytes));
  }

  @Override
  public String toString() {
    return "HubProxies[https=" + shown(https) + ", http=" + shown(http) + ", none=" + none + "]";
  }

  /** Without user and password. */
  private static String shown(Optional<URI> proxy) {
    return proxy.map(p -> p.getHost() + ":" + p.getPort()).orElse("none");
  }

  /** For Java's client. */
  ProxySelector selector() {
    HubProxies all = this;
    return new ProxySelector() {
      @Override
      public List<Proxy> select(URI address) {
        return List.of(
            all.of(address)
                .map(
                    p ->
                        new Proxy(
                            Proxy.Type.HTTP,
                            new InetSocketAddress(
                                p.getHost(), p.getPort() < 0 ? HTTP_PORT : p.getPort())))
                .orElse(Proxy.NO_PROXY));
      }

      @Override
      public void connectFailed(URI address, SocketAddress proxy, IOException e) {
        // the request says so
      }
    };
  }
}
