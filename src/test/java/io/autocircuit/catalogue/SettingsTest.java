package io.autocircuit.catalogue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.graph.UnknownNameException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Settings take what is allowed, say what is not, and have one JSON. */
class SettingsTest {
  private enum Kind {
    LOGIT,
    LOG_PROB
  }

  private static final List<Setting> DECLARED =
      List.of(
          Setting.whole("samples", 1, 5, "gradients are averaged over N + 1 mask values"),
          Setting.number("mask_value", Setting.finite(), 0, "the masks"),
          Setting.number("dropout", new SettingType.Real(0, true, 1, false), 0, "dropped"),
          Setting.number("rate", Setting.above(0), 0.1, "a step").in("1/step"),
          Setting.flag("sum", "sums instead of means"),
          Setting.choice("kind", "logit", "what is measured", "logit (nothing)", "log_prob"),
          Setting.of(
              "tau", new SettingType.Several(Setting.above(0)), List.of(0.001), "thresholds"),
          Setting.optional("ablation", new SettingType.Key("ablations"), "the ablation"),
          Setting.optional("official", new SettingType.File(), "a circuit"),
          Setting.optional("note", new SettingType.Text(), "a note"));

  private static String error(String name, Object value) {
    Map<String, Object> given = new HashMap<>();
    given.put(name, value);
    return assertThrows(
            IllegalArgumentException.class, () -> Settings.of(DECLARED, given), name + value)
        .getMessage();
  }

  @Test
  void whatIsNotGivenHasItsDefault() {
    Settings s = Settings.defaults(DECLARED);
    assertEquals(5, s.whole("samples"));
    assertEquals(5L, s.integer("samples"));
    assertEquals(0, s.number("mask_value"));
    assertFalse(s.flag("sum"));
    assertEquals("logit", s.text("kind"));
    assertEquals(Kind.LOGIT, s.choice("kind", Kind.class));
    assertEquals(List.of(0.001), s.numbers("tau"));
    assertEquals(Optional.empty(), s.value("ablation"));
    assertEquals(
        "setting=ablation has no value",
        assertThrows(IllegalStateException.class, () -> s.text("ablation")).getMessage());
    assertEquals(
        "setting=sum is a boolean",
        assertThrows(IllegalStateException.class, () -> s.number("sum")).getMessage());
  }

  @Test
  void equalValuesAreEqualHoweverTheyWereGiven() {
    Settings one =
        Settings.of(
            DECLARED,
            Map.of(
                "samples",
                7,
                "rate",
                1,
                "kind",
                Kind.LOG_PROB,
                "tau",
                new double[] {1, 0.5},
                "official",
                Path.of("a/b.json"),
                "mask_value",
                0.25f));
    Settings other =
        Settings.of(
            DECLARED,
            Map.of(
                "samples",
                7L,
                "rate",
                1.0,
                "kind",
                "LOG_prob",
                "tau",
                Arrays.asList(1L, 0.5),
                "official",
                "a/b.json",
                "mask_value",
                0.25));
    assertEquals(one, other);
    assertEquals(one.hashCode(), other.hashCode());
    assertEquals(one.json(), other.json());
    assertEquals(
        one,
        Settings.defaults(DECLARED)
            .with("rate", 1.0)
            .with("samples", 7)
            .with("kind", "log_prob")
            .with("tau", List.of(1, 0.5))
            .with("official", "a/b.json")
            .with("mask_value", 0.25));
    assertNotEquals(one, one.with("samples", 8));
  }

  @Test
  void jsonIsSortedAndWholeAndReadBack() throws IOException {
    Settings s =
        Settings.of(
            DECLARED, Map.of("tau", List.of(10, 0.5), "note", "n", "samples", 1, "sum", true));
    String json = s.json().toString();
    assertEquals(
        "{\"ablation\":null,\"dropout\":0.0,\"kind\":\"logit\",\"mask_value\":0.0,\"note\":\"n\","
            + "\"official\":null,\"rate\":0.1,\"samples\":1,\"sum\":true,\"tau\":[10.0,0.5]}",
        json);
    assertEquals(s, Settings.read(DECLARED, new ObjectMapper().readTree(json)));
    assertEquals(
        s,
        Settings.read(
            DECLARED,
            new ObjectMapper()
                .readTree("{\"sum\":true,\"note\":\"n\",\"samples\":1,\"tau\":[10,0.5]}")));
    assertEquals(Settings.none().json().toString(), "{}");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"samples\":1.5}|samples=1.5 is no integer; give a whole number from 1",
        "{\"samples\":0}|samples=0 is out of range; give a whole number from 1",
        "{\"samples\":\"5\"}|samples=5 is no integer; give a whole number from 1",
        "{\"sum\":1}|sum=1 is no boolean; give true or false",
        "{\"kind\":[]}|kind=[] is no choice; give logit or log_prob",
        "{\"note\":{}}|note={} is no value; give a number, text, true, false or a list",
        "{\"sampels\":1}|unknown setting \"sampels\": did you mean \"samples\"?",
        "[1]|settings=[1] is no object; give names and values in braces",
      })
  void jsonThatIsWrongIsRefusedOnOneLine(String json, String message) throws IOException {
    var tree = new ObjectMapper().readTree(json);
    assertEquals(
        message,
        assertThrows(IllegalArgumentException.class, () -> Settings.read(DECLARED, tree))
            .getMessage());
  }

  @Test
  void valuesThatAreNotAllowedAreRefused() {
    assertEquals("dropout=1 is out of range; give a number from 0 to below 1", error("dropout", 1));
    assertEquals("rate=0 is out of range; give a number above 0", error("rate", 0));
    assertEquals(
        "mask_value=NaN is out of range; give a finite number", error("mask_value", Double.NaN));
    assertEquals(
        "tau=[] is out of range; give one or more, each a number above 0", error("tau", List.of()));
    assertEquals(
        "tau=[1, 0] is out of range; give one or more, each a number above 0",
        error("tau", List.of(1, 0)));
    assertEquals("note=  is out of range; give text", error("note", " "));
    assertEquals(
        "unknown value of kind \"logprob\": did you mean \"log_prob\"?", error("kind", "logprob"));
    assertThrows(UnknownNameException.class, () -> Settings.defaults(DECLARED).with("sample", 3));
    assertThrows(UnknownNameException.class, () -> Settings.defaults(DECLARED).number("sample"));
  }

  @Test
  void textIsParsedUnderTheNameThatItWasGivenUnder() {
    Setting samples = DECLARED.get(0);
    assertEquals("--samples", samples.option());
    assertEquals("--mask-value", DECLARED.get(1).option());
    assertEquals(12L, samples.parse("--samples", " 12"));
    assertEquals(List.of(0.5, 2.0), DECLARED.get(6).parse("--tau", "0.5,2"));
    assertEquals(
        "--samples=x is no integer; give a whole number from 1",
        assertThrows(IllegalArgumentException.class, () -> samples.parse("--samples", "x"))
            .getMessage());
    assertEquals(
        "--samples=0 is out of range; give a whole number from 1",
        assertThrows(IllegalArgumentException.class, () -> samples.parse("--samples", "0"))
            .getMessage());
    assertEquals(
        "--tau=1,,2 is no number list; give one or more, each a number above 0",
        assertThrows(IllegalArgumentException.class, () -> DECLARED.get(6).parse("--tau", "1,,2"))
            .getMessage());
  }

  @Test
  void helpHasChoicesAndDefault() {
    assertEquals("the masks (default: 0)", DECLARED.get(1).help());
    assertEquals(
        "what is measured: logit (nothing) or log_prob (default: logit)", DECLARED.get(5).help());
    assertEquals("thresholds (default: 0.001)", DECLARED.get(6).help());
    assertEquals("sums instead of means", DECLARED.get(4).help());
  }

  @Test
  void declarationsThatMakeNoSenseAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> Setting.flag("Mask-Value", "m"));
    assertThrows(IllegalArgumentException.class, () -> Setting.flag("mask", "two\nlines"));
    assertThrows(IllegalArgumentException.class, () -> Setting.whole("n", 1, 0, "n"));
    assertThrows(
        IllegalArgumentException.class, () -> Setting.choice("kind", "c", "a kind", "a", "b"));
    assertThrows(
        IllegalArgumentException.class, () -> Setting.choice("kind", "a", "a kind", "a", "a"));
    assertEquals(
        "setting=n is declared twice",
        assertThrows(
                IllegalArgumentException.class,
                () -> Settings.defaults(List.of(Setting.flag("n", "a"), Setting.flag("n", "b"))))
            .getMessage());
    assertTrue(Settings.defaults(List.of()).equals(Settings.none()));
  }

  @Test
  void sourcesHaveALineAndAnAddress() {
    Source acdc = Source.arxiv("Conmy et al. 2023", "2304.14997");
    assertEquals("Conmy et al. 2023, arXiv:2304.14997", acdc.toString());
    assertEquals("https://arxiv.org/abs/2304.14997", acdc.address().orElseThrow().toString());
    assertEquals("this library", Source.OURS.toString());
    assertThrows(IllegalArgumentException.class, () -> Source.arxiv("x", "23.1"));
  }
}
