package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The classes that {@code architectures} names must be those of the family. */
final class Architectures {
  private static final Map<String, Pattern> FAMILIES =
      Map.of(
          "gpt2", family("GPT2", "LMHeadModel|Model|DoubleHeadsModel|PreTrainedModel"),
          "gpt_neox", family("GPTNeoX", "ForCausalLM|Model|PreTrainedModel"),
          "llama", family("(?:Llama|LLaMA)", "ForCausalLM|Model|PreTrainedModel"));

  private Architectures() {}

  private static Pattern family(String name, String known) {
    return Pattern.compile(
        "(?:TF|Flax)?"
            + name
            + "(?:"
            + known
            + "|(For(?:SequenceClassification|TokenClassification|QuestionAnswering))"
            + ")|AutoModelForCausalLM");
  }

  /**
   * Looks at them.
   *
   * @throws DataException if one is not a class of the family
   */
  static void check(ConfigReader c, String type) {
    JsonNode value = c.value("architectures");
    Pattern family = FAMILIES.get(type);
    if (!c.has("architectures") || family == null) {
      return;
    }
    for (JsonNode name : value.isArray() ? value : java.util.List.of(value)) {
      Matcher m = family.matcher(name.isTextual() ? name.textValue() : "");
      if (!m.matches()) {
        throw c.error(
            "architectures=["
                + (name.isContainerNode() ? "…" : DataException.quote(name.asText()))
                + "] is not model_type="
                + DataException.quote(type)
                + ": such a model computes something else; use a model of that family, or give the"
                + " config.json that belongs to the weights");
      }
      if (m.group(1) != null) {
        c.notice(
            "architectures=["
                + DataException.quote(name.textValue())
                + "]: the model was made to classify; it is used as a language model here");
      }
    }
  }
}
