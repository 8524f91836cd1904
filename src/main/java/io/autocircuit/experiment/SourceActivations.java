package io.autocircuit.experiment;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.PromptBatch;
import io.autocircuit.data.TokenBatch;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.SrcNode;
import io.autocircuit.model.AttentionPatterns;
import io.autocircuit.patch.AblationValues;
import io.autocircuit.patch.CircuitRuns;
import io.autocircuit.patch.Evaluations.Direction;
import io.autocircuit.patch.MemoryEstimate;
import io.autocircuit.patch.MicroBatch;
import io.autocircuit.patch.PatchableModel;
import io.autocircuit.patch.PruneScores;
import io.autocircuit.patch.SourceOutputs;
import io.autocircuit.patch.SourceRows;
import io.autocircuit.tensor.TensorScope;
import io.autocircuit.tensor.Tensors;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;

/**
 * What sources write into the residual stream on some prompts, and what they are ablated to: what a
 * report says of an edge beside its score. AutoCircuit's drawing shows two numbers of the first
 * prompt; here are the size of the difference Δ too, and the channels that differ most.
 *
 * @param ablation key of the ablation
 * @param run the prompts that are run, {@code clean} or {@code corrupt}; ablation values are made
 *     as the ablation says
 * @param prompts over how many prompts sizes are taken: the first that judge
 * @param tokens the tokens of the first of them, as text
 * @param sources by the rank of the best edge that leaves them
 * @param patterns where the heads among the sources look on the first prompt; none where it has
 *     more than {@value #LONGEST} tokens
 * @param attends why these heads look where they do, from the end of the first prompt
 */
public record SourceActivations(
    String ablation,
    String run,
    int prompts,
    List<String> tokens,
    List<Source> sources,
    List<Pattern> patterns,
    List<HeadAttention> attends) {
  /** How many prompts are looked at where it is not said. */
  public static final int PROMPTS = 4;

  /** At most so many sources, or pairs of a source and a position, are looked at. */
  public static final int MOST = 1000;

  /** Patterns of longer prompts are no longer read by people, and would fill the page. */
  public static final int LONGEST = 32;

  private static final int MOST_PATTERNS = 200;
  private static final int FIRST = 2;
  private static final int GREATEST = 3;

  /**
   * What one source writes.
   *
   * @param name the source
   * @param position the position, or number of the span, whose edges it belongs to; null where
   *     edges stand for all positions
   * @param norm root mean square of the Euclidean norm of its outputs, over the prompts (and over
   *     all positions, where edges stand for all); pads do not count
   * @param ablatedNorm the same of the ablation values
   * @param deltaNorm the same of Δ, the ablation value less the output
   * @param at the position of the excerpt: {@code position}, or else the one, of all or of the
   *     span, where the first prompt has its greatest Δ
   * @param channels of the first prompt at that position: the first two, as AutoCircuit shows, then
   *     those of the greatest differences; ascending within both; none where the first prompt has
   *     no such position
   */
  public record Source(
      String name,
      Integer position,
      double norm,
      double ablatedNorm,
      double deltaNorm,
      int at,
      List<Channel> channels) {
    /**
     * Keeps an unmodifiable copy.
     *
     * @param name the source
     * @param position the position whose edges it belongs to; null where edges stand for all
     * @param norm of its outputs
     * @param ablatedNorm of the ablation values
     * @param deltaNorm of Δ
     * @param at the position of the excerpt
     * @param channels the excerpt
     */
    public Source {
      channels = List.copyOf(channels);
    }
  }

  /**
   * One number of a source's output.
   *
   * @param index its channel of the residual stream, from 0
   * @param written what the source writes
   * @param ablated what it is ablated to
   */
  public record Channel(int index, double written, double ablated) {}

  /**
   * Where a head looks: its attention on the first prompt, unpatched.
   *
   * @param head its name
   * @param rows for each query position the share of each key position, in hundredths of which the
   *     last zeros are left away
   */
  public record Pattern(String head, List<List<Double>> rows) {
    /**
     * Keeps an unmodifiable copy.
     *
     * @param head its name
     * @param rows by query position
     */
    public Pattern {
      rows = rows.stream().map(List::copyOf).toList();
    }
  }

  /**
   * Keeps unmodifiable copies.
   *
   * @param ablation key of the ablation
   * @param run the prompts that are run
   * @param prompts over how many prompts sizes are taken
   * @param tokens the tokens of the first of them, as text
   * @param sources by the rank of the best edge that leaves them
   * @param patterns where heads look
   * @param attends why they do
   */
  public SourceActivations {
    tokens = List.copyOf(tokens);
    sources = List.copyOf(sources);
    patterns = List.copyOf(patterns);
    attends = List.copyOf(attends);
  }

  /**
   * Runs the sources of the best edges on the first prompts that judge.
   *
   * @param discovery what was run
   * @param scores whose best edges are wanted
   * @param prompts how many prompts of the first batch are looked at; fewer where the memory budget
   *     or the batch has fewer
   * @param edges sources of so many of the best edges; of {@link #MOST} at most
   * @param texts gives the text of each token id
   * @return plain values
   * @throws IllegalArgumentException if {@code prompts} is not positive, there is none, or one
   *     alone exceeds the memory budget
   */
  public static SourceActivations of(
      Discovery discovery,
      PruneScores scores,
      int prompts,
      int edges,
      Function<int[], List<String>> texts) {
    if (prompts < 1 || discovery.test().isEmpty()) {
      throw new IllegalArgumentException(
          "activations of prompts="
              + (discovery.test().isEmpty() ? 0 : prompts)
              + ": give 1 or more");
    }
    PatchableModel model = discovery.model();
    CircuitRuns runs = discovery.runs();
    PromptBatch first = discovery.test().get(0);
    int wanted = Math.min(prompts, first.clean().batchSize());
    PromptBatch batch =
        MicroBatch.within(
                model,
                MemoryEstimate.Work.CIRCUITS,
                runs.ablation(),
                List.of(first.slice(0, wanted)))
            .get(0)
            .get(0)
            .prompts();
    Set<Place> places = new LinkedHashSet<>();
    for (PruneScores.Scored scored : scores.best(edges)) {
      Edge e = scored.edge();
      if (places.size() < MOST) {
        places.add(new Place(e.source(), e.position()));
      }
    }
    try (AblationValues values = AblationValues.prepare(model, runs.ablation(), discovery.test());
        TensorScope scope = new TensorScope()) {
      TokenBatch tokens = runs.direction().input(batch);
      Tensor written = SourceOutputs.of(model, tokens);
      Tensor ablated = values.of(tokens, runs.direction().patches(batch)).expand_as(written);
      Outputs outputs = new Outputs(model, tokens, written, ablated);
      List<SrcNode> heads = heads(places);
      return new SourceActivations(
          runs.ablation().key(),
          runs.direction() == Direction.CORRUPT_INTO_CLEAN ? "clean" : "corrupt",
          tokens.batchSize(),
          texts.apply(Arrays.copyOf(tokens.ids(), tokens.length())),
          places.stream().map(outputs::source).toList(),
          tokens.length() > LONGEST ? List.of() : patterns(model, tokens, heads),
          heads.isEmpty() ? List.of() : HeadAttention.of(model, tokens.slice(0, 1), heads));
    }
  }

  /**
   * As a file and the report have it.
   *
   * @return {@code {"ablation", "run", "prompts", "sources": [{"name", "position", "norm",
   *     "ablated_norm", "delta_norm", "at", "channels": [[index, written, ablated], …]}, …]}};
   *     behind {@code prompts} the {@code tokens} of the first, last {@code "patterns": [{"head",
   *     "rows": [[share, …], …]}, …]} and {@code "attends": [{"head", "query", "key", "attention",
   *     "score", "product", "query_side": [[name, value], …], "key_side", "pairs": [[query, key,
   *     value], …]}, …]}
   */
  public ObjectNode json() {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("ablation", ablation).put("run", run).put("prompts", prompts);
    tokens.forEach(root.putArray("tokens")::add);
    ArrayNode list = root.putArray("sources");
    for (Source s : sources) {
      ObjectNode item = list.addObject().put("name", s.name()).put("position", s.position());
      item.put("norm", s.norm()).put("ablated_norm", s.ablatedNorm());
      item.put("delta_norm", s.deltaNorm()).put("at", s.at());
      ArrayNode channels = item.putArray("channels");
      s.channels()
          .forEach(c -> channels.addArray().add(c.index()).add(c.written()).add(c.ablated()));
    }
    ArrayNode heads = root.putArray("patterns");
    for (Pattern p : patterns) {
      ArrayNode rows = heads.addObject().put("head", p.head()).putArray("rows");
      p.rows().forEach(row -> row.forEach(rows.addArray()::add));
    }
    ArrayNode why = root.putArray("attends");
    attends.forEach(a -> a.write(why.addObject()));
    return root;
  }

  /**
   * Writes them as JSON.
   *
   * @param file where to; appears whole or not at all
   * @throws DataException if it cannot be written
   */
  public void write(Path file) {
    AtomicFile.write(file, json() + "\n");
  }

  /**
   * Reads what {@link #write} wrote.
   *
   * @param file the file
   * @return its content
   * @throws DataException if it cannot be read, or holds something else
   */
  public static SourceActivations read(Path file) {
    JsonNode root = JsonFiles.read(file);
    try {
      List<Source> sources = new ArrayList<>();
      for (JsonNode item : root.required("sources")) {
        List<Channel> channels = new ArrayList<>();
        for (JsonNode c : item.required("channels")) {
          channels.add(
              new Channel(
                  c.required(0).intValue(),
                  c.required(1).doubleValue(),
                  c.required(2).doubleValue()));
        }
        JsonNode position = item.required("position");
        sources.add(
            new Source(
                item.required("name").textValue(),
                position.isNull() ? null : position.intValue(),
                item.required("norm").doubleValue(),
                item.required("ablated_norm").doubleValue(),
                item.required("delta_norm").doubleValue(),
                item.required("at").intValue(),
                channels));
      }
      List<String> tokens = new ArrayList<>();
      root.required("tokens").forEach(t -> tokens.add(t.textValue()));
      List<Pattern> patterns = new ArrayList<>();
      for (JsonNode item : root.required("patterns")) {
        List<List<Double>> rows = new ArrayList<>();
        for (JsonNode row : item.required("rows")) {
          List<Double> shares = new ArrayList<>();
          row.forEach(share -> shares.add(share.doubleValue()));
          rows.add(shares);
        }
        patterns.add(new Pattern(item.required("head").textValue(), rows));
      }
      List<HeadAttention> attends = new ArrayList<>();
      // files of versions before this have none
      root.path("attends").forEach(a -> attends.add(HeadAttention.read(a)));
      return new SourceActivations(
          root.required("ablation").textValue(),
          root.required("run").textValue(),
          root.required("prompts").intValue(),
          tokens,
          sources,
          patterns,
          attends);
    } catch (IllegalArgumentException e) {
      throw new DataException(
          "file=" + file + " holds no activations; give the results of discover, unchanged", e);
    }
  }

  private static List<SrcNode> heads(Set<Place> places) {
    return places.stream()
        .map(Place::source)
        .filter(s -> s.head() >= 0 && s.name().equals("A" + s.block() + "." + s.head()))
        .distinct()
        .limit(MOST_PATTERNS)
        .toList();
  }

  private static List<Pattern> patterns(
      PatchableModel model, TokenBatch tokens, List<SrcNode> heads) {
    if (heads.isEmpty()) {
      return List.of();
    }
    Tensor all = AttentionPatterns.of(model.model(), tokens.slice(0, 1));
    int t = tokens.length();
    List<Pattern> patterns = new ArrayList<>();
    for (SrcNode head : heads) {
      double[] flat =
          Tensors.doubles(all.select(0, head.block()).select(0, 0).select(0, head.head()));
      List<List<Double>> rows = new ArrayList<>();
      for (int q = 0; q < t; q++) {
        List<Double> row = new ArrayList<>();
        for (int k = 0; k < t; k++) {
          row.add(Math.round(100 * flat[q * t + k]) / 100.0);
        }
        while (!row.isEmpty() && row.get(row.size() - 1) == 0) {
          row.remove(row.size() - 1);
        }
        rows.add(row);
      }
      patterns.add(new Pattern(head.name(), rows));
    }
    return patterns;
  }

  /** A source at a position, or −1 for all. */
  private record Place(SrcNode source, int position) {}

  /**
   * What sources write and are ablated to.
   *
   * @param written by {@link SourceRows}
   * @param ablated likewise
   * @param rows where they lie
   * @param read the squares of norms, {@code [B·T]}, of what one source writes, is ablated to, and
   *     of Δ, once they were asked for
   */
  private record Outputs(
      PatchableModel model,
      TokenBatch tokens,
      Tensor written,
      Tensor ablated,
      SourceRows rows,
      Map<SrcNode, List<double[]>> read) {
    Outputs(PatchableModel model, TokenBatch tokens, Tensor written, Tensor ablated) {
      this(model, tokens, written, ablated, model.sourceRows(), new HashMap<>());
    }

    private List<double[]> squares(SrcNode source) {
      return read.computeIfAbsent(
          source,
          s -> {
            try (TensorScope scope = new TensorScope()) {
              Tensor c = rows.written(written, s, model.model()); // [B,T,D]
              Tensor p = rows.written(ablated, s, model.model());
              return Stream.of(c, p, p.sub(c)).map(Outputs::squares).toList();
            }
          });
    }

    private static double[] squares(Tensor x) {
      try (TensorScope scope = new TensorScope()) {
        return Tensors.doubles(x.mul(x).sum(-1).flatten());
      }
    }

    Source source(Place place) {
      List<double[]> squares = squares(place.source());
      double[] deltas = squares.get(2);
      int at = -1;
      double greatest = 0;
      for (int t = tokens.length() - 1; t >= 0; t--) {
        if (belongs(0, t, place.position()) && (at < 0 || deltas[t] > greatest)) {
          greatest = deltas[t];
          at = t;
        }
      }
      return new Source(
          place.source().name(),
          place.position() < 0 ? null : place.position(),
          norm(squares.get(0), place.position()),
          norm(squares.get(1), place.position()),
          norm(squares.get(2), place.position()),
          at < 0 ? tokens.length() - 1 : at,
          at < 0 // the first prompt has no position of the edge
              ? List.of()
              : channels(row(written, place.source(), at), row(ablated, place.source(), at)));
    }

    /** Whether a position of a prompt is that of an edge: the position itself, or in its span. */
    private boolean belongs(int prompt, int t, int position) {
      int[] spans = model.graph().spans().isEmpty() ? null : tokens.spans();
      int own = spans == null ? t : spans[prompt * tokens.length() + t];
      return t >= tokens.padding()[prompt] && (position < 0 || position == own);
    }

    /** The root of the mean of squares by prompt and position, at an edge's positions. */
    private double norm(double[] squares, int position) {
      double sum = 0;
      int count = 0;
      for (int b = 0; b < tokens.batchSize(); b++) {
        for (int t = 0; t < tokens.length(); t++) {
          if (belongs(b, t, position)) {
            sum += squares[b * tokens.length() + t];
            count++;
          }
        }
      }
      return count == 0 ? 0 : HeadAttention.rounded(Math.sqrt(sum / count));
    }

    /** Of the first prompt, {@code [D]}. */
    private double[] row(Tensor outputs, SrcNode source, int position) {
      try (TensorScope scope = new TensorScope()) {
        Tensor one = outputs.narrow(1, 0, 1).narrow(2, position, 1);
        return Tensors.doubles(rows.written(one, source, model.model()).flatten());
      }
    }

    private static List<Channel> channels(double[] written, double[] ablated) {
      List<Integer> wanted =
          new ArrayList<>(IntStream.range(0, Math.min(FIRST, written.length)).boxed().toList());
      IntStream.range(FIRST, Math.max(FIRST, written.length))
          .boxed()
          .sorted(
              (a, b) ->
                  Double.compare(
                      Math.abs(ablated[b] - written[b]), Math.abs(ablated[a] - written[a])))
          .limit(GREATEST)
          .sorted()
          .forEach(wanted::add);
      return wanted.stream()
          .map(
              i ->
                  new Channel(
                      i, HeadAttention.rounded(written[i]), HeadAttention.rounded(ablated[i])))
          .toList();
    }
  }
}
