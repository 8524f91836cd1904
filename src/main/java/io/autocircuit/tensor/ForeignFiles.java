package io.autocircuit.tensor;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;

/** Files that are often found under the name of another kind, known by their first bytes. */
final class ForeignFiles {
  /** How many bytes {@link #require} wants to see, where the file has them. */
  static final int LOOKED_AT = 256;

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
  static void require(Path file, byte[] start, long size) {
    String what = kind(start);
    if (what != null) {
      throw new DataException("file=" + file + " (size=" + size + " bytes) " + what);
    }
  }

  /**
   * Like {@link #require} for a file that is no text.
   *
   * @throws DataException also if it begins with printable text
   */
  static void requireBinary(Path file, byte[] start, long size) {
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
      return "is a ZIP archive, perhaps a PyTorch .bin or .pt file under another name; save the"
          + " model in safetensors format (save_pretrained(…, safe_serialization=True))";
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
   * Whether a JSON file begins as UTF-16 or UTF-32 does.
   *
   * @param start its first bytes
   */
  static boolean wideText(byte[] start) {
    int a = start.length > 0 ? start[0] & 0xFF : -1;
    int b = start.length > 1 ? start[1] & 0xFF : -1;
    return (a == 0xFF && b == 0xFE)
        || (a == 0xFE && b == 0xFF)
        || (a == 0 && b >= 0)
        || (a > 0 && b == 0);
  }
}
