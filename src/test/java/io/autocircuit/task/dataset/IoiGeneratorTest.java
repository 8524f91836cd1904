package io.autocircuit.task.dataset;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.catalogue.Settings;
import io.autocircuit.data.HuggingFaceTokenizer;
import io.autocircuit.data.PromptDataset;
import io.autocircuit.data.PromptPair;
import io.autocircuit.data.SmallTokenizers;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.data.Wording;
import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class IoiGeneratorTest {
  @TempDir static Path folder;

  private static Tokenizer tokenizer;

  @BeforeAll
  static void load() throws IOException {
    tokenizer = WordTokenizers.byteLevel(folder.resolve("gpt2"), Set.of());
  }

  @AfterAll
  static void close() {
    tokenizer.close();
  }

  /** AutoCircuit's positions for GPT-2, which has "Afterwards" in two pieces at the beginning. */
  @ParameterizedTest
  @CsvSource({
    "0,2,4,10,14", "1,2,4,14,18", "2,2,4,11,17", "3,2,4,13,19", "4,2,4,12,14", "5,1,3,9,13",
    "6,1,3,11,16", "7,1,3,11,17", "8,1,3,10,14", "9,1,3,10,14", "10,4,6,12,16", "11,2,4,10,14",
    "12,2,4,11,13", "13,2,4,11,14", "14,1,3,11,14", "vanilla,1,3,9,13"
  })
  void positionsAreThoseOfTheSpecification(String frame, int first, int second, int s2, int end) {
    for (String key : List.of("ioi-abba", "ioi-baba")) {
      DatasetGenerator generator = DatasetGenerator.catalogue().get(key);
      Settings settings = Settings.of(generator.settings(), Map.of("frame", frame));
      Generated made = generator.generate(settings, tokenizer, 20, 3);
      Map<String, Integer> words = made.prompts().wordIdxs();
      boolean abba = key.equals("ioi-abba");
      assertEquals(abba ? first : second, words.get("IO"));
      assertEquals(abba ? second : first, words.get("S1"));
      assertEquals(words.get("S1") + 1, words.get("S1+1"));
      assertEquals(s2, words.get("S2"));
      assertEquals(end, words.get("end"));
      assertEquals(end + 1, made.prompts().seqLabels().size());
      assertEquals(20, made.prompts().tokenize(tokenizer).requireEqualLengths().size());
      assertEquals(20, made.prompts().prompts().size());
    }
  }

  @Test
  void theCorruptPromptHasThreeFreshNames() {
    Pattern form =
        Pattern.compile("When (\\w+) and (\\w+) went to the (\\w+), (\\w+) gave a (\\w+) to");
    Generated made = DatasetGenerator.catalogue().get("ioi").generate(tokenizer, 200, 11);
    Set<String> places = new HashSet<>();
    for (PromptPair pair : made.prompts().prompts()) {
      Matcher clean = form.matcher(text(pair.clean()));
      Matcher corrupt = form.matcher(text(pair.corrupt()));
      assertTrue(clean.matches() && corrupt.matches());
      assertEquals(clean.group(2), clean.group(4));
      assertEquals(" " + clean.group(1), text(pair.answers().get(0).get(0)));
      assertEquals(" " + clean.group(2), text(pair.wrongAnswers().get(0).get(0)));
      Set<String> names =
          Set.of(
              clean.group(1), clean.group(2), corrupt.group(1), corrupt.group(2), corrupt.group(4));
      assertEquals(5, names.size());
      assertEquals(clean.group(3), corrupt.group(3));
      assertEquals(clean.group(5), corrupt.group(5));
      places.add(clean.group(3));
    }
    assertTrue(places.size() > 10, places.toString());
  }

  /** Prompts of several frames say which is theirs, and files keep it. */
  @Test
  void framesAreTemplates() throws IOException {
    Generated made = DatasetGenerator.catalogue().get("ioi-mixed").generate(tokenizer, 60, 1);
    Set<String> names = new HashSet<>();
    for (PromptPair pair : made.prompts().prompts()) {
      names.add(pair.template());
      boolean baba = pair.template().contains("{S1} and {IO}");
      String io = ((Wording.Text) pair.answers().get(0).get(0)).text();
      String subject = ((Wording.Text) pair.wrongAnswers().get(0).get(0)).text();
      String text = " " + ((Wording.Text) pair.clean()).text();
      assertEquals(baba, text.indexOf(subject) < text.indexOf(io), pair.template());
    }
    assertTrue(names.size() > 10 && !names.contains(""), names::toString);
    Path file = folder.resolve("mixed.json");
    DatasetFile.write(file, made, Optional.empty());
    PromptDataset read = PromptDataset.read(file);
    assertEquals(
        made.prompts().prompts().stream().map(PromptPair::template).toList(),
        read.prompts().stream().map(PromptPair::template).toList());
    assertEquals(
        read.prompts().get(7).template(), read.tokenize(tokenizer).prompts().get(7).template());
    Generated one = DatasetGenerator.catalogue().get("ioi").generate(tokenizer, 9, 1);
    assertTrue(one.prompts().prompts().stream().allMatch(p -> p.template().isEmpty()));
  }

  @Test
  void allFramesInBothOrdersAreMixed() {
    Generated made = DatasetGenerator.catalogue().get("ioi-mixed").generate(tokenizer, 400, 1);
    Set<String> beginnings = new HashSet<>();
    int subjectFirst = 0;
    for (PromptPair pair : made.prompts().prompts()) {
      String clean = text(pair.clean());
      beginnings.add(clean.replaceAll("[A-Z]\\w+ and [A-Z]\\w+.*", ""));
      String io = text(pair.answers().get(0).get(0));
      String subject = text(pair.wrongAnswers().get(0).get(0));
      subjectFirst += clean.contains(subject + " and" + io) ? 1 : 0;
    }
    assertTrue(beginnings.size() >= 8, beginnings.toString());
    assertEquals(200, subjectFirst, 60);
    assertTrue(made.prompts().wordIdxs().isEmpty());
    assertTrue(made.prompts().seqLabels().isEmpty());
  }

  @Test
  void wordsThatTheTokenizerSplitsAreDroppedWithACount() throws IOException {
    try (Tokenizer splits =
        WordTokenizers.byteLevel(folder.resolve("splits"), Set.of("Barbara", "Zach"))) {
      Generated made = DatasetGenerator.catalogue().get("ioi").generate(splits, 300, 1);
      assertEquals(
          List.of(
              new Dropped(
                  "names that the tokenizer does not have as one token",
                  2,
                  List.of("Barbara", "Zach"))),
          made.dropped());
      for (PromptPair pair : made.prompts().prompts()) {
        assertFalse((text(pair.clean()) + text(pair.corrupt())).matches(".*(Barbara|Zach).*"));
      }
    }
  }

  @Test
  void tooFewWordsAreRefusedByTheNameOfTheirSlot() throws IOException {
    try (Tokenizer splits =
        HuggingFaceTokenizer.load(
            SmallTokenizers.byteLevel(folder.resolve("few"), "ĠMary", "ĠJohn"))) {
      DataException e =
          assertThrows(
              DataException.class,
              () -> DatasetGenerator.catalogue().get("ioi").generate(splits, 10, 1));
      assertEquals(
          "dataset=ioi slot=names: of its "
              + WordList.of("names").size()
              + " words this tokenizer has 2 that fit, and 6 are needed;"
              + " use the tokenizer of another model, or another dataset",
          e.getMessage());
    }
  }

  private static String text(Wording wording) {
    return ((Wording.Text) wording).text();
  }
}
