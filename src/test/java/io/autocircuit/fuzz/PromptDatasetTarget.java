package io.autocircuit.fuzz;

import io.autocircuit.data.Batches;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.TokenizedDataset;
import io.autocircuit.data.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;

/** Parses fuzzed text as a dataset and, if it is one, takes it all the way to batches. */
public final class PromptDatasetTarget {
  private PromptDatasetTarget() {}

  /** What Jazzer calls. */
  public static void fuzzerTestOneInput(byte[] input) {
    String json = new String(input, StandardCharsets.UTF_8);
    boolean ignored =
        Bounded.reads(
            input.length,
            () -> {
              PromptDataset dataset = PromptDataset.parse(json, "fuzzed");
              TokenizedDataset tokens = dataset.tokenize(new Letters());
              use(tokens, input.length);
            });
  }

  private static void use(TokenizedDataset tokens, int inputBytes) {
    for (Runnable use :
        List.<Runnable>of(
            () -> tokens.requireFits(100, 20),
            tokens::requireDifference,
            () -> requireAllRows(tokens, Batches.byLength(tokens, 3)),
            () -> requireAllRows(tokens, Batches.padded(tokens, 3, 0)),
            () -> requireAllRows(tokens, Batches.inOrder(tokens, 3, false)),
            () -> tokens.select(tokens.size() / 2, 1, true, 42))) {
      boolean ignored = Bounded.reads(inputBytes, use);
    }
  }

  private static void requireAllRows(TokenizedDataset tokens, List<PromptBatch> batches) {
    int rows = batches.stream().mapToInt(batch -> batch.rows().length).sum();
    if (rows != tokens.size()) {
      throw new AssertionError("prompts=" + tokens.size() + " but batched rows=" + rows);
    }
  }

  /** A token for each letter, and a BOS. */
  private record Letters() implements Tokenizer {
    @Override
    public Encoded encodePrompt(String text) {
      return encodeAnswer("^" + text);
    }

    @Override
    public Encoded encodeAnswer(String text) {
      return new Encoded(text.chars().toArray(), Stream.of(text.split("")).toList());
    }

    @Override
    public int leadingSpecialTokens() {
      return 1;
    }

    @Override
    public String decode(int... ids) {
      return new String(ids, 0, ids.length);
    }

    @Override
    public void close() {}
  }

  /** Inputs to begin with: the schema in its variants. */
  static List<byte[]> seeds() {
    return Stream.of(
            "{\"prompts\":[{\"clean\":\"ab\",\"corrupt\":\"cb\",\"answers\":[\"x\"],"
                + "\"wrong_answers\":[\"y\"]}],\"seq_labels\":[\"s\",\"t\"],"
                + "\"word_idxs\":{\"end\":1}}",
            "{\"prompts\":[{\"clean\":[1,2],\"corrupt\":[3,2],\"answers\":[[4],[5,6]],"
                + "\"wrong_answers\":[[],[7]]},{\"clean\":[1],\"corrupt\":[2],\"answers\":[3],"
                + "\"wrong_answers\":[]}]}",
            "{\"prompts\":[]}")
        .map(text -> text.getBytes(StandardCharsets.UTF_8))
        .toList();
  }
}
