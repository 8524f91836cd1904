package io.autocircuit.hub;

import io.autocircuit.files.DataException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One file into the cache: goes on where an earlier try ended, and ends when size and hash are
 * right.
 *
 * @param client asks the hub
 * @param id of which model
 * @param commit at which commit
 * @param file which file
 * @param progress hears of it
 */
record HubDownload(HubClient client, HubId id, String commit, HubFile file, HubProgress progress) {
  private static final Pattern RANGE =
      Pattern.compile("bytes (\\d{1,18})-\\d{1,18}/(\\d{1,18}|\\*)");
  private static final int OK = 200;
  private static final int PARTIAL = 206;
  private static final int NO_SUCH_RANGE = 416;

  /** So many new bytes, and earlier failures count no more. */
  private static final long GOES_ON = 1 << 20;

  /**
   * Receives the file.
   *
   * @param path holds what has been received; all of it at the end
   * @throws HubException if the hub does not give it, or something else under its name
   * @throws IOException if it cannot be written
   */
  void into(Path path) throws HubException, IOException {
    try (HubPartial partial = HubPartial.open(file, path)) {
      boolean begunAnew = false;
      int failures = 0;
      while (true) {
        long before = partial.received();
        try {
          if (before < file.size() || file.size() == 0) {
            receive(partial);
          }
          if (partial.isRight()) {
            return;
          }
          partial.reset();
          if (begunAnew) {
            throw lies("its hash is another than the hub says (" + file.hash() + ")");
          }
          begunAnew = true; // what an earlier process left may have been damaged
        } catch (HubException e) {
          failures = partial.received() - before >= GOES_ON ? 1 : failures + 1;
          client.pause(id, e, failures);
        }
      }
    }
  }

  /** One request. */
  private void receive(HubPartial partial) throws HubException, IOException {
    URI address = client.resolve(id, commit, file.name());
    HttpResponse<HubBody> answer = client.send(id, "GET", address, partial.received()).response();
    try (HubBody body = answer.body()) {
      if (answer.statusCode() == NO_SUCH_RANGE) {
        partial.reset();
        throw HubException.passing(
            "model=" + id + ": " + file.name() + " cannot be resumed; try again",
            Optional.empty(),
            null);
      }
      if (answer.statusCode() != OK && answer.statusCode() != PARTIAL) {
        throw client.errors().of(id, Optional.of(file.name()), answer);
      }
      place(partial, answer);
      progress.update(file.name(), partial.received(), file.size());
      while (true) {
        Optional<List<ByteBuffer>> more = more(address, body);
        if (more.isEmpty()) {
          break;
        }
        for (ByteBuffer bytes : more.get()) {
          if (!partial.add(bytes)) {
            partial.reset();
            throw lies("it is longer than the hub says (" + file.size() + " bytes)");
          }
        }
        progress.update(file.name(), partial.received(), file.size());
      }
    }
    if (partial.received() < file.size()) {
      throw client
          .errors()
          .of(
              id,
              address,
              new IOException(
                  "after "
                      + partial.received()
                      + " of "
                      + file.size()
                      + " bytes of "
                      + file.name()));
    }
  }

  private Optional<List<ByteBuffer>> more(URI address, HubBody body) throws HubException {
    try {
      return body.next();
    } catch (IOException e) {
      throw client.errors().of(id, address, e);
    }
  }

  /** Begins anew, or goes on, as the answer says; its size must be the one that is known. */
  private void place(HubPartial partial, HttpResponse<HubBody> answer)
      throws HubException, IOException {
    OptionalLong length = answer.headers().firstValueAsLong("Content-Length");
    if (answer.statusCode() == OK) {
      partial.reset();
      if (length.isPresent() && length.getAsLong() != file.size()) {
        throw wrongSize(length.getAsLong());
      }
      return;
    }
    Matcher range = RANGE.matcher(answer.headers().firstValue("Content-Range").orElse(""));
    if (!range.matches() || Long.parseLong(range.group(1)) != partial.received()) {
      partial.reset();
      throw HubException.passing(
          "model=" + id + ": the server sends another part of " + file.name() + "; try again",
          Optional.empty(),
          null);
    }
    if (!range.group(2).equals("*") && Long.parseLong(range.group(2)) != file.size()) {
      throw wrongSize(Long.parseLong(range.group(2)));
    }
  }

  private HubException wrongSize(long size) {
    return lies("it has " + size + " bytes where the hub says " + file.size());
  }

  private HubException lies(String how) {
    return HubException.lasting(
        "model="
            + id
            + ": what is received as file="
            + DataException.quote(file.name())
            + " is not that file: "
            + how
            + "; nothing of it is kept: try again, or without the proxy or the HF_ENDPOINT between");
  }
}
