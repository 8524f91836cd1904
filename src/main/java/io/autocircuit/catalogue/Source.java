package io.autocircuit.catalogue;

import java.net.URI;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Where an idea comes from.
 *
 * @param citation authors, year and title, or another name of the source; one line
 * @param arxiv the arXiv id, such as {@code 2304.14997}
 * @param address a page to read; for an arXiv id without one, the paper's page there
 */
public record Source(String citation, Optional<String> arxiv, Optional<URI> address) {
  /** What was thought of for this library. */
  public static final Source OURS = new Source("this library", Optional.empty(), Optional.empty());

  private static final Pattern ARXIV = Pattern.compile("\\d{4}\\.\\d{4,5}|[a-z.-]+/\\d{7}");

  /**
   * Checks the text and the id.
   *
   * @param citation one line
   * @param arxiv an id, or nothing
   * @param address a page, or nothing for the paper's
   * @throws IllegalArgumentException if the citation is not one line of text, or the id is none
   */
  public Source {
    Texts.requireLine("citation", citation);
    if (arxiv.isPresent() && !ARXIV.matcher(arxiv.get()).matches()) {
      throw new IllegalArgumentException(
          "arxiv=" + arxiv.get() + " is no arXiv id; give one such as 2304.14997");
    }
    if (address.isEmpty()) {
      address = arxiv.map(id -> URI.create("https://arxiv.org/abs/" + id));
    }
  }

  /**
   * A paper on arXiv.
   *
   * @param citation authors, year and title
   * @param id its id there, such as {@code 2304.14997}
   * @return the source
   */
  public static Source arxiv(String citation, String id) {
    return new Source(citation, Optional.of(id), Optional.empty());
  }

  /**
   * Something on the web.
   *
   * @param citation what it is
   * @param address where it is
   * @return the source
   */
  public static Source web(String citation, String address) {
    return new Source(citation, Optional.empty(), Optional.of(URI.create(address)));
  }

  /**
   * Something without an address: a journal, a talk, a company's own work.
   *
   * @param citation what it is
   * @return the source
   */
  public static Source named(String citation) {
    return new Source(citation, Optional.empty(), Optional.empty());
  }

  /**
   * For people, on one line.
   *
   * @return the citation, and the arXiv id or the address
   */
  @Override
  public String toString() {
    return citation
        + arxiv.map(id -> ", arXiv:" + id).orElse(address.map(a -> ", " + a).orElse(""));
  }
}
