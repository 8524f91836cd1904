package io.autocircuit.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.autocircuit.files.DataException;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The classes that {@code architectures} names must be those of the family. */
final class Architectures {
  private static final String KNOWN =
      "ForCausalLM|LMHeadModel|Model|TextModel|DoubleHeadsModel|PreTrainedModel";

  private Architectures() {}

  private static Pattern pattern(String name) {
    return Pattern.compile(
        "(?:TF|Flax)?"
            + name
            + "(?:"
            + KNOWN
            + "|(For(?:SequenceClassification|TokenClassification|QuestionAnswering))"
            + ")|AutoModelForCausalLM");
  }

  /**
   * Looks at them.
   *
   * @throws DataException if one is not a class of the family
   */
  static void check(ConfigReader c, Family family) {
    JsonNode value = c.value("architectures");
    Pattern known = pattern(family.classes());
    if (!c.has("architectures")) {
      return;
    }
    for (JsonNode name : value.isArray() ? value : List.of(value)) {
      Matcher m = known.matcher(name.isTextual() ? name.textValue() : "");
      if (!m.matches()) {
        throw c.error(
            "architectures=["
                + (name.isContainerNode() ? "…" : DataException.quote(name.asText()))
                + "] is not model_type="
                + DataException.quote(family.key())
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
