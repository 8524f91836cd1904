package io.autocircuit.tensor;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Torch archives made byte by byte, good ones and bad ones. */
public final class TorchFiles {
  /** The call of a tensor's function up to its storage's persistent id. */
  static final String TENSOR = "ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\n";

  /** What follows shape and stride. */
  static final String HOOKS = "\u0089ccollections\nOrderedDict\n)RtR";

  private TorchFiles() {}

  /** Every char is a byte. */
  public static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  /** A pickle's text of fewer than 256 characters. */
  static String text(String text) {
    return "X" + (char) text.length() + "\0\0\0" + text;
  }

  /** A tensor of storage "0" with numbers below 256. */
  public static String tensor(String type, int elements, int offset, String shape, String stride) {
    return TENSOR
        + type
        + "\n"
        + text("0")
        + text("cuda:0")
        + "K"
        + (char) elements
        + "tQK"
        + (char) offset
        + tuple(shape)
        + tuple(stride)
        + HOOKS;
  }

  private static String tuple(String numbers) {
    StringBuilder tuple = new StringBuilder("(");
    for (char n : numbers.toCharArray()) {
      tuple.append('K').append((char) (n - '0'));
    }
    return tuple.append('t').toString();
  }

  /** A dictionary of one thing. */
  public static String dictionary(String value) {
    return "}q\0" + text("t") + value + "s";
  }

  /** An archive with a pickle of protocol 2 and one storage. */
  public static byte[] archive(String pickle, byte[] storage) {
    Map<String, byte[]> entries = new LinkedHashMap<>();
    entries.put("a/data.pkl", bytes("\u0080\2" + pickle + "."));
    entries.put("a/byteorder", bytes("little"));
    entries.put("a/data/0", storage);
    return zip(entries, ZipEntry.STORED);
  }

  /** A ZIP archive. */
  static byte[] zip(Map<String, byte[]> entries, int method) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(out)) {
      for (Map.Entry<String, byte[]> e : entries.entrySet()) {
        ZipEntry entry = new ZipEntry(e.getKey());
        entry.setTimeLocal(LocalDateTime.of(2020, 1, 1, 0, 0)); // the same bytes at any hour
        entry.setMethod(method);
        if (method == ZipEntry.STORED) {
          CRC32 crc = new CRC32();
          crc.update(e.getValue());
          entry.setSize(e.getValue().length);
          entry.setCrc(crc.getValue());
        }
        zip.putNextEntry(entry);
        zip.write(e.getValue());
      }
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
    return out.toByteArray();
  }
}
