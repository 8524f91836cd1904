package io.autocircuit.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/**
 * A headless Chromium driven over its DevTools protocol. It records what the console says, what
 * fails, and every request that leaves for anything but {@code file:}, {@code data:} and {@code
 * blob:}.
 */
final class Browser implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long TIMEOUT_SECONDS = 60;

  private final Process process;
  private final Path profile;
  private final WebSocket socket;
  private final AtomicInteger ids = new AtomicInteger();
  private final Map<Integer, CompletableFuture<JsonNode>> answers = new ConcurrentHashMap<>();
  private final List<String> console = new CopyOnWriteArrayList<>();
  private final List<String> requests = new CopyOnWriteArrayList<>();
  private final String session;

  /** The browser's executable, if this machine has one. */
  static Optional<Path> find() {
    List<String> names = List.of("chromium", "chromium-browser", "google-chrome", "chrome");
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    return Stream.of(path.split(java.io.File.pathSeparator))
        .filter(folder -> !folder.isEmpty())
        .flatMap(folder -> names.stream().map(name -> Path.of(folder, name)))
        .filter(Files::isExecutable)
        .findFirst();
  }

  Browser(Path executable, Path downloads) throws Exception {
    profile = Files.createTempDirectory("report-browser");
    List<String> command = new ArrayList<>(List.of(executable.toString(), "--headless"));
    command.addAll(
        List.of(
            "--no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars"
                .split(" ")));
    command.addAll(
        List.of(
            "--disable-background-networking --disable-component-update --disable-sync"
                .split(" ")));
    command.addAll(List.of("--remote-debugging-port=0", "--user-data-dir=" + profile));
    command.add("about:blank");
    process = new ProcessBuilder(command).redirectErrorStream(true).start();
    try {
      socket =
          HttpClient.newHttpClient()
              .newWebSocketBuilder()
              .buildAsync(URI.create(endpoint()), new Listener())
              .get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
      JsonNode targets = call(null, "Target.getTargets", JSON.createObjectNode());
      String target = null;
      for (JsonNode info : targets.get("targetInfos")) {
        if (info.get("type").asText().equals("page")) {
          target = info.get("targetId").asText();
        }
      }
      ObjectNode attach = JSON.createObjectNode().put("targetId", target).put("flatten", true);
      session = call(null, "Target.attachToTarget", attach).get("sessionId").asText();
      for (String domain : List.of("Page", "Runtime", "Log", "Network")) {
        call(domain + ".enable", JSON.createObjectNode());
      }
      call(
          null,
          "Browser.setDownloadBehavior",
          JSON.createObjectNode()
              .put("behavior", "allow")
              .put("downloadPath", downloads.toString()));
    } catch (Exception | Error e) {
      stop();
      throw e;
    }
  }

  /** Sets the window's size and colour scheme for the pages to come. */
  void screen(int width, int height, boolean dark) {
    call(
        "Emulation.setDeviceMetricsOverride",
        JSON.createObjectNode()
            .put("width", width)
            .put("height", height)
            .put("deviceScaleFactor", 1)
            .put("mobile", width < 640));
    ObjectNode media = JSON.createObjectNode();
    media
        .putArray("features")
        .addObject()
        .put("name", "prefers-color-scheme")
        .put("value", dark ? "dark" : "light");
    call("Emulation.setEmulatedMedia", media);
  }

  /** Opens an address afresh, forgetting what was recorded, and waits until a condition holds. */
  void open(String address, String ready) throws InterruptedException {
    call("Page.navigate", JSON.createObjectNode().put("url", "about:blank"));
    await("location.href === 'about:blank'");
    console.clear();
    requests.clear();
    call("Page.navigate", JSON.createObjectNode().put("url", address));
    await(ready);
  }

  /** Waits until a JavaScript expression is true. */
  void await(String condition) throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(TIMEOUT_SECONDS);
    while (!evaluate(condition).asBoolean()) {
      if (System.nanoTime() > end) {
        throw new AssertionError(
            "never true: " + condition + "; console=" + console + " requests=" + requests);
      }
      Thread.sleep(20);
    }
  }

  /** The value of a JavaScript expression; a promise is waited for. */
  JsonNode evaluate(String expression) {
    JsonNode answer =
        call(
            "Runtime.evaluate",
            JSON.createObjectNode()
                .put("expression", expression)
                .put("returnByValue", true)
                .put("awaitPromise", true));
    if (answer.has("exceptionDetails")) {
      throw new AssertionError(expression + " failed: " + answer.get("exceptionDetails"));
    }
    return answer.get("result").path("value");
  }

  /** Presses and releases a key in the focused element. */
  void key(String key, int code) {
    for (String type : List.of("keyDown", "keyUp")) {
      call(
          "Input.dispatchKeyEvent",
          JSON.createObjectNode()
              .put("type", type)
              .put("key", key)
              .put("code", key)
              .put("windowsVirtualKeyCode", code));
    }
  }

  /** Moves the mouse over a point of the window. */
  void hover(double x, double y) {
    call(
        "Input.dispatchMouseEvent",
        JSON.createObjectNode().put("type", "mouseMoved").put("x", x).put("y", y));
  }

  /** A PNG of the top {@code height} pixels of the page. */
  byte[] screenshot(int width, int height) {
    ObjectNode options = JSON.createObjectNode().put("captureBeyondViewport", true);
    options
        .putObject("clip")
        .put("x", 0)
        .put("y", 0)
        .put("width", width)
        .put("height", height)
        .put("scale", 1);
    return Base64.getDecoder().decode(call("Page.captureScreenshot", options).get("data").asText());
  }

  /** Console messages of level warning or error, exceptions and browser log entries. */
  List<String> console() {
    return List.copyOf(console);
  }

  /** Addresses of requests for something outside this machine's files. */
  List<String> requests() {
    return List.copyOf(requests);
  }

  @Override
  public void close() throws IOException {
    socket.abort();
    stop();
  }

  private void stop() throws IOException {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
    try {
      process.waitFor(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    List<Path> files;
    try (Stream<Path> tree = Files.walk(profile)) {
      files = tree.sorted(Comparator.reverseOrder()).toList();
    } catch (java.io.UncheckedIOException e) {
      // A helper process may still be deleting its own files.
      return;
    }
    for (Path file : files) {
      try {
        Files.deleteIfExists(file);
      } catch (java.nio.file.DirectoryNotEmptyException e) {
        return;
      }
    }
  }

  private String endpoint() throws Exception {
    BufferedReader output = process.inputReader(StandardCharsets.UTF_8);
    CompletableFuture<String> found = new CompletableFuture<>();
    Thread reader =
        new Thread(
            () -> {
              StringBuilder seen = new StringBuilder();
              try {
                for (String line = output.readLine(); line != null; line = output.readLine()) {
                  seen.append(line).append('\n');
                  int at = line.indexOf("ws://");
                  if (at >= 0) {
                    found.complete(line.substring(at).trim());
                  }
                }
              } catch (IOException e) {
                seen.append(e);
              }
              found.completeExceptionally(new IllegalStateException("browser ended: " + seen));
            });
    reader.setDaemon(true);
    reader.start();
    return found.get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
  }

  private JsonNode call(String method, ObjectNode params) {
    return call(session, method, params);
  }

  private JsonNode call(String inSession, String method, ObjectNode params) {
    int id = ids.incrementAndGet();
    ObjectNode message = JSON.createObjectNode().put("id", id).put("method", method);
    message.set("params", params);
    if (inSession != null) {
      message.put("sessionId", inSession);
    }
    CompletableFuture<JsonNode> answer = new CompletableFuture<>();
    answers.put(id, answer);
    try {
      socket.sendText(message.toString(), true).get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
      JsonNode reply = answer.get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
      if (reply.has("error")) {
        throw new AssertionError(method + " failed: " + reply.get("error"));
      }
      return reply.get("result");
    } catch (Exception e) {
      throw new AssertionError(method + " got no answer", e);
    }
  }

  private void handle(JsonNode message) {
    JsonNode params = message.path("params");
    switch (message.path("method").asText()) {
      case "Runtime.exceptionThrown" -> console.add(params.get("exceptionDetails").toString());
      case "Runtime.consoleAPICalled" -> {
        if (List.of("error", "warning", "assert").contains(params.get("type").asText())) {
          console.add(params.get("args").toString());
        }
      }
      case "Log.entryAdded" -> console.add(params.get("entry").toString());
      case "Network.requestWillBeSent" -> {
        String url = params.at("/request/url").asText();
        if (!url.startsWith("file:") && !url.startsWith("data:") && !url.startsWith("blob:")) {
          requests.add(url);
        }
      }
      default -> {
        if (message.has("id")) {
          CompletableFuture<JsonNode> answer = answers.remove(message.get("id").asInt());
          if (answer != null) {
            answer.complete(message);
          }
        }
      }
    }
  }

  private final class Listener implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();

    @Override
    public CompletionStage<?> onText(WebSocket webSocket, CharSequence data, boolean last) {
      text.append(data);
      if (last) {
        try {
          handle(JSON.readTree(text.toString()));
        } catch (IOException e) {
          console.add("unreadable message: " + e);
        }
        text.setLength(0);
      }
      webSocket.request(1);
      return null;
    }
  }
}
