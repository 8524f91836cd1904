package io.autocircuit.hub;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * A hub on this machine: the list of files of a model, and the files, as the published interface
 * has them. What goes wrong is put into a queue for an address's last part.
 */
public final class FakeHub implements AutoCloseable {
  /** The commit of every model. */
  public static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

  /** What was asked. */
  public record Asked(String method, String address, String range, String token) {}

  /** What goes wrong once. */
  public interface Fault {
    /** Answers in place of the hub; content is the file's, or empty. */
    void answer(HttpExchange exchange, byte[] content) throws IOException;
  }

  private final HttpServer server;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Map<String, Map<String, byte[]>> models = new ConcurrentHashMap<>();
  private final Map<String, Queue<Fault>> faults = new ConcurrentHashMap<>();
  private final Queue<Asked> asked = new ConcurrentLinkedQueue<>();

  /** Whether the list of files says sizes and hashes. */
  volatile boolean says = true;

  /** The host that redirects of large files lead to. */
  volatile String elsewhere;

  private volatile Consumer<Asked> hears = a -> {};

  /** Begins to listen. */
  public FakeHub() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", this::answer);
    server.setExecutor(threads);
    server.start();
  }

  /** Its address. */
  public String address() {
    return "http://localhost:" + server.getAddress().getPort();
  }

  /** Adds a model. */
  public FakeHub model(String name, Map<String, byte[]> files) {
    models.put(name, new LinkedHashMap<>(files));
    return this;
  }

  /** The next requests whose address ends so are answered by these, in order. */
  public FakeHub fault(String end, Fault... some) {
    faults.computeIfAbsent(end, e -> new ConcurrentLinkedQueue<>()).addAll(Arrays.asList(some));
    return this;
  }

  /** Who is told what is asked. */
  void heard(Consumer<Asked> listener) {
    hears = listener;
  }

  /** What was asked since the last call. */
  public List<Asked> asked() {
    List<Asked> all = List.copyOf(asked);
    asked.clear();
    return all;
  }

  /** The addresses alone. */
  public List<String> addresses() {
    return asked().stream().map(Asked::address).toList();
  }

  /** An environment that names it. */
  public Map<String, String> environment(java.nio.file.Path cache) {
    Map<String, String> environment = new HashMap<>();
    environment.put("HF_ENDPOINT", address());
    environment.put("HF_HUB_CACHE", cache.toString());
    environment.put("HOME", cache.resolve("home").toString());
    return environment;
  }

  /** A hub that gives up soon. */
  Hub hub(java.nio.file.Path cache) {
    return new Hub(soon(HubSettings.of(environment(cache))), HubProgress.SILENT);
  }

  /** The same where servers are silent. */
  Hub impatient(java.nio.file.Path cache) {
    HubSettings settings = hub(cache).settings();
    HubPatience patience = settings.patience();
    return new Hub(
        settings.withPatience(
            new HubPatience(
                Duration.ofMillis(400),
                Duration.ofMillis(200),
                patience.tries(),
                patience.pause(),
                patience.longest())),
        HubProgress.SILENT);
  }

  static HubSettings soon(HubSettings settings) {
    return settings.withPatience(
        new HubPatience(
            Duration.ofSeconds(10),
            Duration.ofSeconds(10),
            3,
            Duration.ofMillis(5),
            Duration.ofSeconds(2)));
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /** Bytes that differ from place to place. */
  static byte[] much(int size) {
    byte[] all = new byte[size];
    for (int i = 0; i < size; i++) {
      all[i] = (byte) (i * 31 + i / 251);
    }
    return all;
  }

  /** The hash that the hub keeps a file under. */
  static HubHash hash(String name, byte[] content) {
    HubHash kind = new HubHash((large(name) ? "0".repeat(64) : "0".repeat(40)));
    java.security.MessageDigest digest = kind.begin(content.length);
    digest.update(content);
    return HubHash.of(digest);
  }

  private static boolean large(String name) {
    return name.endsWith(".safetensors") || name.endsWith(".bin");
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      URI address = exchange.getRequestURI();
      Asked now =
          new Asked(
              exchange.getRequestMethod(),
              address.toString(),
              exchange.getRequestHeaders().getFirst("Range"),
              exchange.getRequestHeaders().getFirst("Authorization"));
      asked.add(now);
      hears.accept(now);
      byte[] content = content(address.getPath());
      for (Map.Entry<String, Queue<Fault>> e : faults.entrySet()) {
        Fault fault = address.getPath().endsWith(e.getKey()) ? e.getValue().poll() : null;
        if (fault != null) {
          fault.answer(exchange, content == null ? new byte[0] : content);
          return;
        }
      }
      if (address.getPath().startsWith("/api/models/")) {
        list(exchange, address);
      } else if (content == null) {
        status(404, Map.of("X-Error-Code", "EntryNotFound")).answer(exchange, new byte[0]);
      } else {
        file(exchange, address, content);
      }
    }
  }

  private byte[] content(String path) {
    for (Map.Entry<String, Map<String, byte[]>> model : models.entrySet()) {
      String start = "/" + model.getKey() + "/resolve/" + COMMIT + "/";
      if (path.startsWith(start)) {
        return model.getValue().get(path.substring(start.length()));
      }
    }
    return null;
  }

  private void list(HttpExchange exchange, URI address) throws IOException {
    String[] parts = address.getPath().substring("/api/models/".length()).split("/revision/", -1);
    Map<String, byte[]> files = models.get(parts[0]);
    if (files == null) {
      status(404, Map.of("X-Error-Code", "RepoNotFound")).answer(exchange, new byte[0]);
      return;
    }
    if (!parts[1].equals("main") && !parts[1].equals(COMMIT) && !parts[1].equals("refs/pr/1")) {
      status(404, Map.of("X-Error-Code", "RevisionNotFound")).answer(exchange, new byte[0]);
      return;
    }
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("id", parts[0]).put("sha", COMMIT);
    ArrayNode siblings = root.putArray("siblings");
    boolean sizes = says && "blobs=true".equals(address.getQuery());
    files.forEach(
        (name, content) -> {
          ObjectNode file = siblings.addObject().put("rfilename", name);
          if (sizes) {
            file.put("size", content.length);
            file.put("blobId", "f".repeat(40));
            if (large(name)) {
              file.putObject("lfs")
                  .put("size", content.length)
                  .put("sha256", hash(name, content).digits());
            } else {
              file.put("blobId", hash(name, content).digits());
            }
          }
        });
    byte[] text = bytes(root.toString());
    exchange.sendResponseHeaders(200, text.length);
    exchange.getResponseBody().write(text);
  }

  private void file(HttpExchange exchange, URI address, byte[] content) throws IOException {
    String name = address.getPath().substring(address.getPath().lastIndexOf('/') + 1);
    exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
    if (large(name) && elsewhere != null) {
      exchange.getResponseHeaders().set("X-Linked-Etag", '"' + hash(name, content).digits() + '"');
      exchange.getResponseHeaders().set("X-Linked-Size", String.valueOf(content.length));
      redirect(elsewhere + address.getPath() + "?signed=1").answer(exchange, content);
      return;
    }
    exchange.getResponseHeaders().set("ETag", '"' + hash(name, content).digits() + '"');
    if (exchange.getRequestMethod().equals("HEAD")) {
      exchange.getResponseHeaders().set("Content-Length", String.valueOf(content.length));
      exchange.sendResponseHeaders(200, -1);
      return;
    }
    String range = exchange.getRequestHeaders().getFirst("Range");
    int from = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
    if (from >= content.length && from > 0) {
      exchange.sendResponseHeaders(416, -1);
      return;
    }
    if (from > 0) {
      exchange
          .getResponseHeaders()
          .set(
              "Content-Range", "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
    }
    exchange.sendResponseHeaders(
        from > 0 ? 206 : 200, content.length == 0 ? -1 : content.length - from);
    if (content.length > 0) {
      exchange.getResponseBody().write(content, from, content.length - from);
    }
  }

  /** A status without a body. */
  static Fault status(int code, Map<String, String> headers) {
    return (exchange, content) -> {
      headers.forEach((name, value) -> exchange.getResponseHeaders().set(name, value));
      exchange.sendResponseHeaders(code, -1);
    };
  }

  /** Leads elsewhere. */
  static Fault redirect(String location) {
    return status(302, Map.of("Location", location));
  }

  /** Sends so many bytes of what is asked for and ends the connection. */
  static Fault cut(int after) {
    return (exchange, content) -> {
      String range = exchange.getRequestHeaders().getFirst("Range");
      int from = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
      if (from > 0) {
        exchange
            .getResponseHeaders()
            .set(
                "Content-Range",
                "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
      }
      exchange.sendResponseHeaders(from > 0 ? 206 : 200, content.length - from);
      OutputStream out = exchange.getResponseBody();
      out.write(content, from, Math.min(after, content.length - from));
      out.flush();
    };
  }

  /** Sends something else as it stands, announced or not. */
  static Fault instead(byte[] other, boolean announced) {
    return (exchange, content) -> {
      exchange.sendResponseHeaders(200, announced ? other.length : 0);
      exchange.getResponseBody().write(other);
    };
  }

  /** Sends so many bytes, and then nothing. */
  Fault hang(int after) {
    return (exchange, content) -> {
      if (after >= 0) {
        exchange.sendResponseHeaders(200, content.length);
        exchange.getResponseBody().write(content, 0, after);
        exchange.getResponseBody().flush();
      }
      try {
        closing.await(20, TimeUnit.SECONDS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    };
  }

  @Override
  public void close() {
    closing.countDown();
    server.stop(0);
    threads.shutdownNow();
  }
}
