package io.autocircuit.hub;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;

/** The part of a file that has been received, with the hash of it so far. */
final class HubPartial implements Closeable {
  private static final int BLOCK = 1 << 18;

  private final HubFile file;
  private final FileChannel channel;
  private MessageDigest digest;
  private long received;

  private HubPartial(HubFile file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
    this.digest = file.hash().begin(file.size());
  }

  /**
   * Goes on with what is there.
   *
   * @param path made if it does not exist
   */
  static HubPartial open(HubFile file, Path path) throws IOException {
    FileChannel channel =
        FileChannel.open(
            path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    HubPartial partial = new HubPartial(file, channel);
    boolean opened = false;
    try {
      partial.read();
      opened = true;
      return partial;
    } finally {
      if (!opened) {
        channel.close();
      }
    }
  }

  private void read() throws IOException {
    if (channel.size() > file.size()) {
      reset();
      return;
    }
    ByteBuffer block = ByteBuffer.allocate(BLOCK);
    for (int n = channel.read(block); n >= 0; n = channel.read(block)) {
      block.flip();
      digest.update(block);
      block.clear();
      received += n;
    }
  }

  /** Bytes that are there. */
  long received() {
    return received;
  }

  /** Begins anew. */
  void reset() throws IOException {
    channel.truncate(0);
    channel.position(0);
    digest = file.hash().begin(file.size());
    received = 0;
  }

  /**
   * Adds what was received.
   *
   * @return false if it is more than the file has, of which nothing is written
   */
  boolean add(ByteBuffer bytes) throws IOException {
    if (bytes.remaining() > file.size() - received) {
      return false;
    }
    digest.update(bytes.duplicate());
    received += bytes.remaining();
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
    return true;
  }

  /**
   * Whether the whole file is there with its hash; if so it is on the disk. Asked once, when all
   * has been received.
   */
  boolean isRight() throws IOException {
    boolean right = HubHash.of(digest).equals(file.hash());
    if (right) {
      channel.force(true);
    }
    return right;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
