package io.autocircuit.task.dataset;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.PromptPair;
import io.autocircuit.data.Wording;
import io.autocircuit.files.AtomicFile;
import io.autocircuit.files.CanonicalJson;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collector;
import java.util.stream.Collectors;

/**
 * Prompt pairs as JSON in AutoCircuit's schema, one pair a line. What made them stands in further
 * objects ({@code generator}, {@code filter}), which readers of prompts ignore.
 */
public final class DatasetFile {
  /** The field that says what made the pairs. */
  public static final String GENERATOR = "generator";

  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final Collector<CharSequence, ?, String> LIST = Collectors.joining(", ", "[", "]");

  private DatasetFile() {}

  /**
   * Writes what a generator made, whole or not at all. Equal pairs of equal generators have equal
   * bytes.
   *
   * @param file where to
   * @param generated the pairs
   * @param tokenizer the SHA-256 of the {@code tokenizer.json} that they are for, if there is one
   * @throws io.autocircuit.files.DataException if the file cannot be written
   */
  public static void write(Path file, Generated generated, Optional<String> tokenizer) {
    ObjectNode fields = NODES.objectNode();
    fields.set(GENERATOR, json(generated, tokenizer));
    write(file, generated.prompts(), fields);
  }

  private static ObjectNode json(Generated generated, Optional<String> tokenizer) {
    ObjectNode node = NODES.objectNode();
    node.put("key", generated.generator());
    node.put("version", generated.version());
    node.set("settings", generated.settings().json());
    node.put("seed", generated.seed());
    node.put("count", generated.prompts().prompts().size());
    tokenizer.ifPresent(sha -> node.put("tokenizer_sha256", sha));
    ArrayNode dropped = node.putArray("dropped");
    for (Dropped d : generated.dropped()) {
      ArrayNode examples =
          dropped.addObject().put("what", d.what()).put("count", d.count()).putArray("examples");
      d.examples().forEach(examples::add);
    }
    return node;
  }

  /**
   * Writes pairs, whole or not at all.
   *
   * @param file where to
   * @param dataset the pairs, their labels and word positions
   * @param fields further fields of the root
   * @throws io.autocircuit.files.DataException if the file cannot be written
   */
  public static void write(Path file, PromptDataset dataset, ObjectNode fields) {
    StringBuilder text = new StringBuilder("{\"prompts\": [");
    String separator = "\n";
    for (PromptPair pair : dataset.prompts()) {
      text.append(separator).append(line(pair));
      separator = ",\n";
    }
    text.append("\n]");
    if (!dataset.seqLabels().isEmpty()) {
      ArrayNode labels = NODES.arrayNode();
      dataset.seqLabels().forEach(labels::add);
      field(text, "seq_labels", labels);
    }
    if (!dataset.wordIdxs().isEmpty()) {
      ObjectNode words = NODES.objectNode();
      dataset.wordIdxs().forEach(words::put);
      field(text, "word_idxs", words);
    }
    fields.properties().forEach(f -> field(text, f.getKey(), f.getValue()));
    AtomicFile.write(file, text.append("\n}\n").toString());
  }

  private static void field(StringBuilder text, String name, JsonNode value) {
    text.append(",\n\"").append(name).append("\": ").append(line(value));
  }

  private static String line(JsonNode value) {
    return CanonicalJson.text(value, false);
  }

  private static String line(PromptPair pair) {
    return "{\"clean\": "
        + prompt(pair.clean())
        + ", \"corrupt\": "
        + prompt(pair.corrupt())
        + ", \"answers\": "
        + answers(pair.answers())
        + ", \"wrong_answers\": "
        + answers(pair.wrongAnswers())
        + spans(pair.spans())
        + (pair.template().isEmpty()
            ? ""
            : ", \"template\": " + line(NODES.textNode(pair.template())))
        + "}";
  }

  private static String spans(Map<String, int[]> spans) {
    if (spans.isEmpty()) {
      return "";
    }
    ObjectNode node = NODES.objectNode();
    spans.forEach((name, positions) -> Arrays.stream(positions).forEach(node.withArray(name)::add));
    // the names stay in their order, which canonical JSON would not keep
    return node.properties().stream()
        .map(f -> NODES.textNode(f.getKey()) + ": " + line(f.getValue()))
        .collect(Collectors.joining(", ", ", \"spans\": {", "}"));
  }

  private static String prompt(Wording wording) {
    return wording instanceof Wording.Ids tokens
        ? Arrays.stream(tokens.ids()).mapToObj(String::valueOf).collect(LIST)
        : answer(wording);
  }

  private static String answers(List<List<Wording>> positions) {
    return positions.size() == 1
        ? list(positions.get(0))
        : positions.stream().map(DatasetFile::list).collect(LIST);
  }

  private static String list(List<Wording> answers) {
    return answers.stream().map(DatasetFile::answer).collect(LIST);
  }

  private static String answer(Wording wording) {
    if (wording instanceof Wording.Text text) {
      return line(NODES.textNode(text.text()));
    }
    if (wording instanceof Wording.Ids tokens) {
      return String.valueOf(tokens.ids()[0]);
    }
    String number = CanonicalJson.number(((Wording.Value) wording).value());
    // a whole number would be taken for a token
    return number.matches("-?\\d+") ? number + ".0" : number;
  }
}
