package io.autocircuit.task;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.NullNode;
import io.autocircuit.files.DataException;
import io.autocircuit.files.JsonFiles;
import io.autocircuit.formats.EapIgGraph;
import io.autocircuit.formats.ScoreFiles;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.graph.Edge;
import io.autocircuit.graph.ForeignNames;
import io.autocircuit.graph.KeyValueGroups;
import io.autocircuit.patch.Circuit;
import io.autocircuit.tensor.TorchArchive;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads the known circuit of a task. Three forms of file are understood:
 *
 * <ul>
 *   <li>AutoCircuit's names: a list of {@code "A0.1->MLP 0"}, or of {@code {"name": …, "seq_idx":
 *       position or null}}.
 *   <li>EAP-IG's and MIB's graphs: {@code {"cfg": …, "edges": {"a0.h1->m0": {"in_graph": true, …},
 *       …}}}, or the same in a {@code .pt} file; the circuit is what is in the graph.
 *   <li>Edge pruning's lists: {@code [["a0.h1", "m0"], ["a0.h1", "a1.h0.q"], …]}.
 * </ul>
 *
 * <p>A key or value input belongs to a query head in all of them ({@code A1.3.K} to head 3), unless
 * an entry of the first form has {@code "heads": [2, 3]}, as the edges of a graph with {@link
 * io.autocircuit.graph.KeyValues#GROUPED} inputs have: it then stands for these heads. In such a
 * graph an edge of a head is that of its group.
 *
 * <p>In the latter two {@code input} is the embedding, {@code logits} or {@code resid_post} the end
 * of the stream, and a head's input is written {@code a1.h0<q>} or {@code a1.h0.q}.
 */
public final class OfficialCircuit {
  /** An edge into keys or values. */
  private static final Pattern SHARED =
      Pattern.compile("(.*->\\s*A\\d{1,6}\\.)\\d{1,6}(\\.[KV]\\s*)");

  private final Path file;
  private final ComputationGraph graph;
  private final List<Edge> edges = new ArrayList<>();

  /** Its other graph is that of the edges that are read. */
  private final KeyValueGroups groups;

  private OfficialCircuit(Path file, ComputationGraph graph) {
    this.file = file;
    this.groups = KeyValueGroups.of(graph);
    this.graph = groups.perQuery();
  }

  /**
   * Reads a circuit.
   *
   * @param file the file
   * @param graph the graph that its edges belong to; an edge without a position stands for all
   *     positions
   * @return the circuit, of at least one edge
   * @throws DataException if the file is in none of the forms, holds no edge, or names one that the
   *     graph does not have
   */
  public static Circuit read(Path file, ComputationGraph graph) {
    return read(file, graph, Integer.MAX_VALUE);
  }

  /**
   * Reads the beginning of a circuit's list.
   *
   * @param file the file
   * @param graph the graph that its edges belong to
   * @param first how many entries of the list are read; a graph of EAP-IG has no order, and is read
   *     as a whole
   * @return the circuit, of at least one edge
   * @throws DataException as {@link #read(Path, ComputationGraph)}; and if the list is shorter than
   *     asked for
   */
  public static Circuit read(Path file, ComputationGraph graph, int first) {
    OfficialCircuit reader = new OfficialCircuit(file, graph);
    boolean torch = TorchArchive.isOne(file);
    JsonNode json = torch ? NullNode.instance : JsonFiles.readPython(file);
    if (torch) {
      reader.torch();
    } else if (json.path("edges").isObject()) {
      reader.eapIg(json.path("edges"));
    } else if (json.isArray()) {
      if (first < Integer.MAX_VALUE && first > json.size()) {
        throw reader.error(
            "first=" + first + " entries are wanted of a list of " + json.size() + "; give fewer");
      }
      for (int i = 0; i < Math.min(first, json.size()); i++) {
        reader.entry(json.get(i));
      }
    } else {
      throw reader.error(
          "an official circuit is a list of edge names, or a graph of EAP-IG with its edges; see"
              + " docs/cli.md");
    }
    if (reader.edges.isEmpty()) {
      throw reader.error(
          "no edge is in this circuit; give a list of edge names, and not an empty one");
    }
    BitSet all = new BitSet();
    reader.edges.forEach(e -> all.set(reader.groups.standIn(e.index())));
    return Circuit.of(graph, all);
  }

  private DataException error(String what) {
    return new DataException("file=" + file + ": " + what);
  }

  private DataException entryError(JsonNode entry, String what) {
    return error("entry " + DataException.quote(entry.toString()) + " " + what);
  }

  private void entry(JsonNode entry) {
    if (entry.isArray()) {
      if (entry.size() != 2 || !entry.get(0).isTextual() || !entry.get(1).isTextual()) {
        throw entryError(entry, "is no pair of node names, such as [\"a0.h1\", \"m0\"]");
      }
      named(translated(entry.get(0).textValue(), entry.get(1).textValue()));
      return;
    }
    JsonNode name = entry.isTextual() ? entry : entry.path("name");
    JsonNode position = entry.path("seq_idx");
    boolean everywhere = position.isMissingNode() || position.isNull();
    if (!name.isTextual() || !(everywhere || position.isInt())) {
      throw entryError(
          entry, "is neither an edge name nor {\"name\": …, \"seq_idx\": number or null}");
    }
    if (!everywhere && position.asInt() < 0) {
      throw entryError(
          entry,
          "has seq_idx="
              + position.asInt()
              + ", which is no position; give null, or leave it out, for all positions");
    }
    for (String each : ofHeads(entry, name.textValue())) {
      if (everywhere) {
        named(each);
      } else {
        known(() -> List.of(graph.edge(each, position.asInt())));
      }
    }
  }

  /** The edges that an entry stands for: one, or one into each of its heads. */
  private List<String> ofHeads(JsonNode entry, String name) {
    JsonNode heads = entry.path("heads");
    if (heads.isMissingNode()) {
      return List.of(name);
    }
    Matcher shared = SHARED.matcher(name);
    List<String> all = new ArrayList<>();
    for (JsonNode head : heads) {
      if (shared.matches() && head.isInt() && head.intValue() >= 0) {
        all.add(shared.group(1) + head.intValue() + shared.group(2));
      }
    }
    if (!heads.isArray() || all.isEmpty() || all.size() < heads.size()) {
      throw entryError(
          entry, "has heads that share no key or value; give \"heads\": [2, 3], or leave it out");
    }
    return all;
  }

  private void torch() {
    EapIgGraph saved =
        ScoreFiles.graphIfAny(file)
            .orElseThrow(
                () ->
                    error(
                        "scores of edges are no circuit; give a graph of EAP-IG, or a list of"
                            + " edges"));
    for (String name : saved.edgeNames()) {
      String[] ends = name.split("->", -1);
      named(translated(ends[0], ends[1]));
    }
  }

  private void eapIg(JsonNode all) {
    for (Map.Entry<String, JsonNode> field : all.properties()) {
      JsonNode inGraph = field.getValue().path("in_graph");
      if (!inGraph.isBoolean()) {
        throw error(
            "edge "
                + DataException.quote(field.getKey())
                + " has no field in_graph of true or false; write the graph with EAP-IG's to_json");
      }
      if (inGraph.asBoolean()) {
        String[] ends = field.getKey().split("->", -1);
        if (ends.length != 2) {
          throw error(
              "edge " + DataException.quote(field.getKey()) + " is not of the form a0.h1->m0");
        }
        named(translated(ends[0], ends[1]));
      }
    }
  }

  private String translated(String source, String destination) {
    return source(source) + "->" + destination(destination);
  }

  private String source(String name) {
    return ForeignNames.source(name).orElseThrow(() -> unknown(name, "input, a0.h1 or m0"));
  }

  private String destination(String name) {
    if (graph.separateQkv() && ForeignNames.isBareHead(name)) {
      throw error(
          "node "
              + DataException.quote(name)
              + " does not say which input of the head is meant; write "
              + name
              + "<q>, <k> or <v>, or use --separate-qkv=false");
    }
    return ForeignNames.destination(name, graph.separateQkv())
        .orElseThrow(() -> unknown(name, "a1.h0<q>, m0 or logits"));
  }

  private DataException unknown(String name, String known) {
    return error("node " + DataException.quote(name) + " is not of the forms " + known);
  }

  private void named(String name) {
    known(() -> graph.edges(name));
  }

  private void known(Supplier<List<Edge>> found) {
    try {
      edges.addAll(found.get());
    } catch (IllegalArgumentException e) {
      throw new DataException("file=" + file + ": " + e.getMessage(), e);
    }
  }
}
