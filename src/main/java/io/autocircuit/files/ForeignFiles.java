package io.autocircuit.files;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;

/** Files that are often found under the name of another kind, known by their first bytes. */
public final class ForeignFiles {
  /** How many bytes {@link #require} wants to see, where the file has them. */
  public static final int LOOKED_AT = 256;

  private ForeignFiles() {}

  /**
   * Names the kind of a file that is not what its name says.
   *
   * @param file where it lies
   * @param start its first bytes, {@link #LOOKED_AT} where it has them
   * @param size its size in bytes
   * @throws DataException if it begins like a Git LFS pointer, a web page, an archive or one of the
   *     binary formats that models come in; otherwise nothing happens
   */
  public static void require(Path file, byte[] start, long size) {
    String what = kind(start);
    if (what != null) {
      throw new DataException("file=" + file + " (size=" + size + " bytes) " + what);
    }
  }

  /**
   * Like {@link #require} for a file that is no text.
   *
   * @param file for messages
   * @param start its first bytes, at least {@link #LOOKED_AT} where it has so many
   * @param size of the file, in bytes
   * @throws DataException also if it begins with printable text
   */
  public static void requireBinary(Path file, byte[] start, long size) {
    require(file, start, size);
    String text = new String(start, StandardCharsets.ISO_8859_1);
    if (!text.isEmpty() && text.matches("[\\x20-\\x7e\\s]+")) {
      throw new DataException(
          "file="
              + file
              + " (size="
              + size
              + " bytes) is not the file: it is text: "
              + DataException.quote(text.strip().substring(0, Math.min(60, text.strip().length())))
              + "; download the file again");
    }
  }

  private static String kind(byte[] start) {
    String text = new String(start, StandardCharsets.ISO_8859_1);
    String words = text.stripLeading().toLowerCase(Locale.ROOT);
    if (text.startsWith("version https://git-lfs")
        || text.startsWith("version https://hawser")
        || text.startsWith("version http://git-media")) {
      return "is a Git LFS pointer and not the file itself; fetch the file with `git lfs pull`";
    }
    if (words.startsWith("<!doctype") || words.startsWith("<html") || words.startsWith("<?xml")) {
      return "is a web page, not the file: the server sent an error or a login page; download the"
          + " file again";
    }
    if (text.startsWith("PK\3\4")) {
      return "is a ZIP archive, perhaps a PyTorch .bin or .pt file under another name; name weights"
          + " of torch pytorch_model.bin, or save the model in safetensors format"
          + " (save_pretrained(…, safe_serialization=True))";
    }
    if (text.startsWith("\200\2\212\n") || text.matches("(?s)\200[\2-\5][\\[\\]}(cX\225].*")) {
      return "is a Python pickle, perhaps an old PyTorch .bin file under another name; save the"
          + " model in safetensors format (save_pretrained(…, safe_serialization=True))";
    }
    if (text.startsWith("GGUF")) {
      return "is a GGUF file; this library reads safetensors, unquantised";
    }
    if (text.startsWith("\211HDF")) {
      return "is an HDF5 file; this library reads safetensors";
    }
    if (text.startsWith("\37\213")) {
      return "is compressed with gzip; unpack it first";
    }
    return null;
  }

  /**
   * What the first bytes of a text file are, if they are not UTF-8.
   *
   * @param start its first bytes
   * @return for the end of a sentence; null if they may be UTF-8
   */
  static String notUtf8(byte[] start) {
    if (wide(start, 4)) {
      return "it is not UTF-8 but UTF-32 text; save it as UTF-8";
    }
    if (wide(start, 2)) {
      return "it is not UTF-8 but UTF-16 text; save it as UTF-8";
    }
    int controls = 0;
    for (byte b : start) {
      controls += (b >= 0 && b < '\t') || (b > '\r' && b < ' ') ? 1 : 0;
    }
    return controls * 10 > start.length && controls > 2
        ? "it is no text but binary data; is this the right file?"
        : null;
  }

  /** Whether it begins with a byte order mark of that width, or with ASCII so wide. */
  private static boolean wide(byte[] start, int width) {
    if (start.length < width) {
      return false;
    }
    int zeroLast = 0;
    int zeroFirst = 0;
    int looked = Math.min(start.length / width, 4);
    for (int i = 0; i < looked; i++) {
      boolean low = true;
      boolean high = true;
      for (int j = 0; j < width; j++) {
        byte b = start[i * width + j];
        low &= j == 0 ? b > 0 : b == 0;
        high &= j == width - 1 ? b > 0 : b == 0;
      }
      zeroLast += low ? 1 : 0;
      zeroFirst += high ? 1 : 0;
    }
    boolean little = start[0] == (byte) 0xFF && start[1] == (byte) 0xFE;
    boolean big = start[width - 2] == (byte) 0xFE && start[width - 1] == (byte) 0xFF;
    for (int j = 2; j < width; j++) {
      little &= start[j] == 0;
      big &= start[j - 2] == 0;
    }
    return little || big || zeroLast == looked || zeroFirst == looked;
  }
}
