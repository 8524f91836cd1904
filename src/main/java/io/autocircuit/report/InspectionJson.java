package io.autocircuit.report;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.autocircuit.data.PromptFinding;
import io.autocircuit.data.TokenizedPair;
import io.autocircuit.task.dataset.InspectedPrompt;
import io.autocircuit.task.dataset.Inspection;
import io.autocircuit.task.dataset.ModelAnswers;
import io.autocircuit.task.dataset.TokenAlignment;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.List;

/**
 * What was found in prompts, as JSON: {@code dataset}, {@code model}, {@code prompts} (one object
 * each) and {@code summary}. Prompts are written as they come.
 */
public final class InspectionJson {
  private final JsonGenerator out;

  private InspectionJson(JsonGenerator out) {
    this.out = out;
  }

  /**
   * Begins a file.
   *
   * @param to where to; left open
   * @param dataset what the prompts are called
   * @param model what the model is called; empty for none
   * @return the file, to which prompts can be added
   * @throws IOException if it cannot be written
   */
  public static InspectionJson begin(OutputStream to, String dataset, String model)
      throws IOException {
    JsonGenerator out = new JsonFactory().createGenerator(to, JsonEncoding.UTF8);
    out.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
    out.useDefaultPrettyPrinter();
    out.writeStartObject();
    out.writeStringField("dataset", dataset);
    if (model.isEmpty()) {
      out.writeNullField("model");
    } else {
      out.writeStringField("model", model);
    }
    out.writeArrayFieldStart("prompts");
    return new InspectionJson(out);
  }

  /**
   * Writes a prompt.
   *
   * @param prompt the next one
   * @throws UncheckedIOException if it cannot be written
   */
  public void add(InspectedPrompt prompt) {
    try {
      write(prompt);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void write(InspectedPrompt prompt) throws IOException {
    TokenizedPair pair = prompt.pair();
    out.writeStartObject();
    out.writeNumberField("index", prompt.index());
    texts("findings", prompt.findings().stream().map(PromptFinding::key).toList());
    texts("faults", prompt.faults());
    tokens("clean", prompt, pair.clean());
    tokens("corrupt", prompt, pair.corrupt());
    out.writeArrayFieldStart("differing");
    for (TokenAlignment.Column column : prompt.columns()) {
      if (!column.same()) {
        out.writeStartArray();
        position(column.clean());
        position(column.corrupt());
        out.writeEndArray();
      }
    }
    out.writeEndArray();
    if (pair.numbers() == null) {
      answers("answers", prompt, pair.answers());
      answers("wrong_answers", prompt, pair.wrongAnswers());
    } else {
      numbers("answers", pair.numbers().answers());
      numbers("wrong_answers", pair.numbers().wrongAnswers());
    }
    if (prompt.said().isPresent()) {
      out.writeObjectFieldStart("model");
      side("clean", prompt, prompt.said().get().clean());
      side("corrupt", prompt, prompt.said().get().corrupt());
      out.writeEndObject();
    }
    out.writeEndObject();
  }

  private void position(int at) throws IOException {
    if (at == TokenAlignment.GAP) {
      out.writeNull();
    } else {
      out.writeNumber(at);
    }
  }

  private void tokens(String name, InspectedPrompt prompt, int[] ids) throws IOException {
    out.writeObjectFieldStart(name);
    out.writeFieldName("ids");
    out.writeArray(ids, 0, ids.length);
    out.writeArrayFieldStart("texts");
    for (int id : ids) {
      out.writeString(prompt.text(id));
    }
    out.writeEndArray();
    out.writeEndObject();
  }

  private void answers(String name, InspectedPrompt prompt, int[][] positions) throws IOException {
    out.writeArrayFieldStart(name);
    for (int[] ids : positions) {
      out.writeStartArray();
      for (int id : ids) {
        out.writeStartObject();
        out.writeNumberField("id", id);
        out.writeStringField("text", prompt.text(id));
        out.writeEndObject();
      }
      out.writeEndArray();
    }
    out.writeEndArray();
  }

  private void numbers(String name, double[][] positions) throws IOException {
    out.writeArrayFieldStart(name);
    for (double[] numbers : positions) {
      out.writeArray(numbers, 0, numbers.length);
    }
    out.writeEndArray();
  }

  private void side(String name, InspectedPrompt prompt, ModelAnswers.Side side)
      throws IOException {
    out.writeObjectFieldStart(name);
    if (prompt.pair().numbers() != null) {
      out.writeArrayFieldStart("outputs");
      for (double output : side.outputs()) {
        out.writeNumber(output);
      }
      out.writeEndArray();
      number("mean_squared_error", side.squaredError());
    } else {
      number("probability", side.probability());
      out.writeNumberField("rank", side.rank());
      number("logit_difference", side.difference());
      choices("choices", prompt, side.choices());
      choices("answers", prompt, side.answers());
      choices("wrong_answers", prompt, side.wrongAnswers());
    }
    out.writeEndObject();
  }

  private void choices(String name, InspectedPrompt prompt, List<ModelAnswers.Choice> choices)
      throws IOException {
    out.writeArrayFieldStart(name);
    for (ModelAnswers.Choice choice : choices) {
      out.writeStartObject();
      out.writeNumberField("id", choice.token());
      out.writeStringField("text", prompt.text(choice.token()));
      number("probability", choice.probability());
      out.writeNumberField("rank", choice.rank());
      out.writeEndObject();
    }
    out.writeEndArray();
  }

  /** JSON has no NaN. */
  private void number(String name, double value) throws IOException {
    if (Double.isFinite(value)) {
      out.writeNumberField(name, value);
    } else {
      out.writeNullField(name);
    }
  }

  private void texts(String name, List<String> texts) throws IOException {
    out.writeArrayFieldStart(name);
    for (String text : texts) {
      out.writeString(text);
    }
    out.writeEndArray();
  }

  /**
   * Ends the file.
   *
   * @param inspection of all prompts that were added
   * @param notices what else is to be known, one line each
   * @throws IOException if it cannot be written
   */
  public void end(Inspection inspection, List<String> notices) throws IOException {
    out.writeEndArray();
    out.writeObjectFieldStart("summary");
    out.writeNumberField("prompts", inspection.size());
    out.writeNumberField("usable", inspection.usable());
    out.writeNumberField("with_findings", inspection.troubled());
    out.writeObjectFieldStart("findings");
    for (var count : inspection.counts().entrySet()) {
      out.writeNumberField(count.getKey().key(), count.getValue());
    }
    out.writeEndObject();
    out.writeObjectFieldStart("lengths");
    for (var length : inspection.lengths().entrySet()) {
      out.writeNumberField(String.valueOf(length.getKey()), length.getValue());
    }
    out.writeEndObject();
    Inspection.Model model = inspection.model();
    if (model.prompts() > 0) {
      out.writeObjectFieldStart("model");
      out.writeNumberField("prompts", model.prompts());
      out.writeNumberField("right", model.right());
      out.writeNumberField("first_choice", model.top());
      number("answer_probability", model.probability());
      number("logit_difference", model.difference());
      number("corrupt_logit_difference", model.corruptDifference());
      number("mean_squared_error", model.squaredError());
      out.writeEndObject();
    }
    texts("notices", notices);
    out.writeEndObject();
    out.writeEndObject();
    out.writeRaw('\n');
    out.flush();
  }
}
