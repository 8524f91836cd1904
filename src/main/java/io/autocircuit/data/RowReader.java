package io.autocircuit.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;

/**
 * Reads tables of a form that this library does not read by itself, such as Parquet.
 *
 * <p>A class that implements this, has a public constructor without arguments and is named in
 * {@code META-INF/services/io.autocircuit.data.RowReader} of a jar on the class path is asked for
 * files that end in {@link #extension}.
 */
public interface RowReader {
  /**
   * The end of the names of its files.
   *
   * @return in lower case, with the point: {@code .parquet}
   */
  String extension();

  /**
   * The rows of a file.
   *
   * @param file the file
   * @return an object for each row, its columns by their names
   * @throws io.autocircuit.files.DataException if the file cannot be read
   */
  List<JsonNode> rows(Path file);
}
