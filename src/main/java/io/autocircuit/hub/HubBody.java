package io.autocircuit.hub;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * The body of an answer, read piece by piece, with a limit to the wait for each: the client's own
 * limit ends with the headers.
 */
final class HubBody implements HttpResponse.BodySubscriber<HubBody>, AutoCloseable {
  /** What can be waited for. */
  private record Piece(List<ByteBuffer> bytes, boolean end, Optional<Throwable> failure) {}

  private final BlockingQueue<Piece> pieces = new LinkedBlockingQueue<>();
  private final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();
  private final Duration stall;

  HubBody(Duration stall) {
    this.stall = stall;
  }

  @Override
  public CompletionStage<HubBody> getBody() {
    return CompletableFuture.completedFuture(this);
  }

  @Override
  public void onSubscribe(Flow.Subscription given) {
    subscription.complete(given);
    given.request(1);
  }

  @Override
  public void onNext(List<ByteBuffer> bytes) {
    pieces.add(new Piece(bytes, false, Optional.empty()));
  }

  @Override
  public void onError(Throwable failure) {
    pieces.add(new Piece(List.of(), true, Optional.of(failure)));
  }

  @Override
  public void onComplete() {
    pieces.add(new Piece(List.of(), true, Optional.empty()));
  }

  /**
   * Waits for more.
   *
   * @return empty at the end
   * @throws IOException if the connection ends before, or nothing comes for too long
   */
  Optional<List<ByteBuffer>> next() throws IOException {
    Piece piece;
    try {
      piece = pieces.poll(stall.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while a file was received");
    }
    if (piece == null) {
      throw new HttpTimeoutException("nothing was received for " + HubErrors.seconds(stall) + " s");
    }
    if (piece.end()) {
      pieces.add(piece); // whoever asks again is told the same
    }
    if (piece.failure().isPresent()) {
      throw new IOException(
          String.valueOf(piece.failure().get().getMessage()), piece.failure().get());
    }
    if (piece.end()) {
      return Optional.empty();
    }
    subscription.join().request(1);
    return Optional.of(piece.bytes());
  }

  /**
   * All of it.
   *
   * @param most the most bytes that are kept; what follows is not read
   */
  String text(int most) throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (Optional<List<ByteBuffer>> more = next();
        more.isPresent() && all.size() < most;
        more = next()) {
      for (ByteBuffer buffer : more.get()) {
        byte[] bytes = new byte[Math.min(buffer.remaining(), most - all.size())];
        buffer.get(bytes);
        all.writeBytes(bytes);
      }
    }
    return all.toString(StandardCharsets.UTF_8);
  }

  /** Reads no more. */
  @Override
  public void close() {
    CompletableFuture<Void> unused = subscription.thenAccept(Flow.Subscription::cancel);
  }
}
