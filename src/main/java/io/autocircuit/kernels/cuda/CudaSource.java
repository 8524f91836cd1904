package io.autocircuit.kernels.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A kernel's source with the headers it includes.
 *
 * @param name its file name, for messages
 * @param text its text
 * @param headers texts by the names under which they are included
 */
public record CudaSource(String name, String text, SortedMap<String, String> headers) {
  /** Where the sources lie in the jar. */
  private static final String ROOT = "/io/autocircuit/cuda/";

  private static final Pattern INCLUDE =
      Pattern.compile("(?m)^[ \\t]*#[ \\t]*include[ \\t]+\"([^\"]+)\"");

  /**
   * A source, with a copy of the headers.
   *
   * @param name its file name, for messages
   * @param text its text
   * @param headers texts by the names under which they are included
   */
  public CudaSource {
    headers = java.util.Collections.unmodifiableSortedMap(new TreeMap<>(headers));
  }

  /**
   * A source of this library.
   *
   * @param stem its file name without {@code .cu}
   * @return the source with its headers
   * @throws CudaException if it or one of its headers does not travel in the jar
   */
  public static CudaSource ofLibrary(String stem) {
    return read(stem + ".cu", CudaSource::resource);
  }

  /**
   * A source and what it includes in double quotes, directly or not.
   *
   * @param files the text of a file, or null if there is none of that name
   * @throws CudaException if a file is missing
   */
  static CudaSource read(String name, Function<String, String> files) {
    String text = required(name, name, files);
    Map<String, String> headers = new TreeMap<>();
    Deque<Map.Entry<String, String>> unread = new ArrayDeque<>();
    unread.add(Map.entry(name, text));
    while (!unread.isEmpty()) {
      Map.Entry<String, String> file = unread.remove();
      Matcher includes = INCLUDE.matcher(file.getValue());
      while (includes.find()) {
        String header = includes.group(1);
        if (!headers.containsKey(header)) {
          String content = required(header, file.getKey(), files);
          headers.put(header, content);
          unread.add(Map.entry(header, content));
        }
      }
    }
    return new CudaSource(name, text, new TreeMap<>(headers));
  }

  private static String required(String name, String wantedBy, Function<String, String> files) {
    String text = files.apply(name);
    if (text == null) {
      throw new CudaException(
          "kernel source="
              + ROOT
              + name
              + " is missing"
              + (name.equals(wantedBy) ? "" : ", included by " + wantedBy)
              + "; build the jar anew with `mvn package`");
    }
    return text;
  }

  private static String resource(String name) {
    try (InputStream in = CudaSource.class.getResourceAsStream(ROOT + name)) {
      return in == null ? null : new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
