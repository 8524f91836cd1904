package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.files.DataException;
import io.autocircuit.tensor.Safetensors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Whatever is wrong, {@code discover} prints one clear line on standard error, ends with 2 for
 * wrong usage and 1 for bad data, and leaves nothing behind.
 */
@Tag("slow")
class DiscoverBadInputTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;
  private Path model;
  private Path out;

  @BeforeEach
  void copyTheEmbeddedDefault() throws IOException {
    model = Ran.embeddedCopy(folder.resolve("model"));
    out = folder.resolve("results").resolve("of").resolve("this");
  }

  // ---- the model

  @Test
  void aModelThatIsNotThere() {
    bad(withModel(folder.resolve("nowhere")), "nowhere does not exist", "config.json");
  }

  @Test
  void aModelWithoutConfigOrWeights() throws IOException {
    Files.delete(model.resolve("model.safetensors"));
    bad(withModel(model), "holds neither model.safetensors nor model.safetensors.index.json");
    Files.delete(model.resolve("config.json"));
    bad(withModel(model), "has no config.json");
  }

  @Test
  void anUnsupportedModelNamesTheSupportedOnes() throws IOException {
    Files.writeString(model.resolve("config.json"), "{\"model_type\": \"mamba\"}");
    bad(
        withModel(model),
        "model_type=\"mamba\" is not supported",
        "gpt2",
        "gpt_neox",
        "llama",
        "HookedTransformer");
  }

  @Test
  void aConfigThatIsNotJsonTellsThePlace() throws IOException {
    Files.writeString(model.resolve("config.json"), "{\n\"architecture\": oops}");
    bad(withModel(model), "config.json line=2 column=", "invalid JSON");
  }

  @Test
  void truncatedWeights() throws IOException {
    byte[] bytes = weights();
    write(java.util.Arrays.copyOf(bytes, bytes.length - 1000));
    bad(withModel(model), "model.safetensors", "outside the", "truncated file?");
    write(java.util.Arrays.copyOf(bytes, 3));
    bad(withModel(model), "model.safetensors", "too short");
  }

  @Test
  void offsetsPastTheEnd() throws IOException {
    changeHeader(
        h -> {
          ArrayNode offsets = (ArrayNode) h.get("unembed.b_U").get("data_offsets");
          offsets.set(1, offsets.get(1).asLong() + 4096);
        });
    bad(withModel(model), "tensor=\"unembed.b_U\"", "data_offsets=", "outside the");
  }

  @Test
  void overlappingTensors() throws IOException {
    changeHeader(
        h ->
            ((ObjectNode) h.get("blocks.1.attn.W_Q"))
                .set("data_offsets", h.get("blocks.0.attn.W_Q").get("data_offsets")));
    bad(withModel(model), "tensor=\"blocks.1.attn.W_Q\"", "overlap");
  }

  @Test
  void anAbsurdHeaderLength() throws IOException {
    byte[] bytes = weights();
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, 1L << 60);
    write(bytes);
    bad(withModel(model), "header length=1152921504606846976", "does not fit");
  }

  @Test
  void aMissingTensor() throws IOException {
    changeTensors(t -> t.remove("blocks.1.attn.W_K"));
    bad(withModel(model), "tensor=\"blocks.1.attn.W_K\"", "is missing");
  }

  @Test
  void aTensorOfTheWrongShape() throws IOException {
    changeTensors(
        t ->
            t.computeIfPresent(
                "blocks.1.attn.W_K",
                (name, a) -> new Safetensors.Array(new long[] {4, 16, 64}, a.data())));
    bad(
        withModel(model),
        "tensor=\"blocks.1.attn.W_K\" has shape=[4, 16, 64]",
        "needs shape=[4, 64, 16]");
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY})
  void weightsThatAreNotFinite(float wrong) throws IOException {
    changeTensors(t -> t.get("blocks.1.attn.W_K").data()[5] = wrong);
    bad(withModel(model), "tensor=\"blocks.1.attn.W_K\"", "not a finite");
  }

  @Test
  void weightsSoLargeThatLogitsOverflow() throws IOException {
    changeTensors(t -> java.util.Arrays.fill(t.get("unembed.W_U").data(), 3e38f));
    bad(withModel(model), "logits that are not finite");
  }

  @Test
  void aModelWithoutPrompts() {
    wrongUsage(List.of("--model", model), "--model needs --dataset");
  }

  // ---- the prompts

  @Test
  void promptsThatAreNotThere() {
    bad(List.of("--dataset", folder.resolve("none.json")), "none.json does not exist");
    bad(List.of("--dataset", folder), "is a directory");
  }

  @Test
  @org.junit.jupiter.api.condition.EnabledOnOs(org.junit.jupiter.api.condition.OS.LINUX)
  void whatCannotBeReadTwice() {
    for (String option : List.of("--dataset", "--official", "--scores")) {
      bad(List.of(option, "/dev/null"), "/dev/null is a pipe or a device", "write it to a file");
    }
  }

  @Test
  void malformedPromptsTellThePlace() throws IOException {
    Path file =
        Files.writeString(folder.resolve("p.json"), "{\"prompts\": [\n{\"clean\": [1 2]}]}");
    bad(List.of("--dataset", file), "p.json line=2 column=", "invalid JSON");
    Files.writeString(file, "");
    bad(List.of("--dataset", file), "p.json", "empty");
  }

  @ParameterizedTest
  @ValueSource(strings = {"clean", "corrupt", "answers", "wrong_answers"})
  void aMissingField(String field) throws IOException {
    bad(prompts(p -> ((ObjectNode) p.get(3)).remove(field)), "prompts[3] has no field " + field);
  }

  @Test
  void noPrompts() throws IOException {
    bad(prompts(ArrayNode::removeAll), "holds no prompts");
  }

  @Test
  void aTokenOutsideTheVocabulary() throws IOException {
    bad(
        prompts(p -> ((ArrayNode) p.get(2).get("clean")).set(3, 64)),
        "prompts[2].clean has token id=64",
        "vocabulary=64");
    bad(
        prompts(p -> ((ArrayNode) p.get(2).get("answers")).set(0, 64)),
        "prompts[2].answers has token id=64");
  }

  @Test
  void aPromptLongerThanTheContext() throws IOException {
    bad(
        prompts(
            p -> {
              for (String side : List.of("clean", "corrupt")) {
                ArrayNode ids = (ArrayNode) p.get(2).get(side);
                while (ids.size() < 25) {
                  ids.add(7);
                }
              }
            }),
        "prompts[2].clean has tokens=25",
        "context=24");
  }

  @Test
  void unequalLengthsWithTokenPositions() throws IOException {
    List<Object> shorter =
        prompts(
            p -> {
              ((ArrayNode) p.get(2).get("clean")).remove(1);
              ((ArrayNode) p.get(2).get("corrupt")).remove(1);
            });
    List<Object> words = new ArrayList<>(shorter);
    words.add("--token-positions");
    bad(words, "prompts[0] has tokens=16 but prompts[2] has tokens=15", "one length");
  }

  @Test
  void unequalLengthsOfAPair() throws IOException {
    bad(
        prompts(p -> ((ArrayNode) p.get(2).get("clean")).remove(1)),
        "prompts[2] has clean tokens=15 but corrupt tokens=16",
        "pad");
  }

  @Test
  void textWithoutATokenizer() throws IOException {
    bad(
        prompts(p -> ((ObjectNode) p.get(2)).put("clean", "hello")),
        "prompts[2].clean=\"hello\" is text and there is no tokenizer",
        "tokenizer.json");
  }

  @Test
  void anAnswerOfSeveralTokensShowsThem() throws IOException {
    Path stories = Path.of(System.getProperty("reference.dir", "")).resolve("stories260k/model");
    boolean there = Files.isDirectory(stories);
    if (!there) {
      System.out.println("DiscoverBadInputTest: one test skipped, no stories260k at reference.dir");
    }
    Assumptions.assumeTrue(there, "no stories260k at reference.dir, which has the tokenizer");
    Path file =
        Files.writeString(
            folder.resolve("p.json"),
            "{\"prompts\": [{\"clean\": \"Lily\", \"corrupt\": \"Tim\","
                + " \"answers\": [\"Sheherazade\"], \"wrong_answers\": [\"He\"]}]}");
    bad(
        List.of("--model", stories, "--dataset", file),
        "prompts[0].answers[0]=\"Sheherazade\" is not one token but 6: [\"▁She\", \"her\"");
  }

  @Test
  void cleanEqualToCorruptEverywhere() throws IOException {
    bad(
        prompts(p -> p.forEach(q -> ((ObjectNode) q).set("corrupt", q.get("clean")))),
        "clean equals corrupt in all prompts=64");
  }

  @Test
  void noWrongAnswers() throws IOException {
    List<Object> words =
        new ArrayList<>(prompts(p -> ((ArrayNode) p.get(5).get("wrong_answers")).removeAll()));
    bad(words, "prompts[5].wrong_answers is empty", "--answer-function avg_val");
    words.addAll(List.of("--answer-function", "avg_val", "--edges", "0,9"));
    words.addAll(List.of("--out", folder.resolve("fine")));
    words.add(0, "discover");
    Ran fine = Ran.command(words.toArray());
    assertEquals(0, fine.code(), fine::err);
    assertTrue(
        fine.out().lines().filter(l -> l.contains("logit_diff") && l.contains("left out")).count()
            == 1,
        () -> "says what it leaves out, in one line: " + fine.out());
  }

  @Test
  void answersForPositionsThatTheSliceLacks() throws IOException {
    wrongUsage(
        prompts(
            p ->
                p.forEach(
                    q -> {
                      for (String side : List.of("answers", "wrong_answers")) {
                        ArrayNode list = JSON.createArrayNode();
                        JsonNode answer = q.get(side);
                        for (int i = 0; i < 15; i++) {
                          list.add(answer.deepCopy());
                        }
                        ((ObjectNode) q).set(side, list);
                      }
                    })),
        "answers for positions=15, but --slice last looks at positions=1",
        "--slice");
  }

  @Test
  void morePromptsThanThereAre() {
    wrongUsage(List.of("--train", 60, "--test", 60), "train=60 and test=60", "prompts=64");
    wrongUsage(List.of("--test", 64), "--test=64 leaves none of prompts=64");
  }

  @Test
  void allBadPromptsAreListedAtOnce() throws IOException {
    bad(
        prompts(p -> p.forEach(q -> ((ObjectNode) q).set("answers", JSON.valueToTree(ids(999))))),
        "64 of 64 prompts cannot be used",
        "prompts[0].answers has token id=999",
        "prompts[9].answers has token id=999",
        "; and 54 more prompts; use ids from");
    bad(
        prompts(p -> p.forEach(q -> ((ArrayNode) q.get("wrong_answers")).removeAll())),
        "64 of 64 prompts cannot be used: prompts[0].wrong_answers is empty; prompts[1]",
        "--answer-function avg_val");
  }

  private static int[] ids(int... ids) {
    return ids;
  }

  @Test
  void padIsNotAdvisedWhereItCannotHelp() throws IOException {
    List<Object> words =
        new ArrayList<>(prompts(p -> ((ArrayNode) p.get(2).get("clean")).remove(1)));
    bad(words, "or pad them (--pad)");
    words.addAll(List.of("--pad", "--token-positions"));
    bad(words, "prompts[2] has clean tokens=15 but corrupt tokens=16; make them equally long");
  }

  @Test
  void answersThatAreNumbersNeedMse() throws IOException {
    List<Object> words =
        new ArrayList<>(
            prompts(
                p ->
                    p.forEach(
                        q -> ((ObjectNode) q).set("answers", JSON.createArrayNode().add(0.5)))));
    List<Object> gradient = new ArrayList<>(words);
    gradient.addAll(List.of("--answer-function", "avg_diff"));
    bad(gradient, "prompts[0].answers=\"[[0.5]]\" are numbers", "choose --answer-function mse");
    List<Object> probing = new ArrayList<>(words);
    probing.addAll(List.of("--algorithm", "sp", "--target", "answer"));
    bad(probing, "are numbers, but --target answer looks up", "choose --target mse");
    Ran fine = // by itself
        Ran.command(
            "discover",
            words.get(0),
            words.get(1),
            "--edges",
            "0,9",
            "--out",
            folder.resolve("fine"));
    assertEquals(0, fine.code(), fine::err);
    assertTrue(
        fine.out()
            .matches(
                "(?s).*metrics [a-z0-9_, ]*logit_diff[a-z0-9_, ]* are left out: each looks up answers that are tokens.*"),
        fine::out);
  }

  // ---- the official circuit

  @Test
  void anUnknownEdgeListsTheNearest() throws IOException {
    bad(
        official("[\"A0.2->A1.0.KK\"]"),
        "unknown edge \"A0.2->A1.0.KK\"",
        "did you mean \"A0.2->A1.0.K\"");
  }

  @Test
  void anOfficialCircuitThatIsNone() throws IOException {
    bad(official("{}"), "a list of edge names");
    bad(official("[]"), "a list of edge names");
    bad(official("[5]"), "entry \"5\" is neither an edge name nor");
    bad(official("[{\"nme\": \"A0.2->A1.0.K\"}]"), "is neither an edge name nor");
    bad(official("[{\"name\": \"A0.2->A1.0.K\", \"seq_idx\": 3}]"), "position=3 of edge");
    bad(
        official("[{\"name\": \"A0.2->A1.0.K\", \"seq_idx\": -1}]"),
        "seq_idx=-1, which is no position",
        "give null");
    bad(official("[\"A0.2->A1.0.K\""), "line=1 column=", "invalid JSON");
  }

  // ---- usage

  @Test
  void unknownNamesListTheNearest() {
    wrongUsage(List.of("--algorithm", "epa"), "unknown algorithm \"epa\"", "\"eap\"");
    wrongUsage(List.of("--ablation", "resamle"), "unknown ablation", "\"resample\"");
    wrongUsage(List.of("--metrics", "kldiv"), "unknown metric", "\"kl_div\"");
    wrongUsage(List.of("--processing", "foldln"), "unknown processing step", "\"fold_ln\"");
    wrongUsage(List.of("--random-weights", "gpt2-smal"), "\"gpt2-small\"");
    wrongUsage(List.of("--algorithm", "acdc", "--target", "mze"), "\"mse\"");
    wrongUsage(List.of("--grad-function", "logt"), "--grad-function", "\"logit\"");
    wrongUsage(List.of("--mask-fn", "sigmod"), "--mask-fn", "\"sigmoid\"");
    wrongUsage(List.of("--patch-type", "branch"), "--patch-type", "\"edge\", \"tree\"");
    wrongUsage(List.of("--modle", "x"), "unknown option \"--modle\"", "did you mean --model?");
    wrongUsage(List.of("extra"), "unexpected \"extra\"");
  }

  @ParameterizedTest
  @CsvSource({
    "--edges,5000",
    "--edges,-3",
    "--edges,1.5",
    "--edges,some",
    "--batch-size,0",
    "--batch-size,many",
    "--threads,0",
    "--train,0",
    "--test,-1",
    "--samples,0",
    "--epochs,0",
    "--tau,0",
    "--tau,NaN",
    "--learning-rate,0",
    "--learning-rate,Infinity",
    "--lambda,-1",
    "--dropout,1",
    "--mask-value,NaN",
    "--circuit-size,-1",
    "--seed,x",
    "--random-prompts,8x8"
  })
  void settingsOutOfRange(String option, String value) {
    wrongUsage(List.of(option, value), option);
  }

  @Test
  void settingsThatContradictEachOther() {
    wrongUsage(
        List.of("--algorithm", "ground-truth", "--circuit", "none"),
        "needs --official",
        "--circuit");
    wrongUsage(List.of("--circuit", "inductoin"), "unknown circuit", "\"induction\"");
    wrongUsage(List.of("--circuit", "induction", "--official", "x.json"), "not both");
    wrongUsage(List.of("--model", model, "--random-weights", "tiny"), "not both");
    wrongUsage(List.of("--model", model, "--task", "induction"), "--task or --model, not both");
    wrongUsage(
        List.of("--task", "induction", "--random-weights", "tiny"), "belongs to --task random");
    wrongUsage(List.of("--task", "inducton"), "unknown task \"inducton\"", "\"induction\"");
    wrongUsage(List.of("--random-weights", "tiny", "--random-prompts", "8"), "--random-prompts=8");
    wrongUsage(
        List.of("--algorithm", "sp", "--circuit-size", 82),
        "--circuit-size=82 exceeds",
        "edges=81");
    wrongUsage(
        List.of("--random-weights", "tiny", "--random-prompts", "8x1000"), "--random-prompts=8x");
  }

  @Test
  void settingsOfAnotherAlgorithmAreMentioned() {
    Ran ran = Ran.command("discover", "--tau", 0.1, "--edges", "9", "--out", out);
    assertEquals(0, ran.code(), ran::err);
    assertTrue(ran.out().contains("note: --tau has no effect on eap; it belongs to acdc"));
  }

  @Test
  void theOtherCommandsToo() {
    assertLine(Ran.command(), 2, "no command given", "discover");
    assertLine(Ran.command("discovr"), 2, "unknown command \"discovr\"", "\"discover\"");
    assertLine(Ran.command("list"), 2, "WHAT");
    assertLine(Ran.command("list", "metric"), 2, "\"metrics\"");
    assertLine(Ran.command("bench", "--shape", "gpt2-smal"), 2, "\"gpt2-small\"");
    assertLine(Ran.command("bench", "--shape", "tiny", "--batch", 0), 2, "--batch=0");
    assertLine(Ran.command("bench", "--shape", "tiny", "--seq", 5000), 2, "5000", "context");
    assertLine(Ran.command("train-induction"), 2, "--out");
    assertLine(Ran.command("train-induction", "--out", out, "--prompts", 0), 2, "prompts=0");
    assertLine(
        Ran.command("train-induction", "--out", model.resolve("config.json")), 1, "is a file");
    assertFalse(Files.exists(folder.resolve("results")));
  }

  // ---- the output

  @Test
  void outputBelowAFile() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "mine");
    assertLine(Ran.command("discover", "--out", file), 1, "file is a file");
    assertLine(Ran.command("discover", "--out", file.resolve("a/b")), 1, "file is a file");
    assertEquals("mine", Files.readString(file));
  }

  @Test
  void outputWhereADirectoryHasTheNameOfAFile() throws IOException {
    Files.createDirectories(out.resolve("report.html"));
    assertLine(Ran.command("discover", "--out", out), 1, "report.html is a directory");
    try (var left = Files.list(out)) {
      assertEquals(List.of(out.resolve("report.html")), left.toList());
    }
  }

  @Test
  void aFailureLeavesEarlierResultsAsTheyWere() throws IOException {
    Files.createDirectories(out);
    Files.writeString(out.resolve("edges.json"), "earlier");
    Ran ran = Ran.command("discover", "--dataset", folder.resolve("no.json"), "--out", out);
    assertLine(ran, 1, "no.json does not exist");
    try (var left = Files.list(out)) {
      assertEquals(List.of(out.resolve("edges.json")), left.toList());
    }
    assertEquals("earlier", Files.readString(out.resolve("edges.json")));
  }

  // ---- what cannot be foreseen

  @Test
  void verboseAddsTheStackTrace() {
    Ran data =
        Ran.command("discover", "--dataset", folder.resolve("no.json"), "--out", out, "--verbose");
    assertEquals(1, data.code());
    assertTrue(data.err().startsWith("autocircuit: file="));
    assertTrue(data.err().contains("\tat io.autocircuit."));
    Ran usage = Ran.command("discover", "--edges", "x", "--verbose");
    assertEquals(2, usage.code());
    assertTrue(usage.err().contains("\tat io.autocircuit."));
  }

  /** Arguments from a file may have any length. */
  @Test
  void longArgumentsAreCut() throws IOException {
    String huge = "x".repeat(5_000_000);
    for (String option :
        List.of(
            "--edges", "--memory", "--algorithm", "--ablation", "--device", "--bos", "--" + huge)) {
      Path words = folder.resolve("words");
      Files.writeString(words, "discover\n" + option + "\n" + huge + "\n");
      Ran ran = Ran.command("@" + words);
      assertEquals(2, ran.code());
      assertTrue(ran.err().length() < 5000, option.length() + ": " + ran.err().length());
    }
  }

  @Test
  void memoryAndNativeErrorsAreOneLine() {
    String torch =
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory:"
            + " you tried to allocate 7 bytes. Error code 12\nException raised from here\nframe #0";
    String described = Main.described(new RuntimeException(torch), false);
    assertTrue(described.startsWith("out of memory ("), described);
    assertTrue(described.contains("--batch-size"), described);
    assertFalse(described.contains("frame"), described);
    assertEquals(
        "out of memory on the device (CUDA out of memory. Tried to allocate 2.00 GiB.); use a"
            + " smaller --memory or --batch-size, or end other programs on the device",
        Main.described(
            new RuntimeException("CUDA out of memory. Tried to allocate 2.00 GiB.\nframe #0"),
            false));
    assertEquals(
        "out of memory (Java heap space); give Java more (java -Xmx8g -jar …); --memory does not"
            + " count Java's own heap",
        Main.described(new OutOfMemoryError("Java heap space"), false));
    RuntimeException whileLoading = new RuntimeException(torch);
    whileLoading.setStackTrace(
        new StackTraceElement[] {
          new StackTraceElement("org.bytedeco.pytorch.global.torch", "empty", null, -2),
          new StackTraceElement("io.autocircuit.tensor.Safetensors", "tensor", null, 1),
          new StackTraceElement("io.autocircuit.model.ModelLoader", "load", null, 1)
        });
    String loading = Main.described(whileLoading, false);
    assertTrue(loading.contains("the model does not fit"), loading);
    assertFalse(loading.contains("--memory"), loading);
    String other = Main.described(new RuntimeException("size mismatch\nframe #0: c10"), false);
    assertEquals(
        "internal error: RuntimeException: size mismatch (run with --verbose for the stack trace)",
        other);
    assertEquals("plain", Main.described(new DataException("plain"), false));
    assertEquals(
        "native library missing: x",
        Main.described(new IllegalStateException("native library missing: x"), false));
  }

  // ---- helpers

  private List<Object> withModel(Path directory) {
    return List.of("--model", directory, "--dataset", model.resolve("prompts.json"));
  }

  private void bad(List<Object> words, String... parts) {
    expect(words, 1, parts);
  }

  private void wrongUsage(List<Object> words, String... parts) {
    expect(words, 2, parts);
  }

  private void expect(List<Object> words, int code, String... parts) {
    List<Object> line = new ArrayList<>(List.of("discover", "--out", out));
    line.addAll(words);
    assertLine(Ran.command(line.toArray()), code, parts);
    assertFalse(Files.exists(folder.resolve("results")), "something was written");
  }

  private static void assertLine(Ran ran, int code, String... parts) {
    assertEquals(code, ran.code(), () -> "exit code; stderr: " + ran.err());
    // what is run is printed before the work; nothing else may be
    assertTrue(
        ran.out().lines().allMatch(l -> l.matches("((model|prompts|device|scoring|judging): .*)?")),
        ran::out);
    assertTrue(ran.err().startsWith("autocircuit: "), ran::err);
    assertEquals(1, ran.err().lines().count(), ran::err);
    assertFalse(ran.err().contains("Exception:"), ran::err);
    for (String part : parts) {
      assertTrue(ran.err().contains(part), () -> "\"" + part + "\" is not in: " + ran.err());
    }
  }

  private List<Object> prompts(Consumer<ArrayNode> change) throws IOException {
    ObjectNode root = (ObjectNode) JSON.readTree(Ran.embedded("prompts.json"));
    change.accept((ArrayNode) root.get("prompts"));
    Path file = folder.resolve("prompts.json");
    Files.write(file, JSON.writeValueAsBytes(root));
    return List.of("--dataset", file);
  }

  private List<Object> official(String json) throws IOException {
    return List.of("--official", Files.writeString(folder.resolve("official.json"), json));
  }

  private byte[] weights() throws IOException {
    return Files.readAllBytes(model.resolve("model.safetensors"));
  }

  private void write(byte[] bytes) throws IOException {
    Files.write(model.resolve("model.safetensors"), bytes);
  }

  private void changeHeader(Consumer<ObjectNode> change) throws IOException {
    byte[] bytes = weights();
    int length = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
    ObjectNode header =
        (ObjectNode) JSON.readTree(new String(bytes, 8, length, StandardCharsets.UTF_8));
    change.accept(header);
    byte[] changed = JSON.writeValueAsBytes(header);
    ByteBuffer file =
        ByteBuffer.allocate(bytes.length - length + changed.length).order(ByteOrder.LITTLE_ENDIAN);
    file.putLong(changed.length).put(changed).put(bytes, 8 + length, bytes.length - 8 - length);
    write(file.array());
  }

  private void changeTensors(Consumer<Map<String, Safetensors.Array>> change) throws IOException {
    Map<String, Safetensors.Array> tensors = new LinkedHashMap<>();
    try (Safetensors file = Safetensors.open(model)) {
      for (String name : file.names()) {
        tensors.put(name, new Safetensors.Array(file.shape(name), file.floats(name)));
      }
    }
    change.accept(tensors);
    Safetensors.write(model.resolve("model.safetensors"), tensors, Map.of());
  }
}
