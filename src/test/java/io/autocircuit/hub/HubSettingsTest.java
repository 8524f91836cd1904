package io.autocircuit.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HubSettingsTest {
  @TempDir Path folder;

  private static Path cache(String... variables) {
    return HubSettings.of(map(variables)).cache();
  }

  private static Map<String, String> map(String... variables) {
    Map<String, String> map = new java.util.HashMap<>();
    for (int i = 0; i < variables.length; i += 2) {
      map.put(variables[i], variables[i + 1]);
    }
    return map;
  }

  private static String refused(String... variables) {
    return assertThrows(DataException.class, () -> HubSettings.of(map(variables))).getMessage();
  }

  @Test
  void whereTheCacheIs() {
    assertEquals(Path.of("/h/.cache/huggingface/hub"), cache("HOME", "/h"));
    assertEquals(Path.of("/x/huggingface/hub"), cache("HOME", "/h", "XDG_CACHE_HOME", "/x"));
    assertEquals(Path.of("/y/hub"), cache("HOME", "/h", "XDG_CACHE_HOME", "/x", "HF_HOME", "/y"));
    assertEquals(Path.of("/z"), cache("HF_HOME", "/y", "HF_HUB_CACHE", "/z"));
    assertEquals(Path.of("/old"), cache("HF_HOME", "/y", "HUGGINGFACE_HUB_CACHE", "/old"));
    assertEquals(Path.of("/y/hub"), cache("HF_HOME", "/y", "HF_HUB_CACHE", " "));
    assertEquals(Path.of("/h/a/hub"), cache("HOME", "/h", "HF_HOME", "~/a"));
    assertEquals(
        Path.of("/data/me/b"),
        cache("USER", "me", "DATA", "/data", "HF_HUB_CACHE", "$DATA/${USER}/b"));
    assertTrue(cache().isAbsolute(), "the user's");
  }

  @Test
  void whatIsUsual() {
    HubSettings usual = HubSettings.of(map("HOME", "/h"));
    assertEquals(URI.create("https://huggingface.co"), usual.endpoint());
    assertFalse(usual.offline());
    assertTrue(usual.links());
    assertEquals(Optional.empty(), usual.token());
    assertEquals(HubPatience.STANDARD, usual.patience());
    assertEquals(HubProxies.NONE, usual.proxies());
  }

  @ParameterizedTest
  @CsvSource({"1,true", "on,true", "YES,true", "True,true", "0,false", "no,false", "'',false"})
  void offline(String value, boolean expected) {
    assertEquals(expected, HubSettings.of(map("HF_HUB_OFFLINE", value)).offline());
    assertEquals(expected, HubSettings.of(map("TRANSFORMERS_OFFLINE", value)).offline());
    assertEquals(!expected, HubSettings.of(map("HF_HUB_DISABLE_SYMLINKS", value)).links());
  }

  @Test
  void endpoints() {
    assertEquals(
        URI.create("http://mirror.example:8080/hf"),
        HubSettings.of(map("HF_ENDPOINT", "http://mirror.example:8080/hf/")).endpoint());
    for (String bad : List.of("huggingface.co", "ftp://x", "https://", "http://u:p@x", "a b")) {
      assertTrue(
          refused("HF_ENDPOINT", bad).startsWith("HF_ENDPOINT=\"" + bad + "\" is no address"), bad);
    }
  }

  @Test
  void times() {
    HubPatience patience =
        HubSettings.of(map("HF_HUB_ETAG_TIMEOUT", "3", "HF_HUB_DOWNLOAD_TIMEOUT", "60")).patience();
    assertEquals(Duration.ofSeconds(3), patience.answer());
    assertEquals(Duration.ofSeconds(60), patience.stall());
    for (String bad : List.of("0", "soon", "-1", "1.5")) {
      assertTrue(refused("HF_HUB_ETAG_TIMEOUT", bad).contains("is no number of seconds"), bad);
    }
    assertEquals(
        List.of(1L, 2L, 4L, 8L),
        List.of(1, 2, 3, 4).stream().map(n -> HubPatience.STANDARD.after(n).toSeconds()).toList());
  }

  @Test
  void tokens() throws IOException {
    Path file = folder.resolve("token");
    Files.writeString(file, "hf_file\n");
    assertEquals(
        "hf_file",
        HubSettings.of(map("HF_HOME", folder.toString())).token().orElseThrow().secret());
    assertEquals(
        new HubSettings.Token("hf_env", "HF_TOKEN"),
        HubSettings.of(map("HF_HOME", folder.toString(), "HF_TOKEN", " hf_env\n"))
            .token()
            .orElseThrow());
    assertEquals(
        "hf_old",
        HubSettings.of(map("HUGGING_FACE_HUB_TOKEN", "hf_old")).token().orElseThrow().secret());
    Path other = folder.resolve("other");
    Files.writeString(other, "hf_other");
    assertEquals(
        "hf_other",
        HubSettings.of(map("HF_HOME", "/none", "HF_TOKEN_PATH", other.toString()))
            .token()
            .orElseThrow()
            .secret());
    assertEquals(
        Optional.empty(),
        HubSettings.of(map("HF_TOKEN", "hf_env", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")).token());
    Files.writeString(file, "");
    assertEquals(Optional.empty(), HubSettings.of(map("HF_HOME", folder.toString())).token());
  }

  @ParameterizedTest
  @ValueSource(strings = {"hf a", "hf\ta", "hfé", "a\r\nX-Evil: 1"})
  void tokensThatAreNone(String token) {
    String message = refused("HF_TOKEN", token);
    assertTrue(message.startsWith("HF_TOKEN holds no token"), message);
    assertFalse(message.contains(token), "it is a secret all the same");
  }

  @ParameterizedTest
  @CsvSource({
    "https://huggingface.co,           http://p1:3128",
    "http://mirror.example,            http://p2:80",
    "https://a.internal.example/x,     ",
    "https://internal.example,         ",
    "https://notinternal.example,      http://p1:3128",
    "https://b.example:8443,           ",
    "https://b.example,                http://p1:3128",
    "http://127.0.0.1:5,               "
  })
  void proxies(String address, String expected) {
    HubProxies proxies =
        HubSettings.of(
                map(
                    "HTTPS_PROXY",
                    "http://p1:3128",
                    "http_proxy",
                    "http://p2:80",
                    "HTTP_PROXY",
                    "http://not.this",
                    "NO_PROXY",
                    "Internal.example, b.example:8443 127.0.0.1,,"))
            .proxies();
    assertEquals(Optional.ofNullable(expected), proxies.of(URI.create(address)).map(URI::toString));
  }

  @Test
  void oddProxies() {
    HubProxies all = HubSettings.of(map("ALL_PROXY", "p:1")).proxies();
    assertEquals(
        List.of(new Proxy(Proxy.Type.HTTP, InetSocketAddress.createUnresolved("p", 1)).toString()),
        all.selector().select(URI.create("https://x")).stream()
            .map(p -> p.toString().replaceFirst("@ .*p.*:1", "@ p/<unresolved>:1"))
            .toList());
    HubProxies none = HubSettings.of(map("ALL_PROXY", "p:1", "no_proxy", "*")).proxies();
    assertEquals(List.of(Proxy.NO_PROXY), none.selector().select(URI.create("https://x")));
    String message = refused("HTTPS_PROXY", "socks5://user:secret@p:1");
    assertTrue(message.startsWith("HTTPS_PROXY names no proxy that can be used here"), message);
    assertFalse(message.contains("secret"), message);
    HubProxies secret = HubSettings.of(map("HTTPS_PROXY", "http://u:secret@p:1")).proxies();
    assertFalse(secret.toString().contains("secret"), secret.toString());
    assertEquals("Basic dTpzZWNyZXQ=", secret.login(URI.create("https://x")).orElseThrow());
    assertTrue(secret.login(URI.create("http://x")).isEmpty());
    assertTrue(all.login(URI.create("https://x")).isEmpty());
  }
}
