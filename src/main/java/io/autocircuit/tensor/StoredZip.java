package io.autocircuit.tensor;

import io.autocircuit.files.DataException;
import io.autocircuit.tensor.Safetensors.Shard;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The directory of a ZIP archive whose entries are stored as they are. Compressed, encrypted,
 * repeated and overlapping entries are refused, so that an archive never holds more than its bytes.
 * Format: PKWARE's APPNOTE.TXT, with the 64-bit records.
 */
final class StoredZip {
  private static final int END = 0x06054b50;
  private static final int END_BYTES = 22;
  private static final int END64 = 0x06064b50;
  private static final int LOCATOR64 = 0x07064b50;
  private static final int ENTRY = 0x02014b50;
  private static final int ENTRY_BYTES = 46;
  private static final int LOCAL = 0x04034b50;
  private static final int LOCAL_BYTES = 30;
  private static final int LONGEST_COMMENT = 0xFFFF;
  private static final long LARGEST_DIRECTORY = 100_000_000;
  private static final long SATURATED = 0xFFFFFFFFL;
  private static final int LONGEST_NAME = 1000;

  /**
   * Where the bytes of an entry lie.
   *
   * @param begin from the start of the file
   * @param size in bytes
   * @param crc their CRC-32
   */
  record Stored(long begin, long size, long crc) {}

  /** What the directory says of an entry. */
  private record Listed(String name, byte[] raw, long local, long size, long crc) {}

  private final Shard shard;
  private final long size;

  private StoredZip(Shard shard) throws IOException {
    this.shard = shard;
    this.size = shard.channel().size();
  }

  /**
   * Reads the directory.
   *
   * @return the entries by name, in the order of the directory
   * @throws DataException if anything is wrong with it
   */
  static Map<String, Stored> read(Shard shard) throws IOException {
    return new StoredZip(shard).read();
  }

  private Map<String, Stored> read() throws IOException {
    long end = end();
    ByteBuffer record = bytes(end, END_BYTES);
    long count = record.getShort(10) & 0xFFFF;
    long length = record.getInt(12) & SATURATED;
    long begin = record.getInt(16) & SATURATED;
    long limit = end;
    if (count == 0xFFFF || length == SATURATED || begin == SATURATED) {
      ByteBuffer locator = bytes(end - 20, 20);
      if (locator.getInt(0) != LOCATOR64) {
        throw wrong("the 64-bit end of the directory is missing");
      }
      limit = locator.getLong(8);
      ByteBuffer end64 = bytes(limit, 56);
      if (end64.getInt(0) != END64) {
        throw wrong("the 64-bit end of the directory is not where it should be");
      }
      count = end64.getLong(32);
      length = end64.getLong(40);
      begin = end64.getLong(48);
    }
    if (length < 0 || begin < 0 || length > LARGEST_DIRECTORY || begin > limit - length) {
      throw wrong("the directory (offset=" + begin + ", bytes=" + length + ") does not fit");
    }
    if (count < 0 || count > length / ENTRY_BYTES) {
      throw wrong("entries=" + count + " do not fit in a directory of bytes=" + length);
    }
    return placed(listed(bytes(begin, (int) length), (int) count), begin);
  }

  /** Where the end of the directory is. */
  private long end() throws IOException {
    int looked = (int) Math.min(size, END_BYTES + LONGEST_COMMENT);
    ByteBuffer tail = bytes(size - looked, looked);
    for (int at = looked - END_BYTES; at >= 0; at--) {
      if (tail.getInt(at) == END && at + END_BYTES + (tail.getShort(at + 20) & 0xFFFF) == looked) {
        return size - looked + at;
      }
    }
    throw wrong("it has no directory at its end (truncated file?)");
  }

  private List<Listed> listed(ByteBuffer directory, int count) {
    List<Listed> entries = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      int at = directory.position();
      if (directory.remaining() < ENTRY_BYTES || directory.getInt(at) != ENTRY) {
        throw wrong("entry " + i + " of the directory is damaged");
      }
      int flags = directory.getShort(at + 8) & 0xFFFF;
      int method = directory.getShort(at + 10) & 0xFFFF;
      long crc = directory.getInt(at + 16) & SATURATED;
      long packed = directory.getInt(at + 20) & SATURATED;
      long plain = directory.getInt(at + 24) & SATURATED;
      int nameLength = directory.getShort(at + 28) & 0xFFFF;
      int extraLength = directory.getShort(at + 30) & 0xFFFF;
      int commentLength = directory.getShort(at + 32) & 0xFFFF;
      long local = directory.getInt(at + 42) & SATURATED;
      if (directory.remaining() - ENTRY_BYTES < nameLength + extraLength + commentLength) {
        throw wrong("entry " + i + " of the directory is cut off");
      }
      byte[] raw = new byte[nameLength];
      directory.position(at + ENTRY_BYTES).get(raw);
      String name = new String(raw, StandardCharsets.UTF_8);
      if (nameLength == 0 || nameLength > LONGEST_NAME) {
        throw wrong("entry " + i + " has a name of bytes=" + nameLength);
      }
      ByteBuffer extra = directory.slice().limit(extraLength).order(ByteOrder.LITTLE_ENDIAN);
      directory.position(at + ENTRY_BYTES + nameLength + extraLength + commentLength);
      ByteBuffer wide = wide(extra);
      plain = plain == SATURATED ? next(wide, name) : plain;
      packed = packed == SATURATED ? next(wide, name) : packed;
      local = local == SATURATED ? next(wide, name) : local;
      if ((flags & 1) != 0) {
        throw wrong("entry=" + DataException.quote(name) + " is encrypted");
      }
      if (method != 0 || packed != plain) {
        throw wrong(
            "entry="
                + DataException.quote(name)
                + " is compressed (method="
                + method
                + "), which torch.save never does");
      }
      entries.add(new Listed(name, raw, local, plain, crc));
    }
    if (directory.hasRemaining()) {
      throw wrong("the directory holds more than entries=" + count);
    }
    return entries;
  }

  /** The 64-bit numbers among the additional fields. */
  private static ByteBuffer wide(ByteBuffer extra) {
    while (extra.remaining() >= 4) {
      int id = extra.getShort() & 0xFFFF;
      int length = extra.getShort() & 0xFFFF;
      if (length > extra.remaining()) {
        break;
      }
      if (id == 1) {
        return extra.limit(extra.position() + length);
      }
      extra.position(extra.position() + length);
    }
    return extra.limit(extra.position());
  }

  private long next(ByteBuffer wide, String name) {
    if (wide.remaining() < 8) {
      throw wrong("entry=" + DataException.quote(name) + " lacks its 64-bit sizes");
    }
    return wide.getLong();
  }

  /** Finds the bytes of each entry, none of which may be in two. */
  private Map<String, Stored> placed(List<Listed> entries, long limit) throws IOException {
    Map<String, Stored> placed = new LinkedHashMap<>();
    for (Listed entry : entries) {
      String name = DataException.quote(entry.name());
      if (entry.local() < 0 || entry.local() > limit - LOCAL_BYTES) {
        throw wrong("entry=" + name + " lies outside the file, offset=" + entry.local());
      }
      ByteBuffer header = bytes(entry.local(), LOCAL_BYTES);
      int nameLength = header.getShort(26) & 0xFFFF;
      if (header.getInt(0) != LOCAL || nameLength != entry.raw().length) {
        throw wrong("entry=" + name + " is not where the directory says");
      }
      long nameAt = entry.local() + LOCAL_BYTES;
      if (!bytes(nameAt, nameLength).equals(ByteBuffer.wrap(entry.raw()))) {
        throw wrong("entry=" + name + " has another name in the directory");
      }
      long begin = nameAt + nameLength + (header.getShort(28) & 0xFFFF);
      if (entry.size() < 0 || begin > limit || entry.size() > limit - begin) {
        throw wrong(
            "entry=" + name + " with bytes=" + entry.size() + " reaches beyond the file's data");
      }
      if (placed.put(entry.name(), new Stored(begin, entry.size(), entry.crc())) != null) {
        throw wrong("entry=" + name + " is there twice");
      }
    }
    entries.sort(Comparator.comparingLong(Listed::local));
    for (int i = 1; i < entries.size(); i++) {
      Stored before = placed.get(entries.get(i - 1).name());
      if (before.begin() + before.size() > entries.get(i).local()) {
        throw wrong(
            "entry=" + DataException.quote(entries.get(i).name()) + " overlaps the one before");
      }
    }
    return placed;
  }

  private ByteBuffer bytes(long from, int length) throws IOException {
    if (from < 0 || from > size - length) {
      throw wrong("it ends too early (truncated file?)");
    }
    ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    SafetensorsElements.readFully(shard, bytes, from);
    return bytes;
  }

  private DataException wrong(String what) {
    return TorchArchive.wrong(shard.file(), what);
  }
}
