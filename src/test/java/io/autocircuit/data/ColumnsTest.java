package io.autocircuit.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ColumnsTest {
  private static final String MIB =
      "{\"prompt\": \"a to\", \"choices\": [\"x\", \"y\"], \"answerKey\": 0,"
          + " \"abc_counterfactual\": {\"prompt\": \"c to\", \"choices\": [\"x\", \"y\"],"
          + " \"answerKey\": 1}, \"symbol_counterfactual\": {\"prompt\": \"s to\","
          + " \"choices\": [\"x\", \"z\"], \"answerKey\": 1}, \"s2_io_flip_counterfactual\":"
          + " {\"prompt\": \"b to\", \"choices\": [\"x\", \"y\"], \"answerKey\": 1}}";

  @TempDir Path folder;

  private Path write(String name, String text) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.writeString(file, text);
  }

  private static void assertPair(
      PromptPair pair, String clean, String corrupt, String answer, String wrong) {
    assertEquals(new Wording.Text(clean), pair.clean());
    assertEquals(new Wording.Text(corrupt), pair.corrupt());
    assertEquals(List.of(List.of(new Wording.Text(answer))), pair.answers());
    assertEquals(
        wrong == null ? List.of(List.of()) : List.of(List.of(new Wording.Text(wrong))),
        pair.wrongAnswers());
  }

  @Test
  void rowsOfJsonLinesAreMapped() throws IOException {
    Path file =
        write(
            "rows.jsonl",
            "{\"q\": \"a to\", \"other\": {\"q\": \"b to\", \"label\": \"y\"}, \"label\": \" x\"}\n"
                + "{\"q\": \"c to\", \"other\": {\"q\": \"d to\", \"label\": \"w\"}, \"label\":"
                + " \"z\"}\n");
    Columns columns =
        Columns.parse(
            "clean=q,corrupt=other.q,answers=label,wrong_answers=other.label,space=answers");
    List<PromptPair> pairs = PromptDataset.read(file, columns).prompts();
    assertPair(pairs.get(0), "a to", "b to", " x", " y");
    assertPair(pairs.get(1), "c to", "d to", " z", " w");
    DataException e =
        assertThrows(
            DataException.class,
            () -> PromptDataset.read(file, Columns.parse("clean=q,corrupt=othr.q,answers=label")));
    assertTrue(
        e.getMessage().contains("prompts[0] has no field othr (did you mean \"other\"?)"),
        e.getMessage());
  }

  @Test
  void aTableIsMapped() throws IOException {
    Path file =
        write(
            "table.csv",
            "Question,Foil,right_idx,names\nto be,to see,7,\"[\"\"k\"\", \"\"l\"\"]\"\n");
    PromptPair ids =
        PromptDataset.read(file, Columns.parse("clean=Question,corrupt=Foil,answers=right_idx"))
            .prompts()
            .get(0);
    assertEquals(7, ((Wording.Ids) ids.answers().get(0).get(0)).ids()[0]);
    assertEquals(List.of(List.of()), ids.wrongAnswers());
    PromptPair texts =
        PromptDataset.read(file, Columns.parse("clean=Question,corrupt=Foil,answers=names"))
            .prompts()
            .get(0);
    assertEquals(List.of(List.of(new Wording.Text("k"), new Wording.Text("l"))), texts.answers());
  }

  @Test
  void presetsOfMibTakeTheCounterfactualOfTheTask() throws IOException {
    Path file = write("mib.jsonl", MIB + "\n" + MIB + "\n");
    assertPair(
        PromptDataset.read(file, Columns.parse("mib-ioi")).prompts().get(0),
        "a to",
        "b to",
        " x",
        " y");
    PromptDataset symbols = PromptDataset.read(file, Columns.parse("mib-mcqa"));
    assertPair(symbols.prompts().get(1), "a to", "s to", " x", " z");
    assertTrue(symbols.remarks().isEmpty(), symbols.remarks().toString());
    assertPair(
        PromptDataset.read(file, Columns.parse("counterfactual=abc_counterfactual"))
            .prompts()
            .get(0),
        "a to",
        "c to",
        " x",
        " y");
  }

  @Test
  void aFolderIsReadBySplit() throws IOException {
    String row =
        "{\"clean\": \"%s\", \"corrupt\": \"b\", \"answers\": [\"x\"], \"wrong_answers\": []}\n";
    write("hub/data/train-00000-of-00002.jsonl", String.format(row, "first"));
    write("hub/data/train-00001-of-00002.jsonl", String.format(row, "second"));
    write("hub/data/test-00000-of-00001.csv", "clean,corrupted,answer,wrong_answer\nt,b,x,y\n");
    write("hub/dataset_info.json", "{\"splits\": 2}");
    write("hub/.cache/train.jsonl", String.format(row, "hidden"));
    write("hub/README.md", "words");
    Path hub = folder.resolve("hub");
    DataException e = assertThrows(DataException.class, () -> PromptDataset.read(hub));
    assertEquals(
        "file=" + hub + " has splits=[test, train]; choose one with --columns split=test",
        e.getMessage());
    List<PromptPair> train = PromptDataset.read(hub, Columns.parse("split=train")).prompts();
    assertEquals(
        List.of(new Wording.Text("first"), new Wording.Text("second")),
        train.stream().map(PromptPair::clean).toList());
    assertPair(
        PromptDataset.read(hub, Columns.parse("split=test")).prompts().get(0), "t", "b", "x", "y");
    DataException none =
        assertThrows(
            DataException.class, () -> PromptDataset.read(hub, Columns.parse("split=dev")));
    assertTrue(
        none.getMessage().contains("has no split=dev, but [test, train]"), none.getMessage());
    String before = PromptDataset.fingerprint(hub, Columns.parse("split=train"));
    assertNotEquals(before, PromptDataset.fingerprint(hub, Columns.parse("split=test")));
    write("hub/data/train-00001-of-00002.jsonl", String.format(row, "changed"));
    assertNotEquals(before, PromptDataset.fingerprint(hub, Columns.parse("split=train")));
  }

  @Test
  void parquetNamesWhatToDo() throws IOException {
    Path file = write("p/train.parquet", "PAR1");
    for (Path place : List.of(file, file.getParent())) {
      DataException e = assertThrows(DataException.class, () -> PromptDataset.read(place));
      assertTrue(
          e.getMessage().startsWith("file=" + file + ": Parquet is not read"), e.getMessage());
      assertTrue(e.getMessage().contains("to_json("), e.getMessage());
    }
    write("model/config.json", "{}");
    DataException model =
        assertThrows(DataException.class, () -> PromptDataset.read(folder.resolve("model")));
    assertTrue(model.getMessage().contains("is a directory of a model"), model.getMessage());
    Path empty = Files.createDirectory(folder.resolve("empty"));
    DataException e = assertThrows(DataException.class, () -> PromptDataset.read(empty));
    assertTrue(e.getMessage().contains("is a directory without files"), e.getMessage());
  }

  @Test
  void columnsAreTypedAsTheyAreWritten() {
    for (String text :
        List.of("split=test", "answers=a,clean=b.c,corrupt=d", "counterfactual=s2_io_flip")) {
      assertEquals(text, Columns.parse(text).toString());
      assertEquals(Columns.parse(text), Columns.parse(Columns.parse(text).toString()));
    }
    assertEquals("counterfactual=s2_io_flip_counterfactual", Columns.parse("mib-ioi").toString());
    for (String wrong : List.of("", "mib-ioj", "clen=a", "clean=", "space=clean", "a=b=c")) {
      assertThrows(IllegalArgumentException.class, () -> Columns.parse(wrong), wrong);
    }
  }

  @Test
  void theYearsOfEapIgSayTheirAnswers() {
    String rows =
        "clean,corrupted,%s\n"
            + "The plan lasted from the year 1642 to the year 16,"
            + "The plan lasted from the year 1601 to the year 16,42\n"
            + "The price of that ring ranges from $ 1703 to $ 17,"
            + "The price of that ring ranges from $ 1701 to $ 17,3\n"
            + "\"1122, 1133, 1150, 1170, 1198, 11\",\"1122, 1133, 1150, 1170, 1201, 12\",98\n";
    for (String column : List.of("label", "correct_idx")) {
      PromptDataset read = PromptDataset.parse(String.format(rows, column), "years.csv");
      int[] years = {42, 3, 98};
      for (int i = 0; i < years.length; i++) {
        List<Wording> right = read.prompts().get(i).answers().get(0);
        List<Wording> wrong = read.prompts().get(i).wrongAnswers().get(0);
        assertEquals(99 - years[i], right.size());
        assertEquals(100, right.size() + wrong.size());
        assertEquals(new Wording.Text(String.format("%02d", years[i] + 1)), right.get(0));
        assertEquals(new Wording.Text("00"), wrong.get(0));
      }
      assertTrue(read.remarks().get(0).contains("greater-than"), read.remarks().toString());
    }
    DataException other =
        assertThrows(
            DataException.class,
            () ->
                PromptDataset.parse(
                    String.format(rows, "label").replace(",42\n", ",43\n"), "y.csv"));
    assertTrue(other.getMessage().contains("names no tokens"), other.getMessage());
  }

  /** What a pair is made of, in every form; other fields of the name are others'. */
  @Test
  void templates() {
    String rest = "\"corrupt\": \"b\", \"answers\": [\"x\"], \"wrong_answers\": [\"y\"]";
    String pairs =
        "[{\"clean\": \"a\", \"template\": \"one\", "
            + rest
            + "}, {\"clean\": \"a\", \"template\": 2, "
            + rest
            + "}, {\"clean\": \"a\", \"template\": {}, \"kind\": \"k\", "
            + rest
            + "}]";
    assertEquals(
        List.of("one", "2", ""),
        PromptDataset.parse(pairs, "x").prompts().stream().map(PromptPair::template).toList());
    String table = "clean,corrupt,answers,wrong_answers,template\na,b,x,y,one\n";
    assertEquals("one", PromptDataset.parse(table, "x.csv").prompts().get(0).template());
  }
}
