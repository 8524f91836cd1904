package io.autocircuit.hub;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpHeaders;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Optional;
import javax.net.ssl.SSLException;

/**
 * Says what is wrong where a server does not give what it is asked for, and what to do.
 *
 * @param settings how the hub is reached
 */
record HubErrors(HubSettings settings) {
  private static final int UNAUTHORIZED = 401;
  private static final int FORBIDDEN = 403;
  private static final int NOT_FOUND = 404;
  private static final int PROXY_AUTHENTICATION = 407;
  private static final int REQUEST_TIMEOUT = 408;
  private static final int TOO_MANY = 429;
  private static final int SERVER = 500;
  private static final int LONGEST_BODY = 1 << 16;
  private static final int LONGEST_WORD = 200;

  /**
   * What an answer that is no success means.
   *
   * @param what the file, or empty where the list of files was asked for
   */
  HubException of(HubId id, Optional<String> what, HttpResponse<HubBody> answer) {
    int status = answer.statusCode();
    String said = said(answer);
    String code = answer.headers().firstValue("X-Error-Code").orElse("");
    String words = said.isEmpty() ? "" : " (it says " + DataException.quote(said) + ")";
    String lower = said.toLowerCase(Locale.ROOT);
    if (code.equals("GatedRepo") || lower.contains("gated repo")) {
      return HubException.lasting(gated(id) + words);
    }
    if (code.equals("RevisionNotFound")) {
      return HubException.lasting(
          "model="
              + id.name()
              + " has no revision="
              + DataException.quote(id.revision())
              + "; its branches and tags are at "
              + page(id)
              + "/tree/main");
    }
    if (status == UNAUTHORIZED && lower.contains("credential")) {
      return HubException.lasting(notAccepted(id) + words);
    }
    if (what.isPresent() && status == NOT_FOUND) {
      return HubException.lasting(
          "model=" + id + ": file=" + DataException.quote(what.get()) + " is not there" + words);
    }
    if (status == TOO_MANY || status == REQUEST_TIMEOUT || status >= SERVER) {
      return busy(id, status, words, answer.headers());
    }
    return switch (status) {
      case NOT_FOUND, UNAUTHORIZED -> HubException.lasting(notThere(id) + words);
      case FORBIDDEN -> HubException.lasting(forbidden(id) + words);
      case PROXY_AUTHENTICATION -> proxy();
      default ->
          HubException.lasting(
              "model="
                  + id
                  + ": the server answers HTTP "
                  + status
                  + words
                  + "; is HF_ENDPOINT="
                  + settings.endpoint()
                  + " the address of a Hugging Face hub?");
    };
  }

  private String page(HubId id) {
    return settings.endpoint() + "/" + id.name();
  }

  /** The token, where the hub gets it. */
  private Optional<HubSettings.Token> sent() {
    return settings.token().filter(t -> HubClient.maySend(settings.endpoint()));
  }

  /**
   * That the token is withheld.
   *
   * @param usual what is said where it is not
   */
  private String unsent(String usual) {
    return settings.token().isPresent() && sent().isEmpty()
        ? "; the " + settings.token().get() + " is not sent over http: give an https HF_ENDPOINT"
        : usual;
  }

  private String gated(HubId id) {
    return "model="
        + id
        + " is gated: its owner asks for an agreement; open "
        + page(id)
        + " in a browser, log in, accept what is asked there"
        + sent()
            .map(t -> ", and see that the " + t + " is of that account and may read gated models")
            .orElse(
                unsent(
                    ", and set HF_TOKEN to a token of that account ("
                        + settings.endpoint()
                        + "/settings/tokens)"));
  }

  private String notAccepted(HubId id) {
    return "model="
        + id
        + ": the server does not accept the "
        + sent().map(Object::toString).orElse("request without a token")
        + unsent("; make another one at " + settings.endpoint() + "/settings/tokens, or unset it");
  }

  private String notThere(HubId id) {
    return "model="
        + id
        + " is not at "
        + settings.endpoint()
        + ", or not for everybody: check the name (and that of a directory, if you meant one)"
        + sent()
            .map(t -> ", and that the " + t + " may read it")
            .orElse(unsent("; for a private model set HF_TOKEN"));
  }

  private String forbidden(HubId id) {
    return "model="
        + id
        + " may not be read"
        + sent().map(t -> " with the " + t).orElse(" without a token" + unsent(""))
        + "; see "
        + page(id)
        + " for who may";
  }

  private HubException busy(HubId id, int status, String words, HttpHeaders headers) {
    Optional<Duration> wait = headers.firstValue("Retry-After").flatMap(HubErrors::wait);
    return HubException.passing(
        "model="
            + id
            + ": the server answers HTTP "
            + status
            + (status == TOO_MANY ? ", too many requests" : "")
            + words
            + wait.map(w -> "; it asks to wait " + seconds(w) + " s").orElse("")
            + "; try again later"
            + (status == TOO_MANY && settings.token().isEmpty()
                ? ", or with HF_TOKEN, which may ask more often"
                : ""),
        wait,
        null);
  }

  /** What the server says in words. */
  private static String said(HttpResponse<HubBody> answer) {
    String header = answer.headers().firstValue("X-Error-Message").orElse("");
    try (HubBody body = answer.body()) {
      if (!header.isBlank()) {
        return DataException.printable(header.strip(), LONGEST_WORD);
      }
      JsonNode said = JsonFiles.parse(body.text(LONGEST_BODY), "answer").path("error");
      return said.isTextual() ? DataException.printable(said.asText(), LONGEST_WORD) : "";
    } catch (IOException | DataException e) {
      return ""; // a page for browsers, or nothing
    }
  }

  /** What a header says: seconds, or a time. */
  private static Optional<Duration> wait(String text) {
    if (text.strip().matches("[0-9]{1,9}")) {
      return Optional.of(Duration.ofSeconds(Long.parseLong(text.strip())));
    }
    try {
      Duration left =
          Duration.between(
              Instant.now(),
              ZonedDateTime.parse(text.strip(), DateTimeFormatter.RFC_1123_DATE_TIME));
      return Optional.of(left.isNegative() ? Duration.ZERO : left);
    } catch (DateTimeException e) {
      return Optional.empty();
    }
  }

  /** What is wrong with a connection. */
  HubException of(HubId id, URI address, IOException e) {
    String chain = chain(e);
    if (chain.contains("got: 407")) {
      return proxy();
    }
    String server = address.getHost();
    String why;
    if (e instanceof HttpConnectTimeoutException) {
      why = server + " cannot be reached within " + seconds(settings.patience().answer()) + " s";
    } else if (e instanceof HttpTimeoutException timeout) {
      why =
          String.valueOf(timeout.getMessage()).startsWith("nothing")
              ? server + ": " + timeout.getMessage()
              : server + " does not answer within " + seconds(settings.patience().answer()) + " s";
    } else if (chain.contains(UnresolvedAddressException.class.getSimpleName())
        || chain.contains("UnknownHostException")) {
      why = server + " is not known (is there a network?)";
    } else if (e instanceof ConnectException) {
      why = server + " cannot be reached";
    } else if (e instanceof SSLException) {
      return HubException.lasting(
          "model="
              + id
              + ": the connection to "
              + server
              + " is not secure ("
              + DataException.printable(String.valueOf(e.getMessage()), LONGEST_WORD)
              + "); where a proxy looks into connections, give its certificate to Java with"
              + " -Djavax.net.ssl.trustStore",
          e);
    } else {
      why =
          "the connection to "
              + server
              + " broke ("
              + DataException.printable(String.valueOf(e.getMessage()), LONGEST_WORD)
              + ")";
    }
    return HubException.passing(
        "model="
            + id
            + ": "
            + why
            + "; try again (what has been received is kept), name a proxy in HTTPS_PROXY, or give a"
            + " directory",
        Optional.empty(),
        e);
  }

  /** Seconds, with a part of them only where there are few. */
  static String seconds(Duration time) {
    return BigDecimal.valueOf(time.toMillis(), 3).stripTrailingZeros().toPlainString();
  }

  private static String chain(Throwable e) {
    StringBuilder all = new StringBuilder();
    Throwable cause = e;
    for (int i = 0; i < 8 && cause != null; i++) {
      all.append(cause.getClass().getSimpleName())
          .append(' ')
          .append(cause.getMessage())
          .append(' ');
      cause = cause.getCause();
    }
    return all.toString();
  }

  private static HubException proxy() {
    return HubException.lasting(
        "the proxy wants a user and a password; give them in HTTPS_PROXY=http://USER:PASSWORD@HOST:"
            + "PORT, and to Java -Djdk.http.auth.tunneling.disabledSchemes= (it sends them to no"
            + " proxy of https otherwise)");
  }
}
