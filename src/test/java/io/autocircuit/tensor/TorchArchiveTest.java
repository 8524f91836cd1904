package io.autocircuit.tensor;

import static io.autocircuit.tensor.TorchFiles.archive;
import static io.autocircuit.tensor.TorchFiles.bytes;
import static io.autocircuit.tensor.TorchFiles.dictionary;
import static io.autocircuit.tensor.TorchFiles.tensor;
import static io.autocircuit.tensor.TorchFiles.text;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.files.DataException;
import io.autocircuit.fuzz.Bounded;
import io.autocircuit.tensor.Safetensors.Array;
import io.autocircuit.tensor.TorchArchive.Booleans;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.ZipEntry;
import org.bytedeco.pytorch.ByteVector;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@link TorchArchive}: what torch writes is read, everything else is refused, nothing is run. */
class TorchArchiveTest {
  private static final byte[] SIX = floats(1, 2, 3, 4, 5, 6);

  @TempDir Path directory;

  private static byte[] floats(float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes.array();
  }

  private Path file(byte[] content) throws IOException {
    return Files.write(directory.resolve("f.pt"), content);
  }

  private Object value(String pickle) throws IOException {
    try (TorchArchive archive = TorchArchive.open(file(archive(pickle, SIX)))) {
      return archive.value();
    }
  }

  private void refuses(byte[] content, String... parts) throws IOException {
    Path file = file(content);
    assertFalse(Bounded.reads(content.length, () -> TorchArchive.open(file).close()));
    DataException e = assertThrows(DataException.class, () -> TorchArchive.open(file).close());
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e::getMessage);
    }
    assertTrue(e.getMessage().startsWith("file=" + file), e::getMessage);
  }

  private void refuses(String pickle, String... parts) throws IOException {
    refuses(archive(pickle, SIX), parts);
  }

  // ---- what is read ----

  @Test
  void plainValues() throws IOException {
    String pickle =
        "\u0095\1\0\0\0\0\0\0\0](N\u0088\u0089JÿÿÿÿKÿMÿÿ\u008a\2\0\u0080\u008a\0G?à\0\0\0\0\0\0"
            + text("a")
            + "\u008c\1b\u0094h\0KÁ\u0085)K\1K\2\u0086K\1K\2K\3\u0087e";
    assertEquals(
        Arrays.asList(
            null,
            true,
            false,
            -1L,
            255L,
            65535L,
            -32768L,
            0L,
            0.5,
            "a",
            "b",
            "b",
            List.of(193L),
            List.of(),
            List.of(1L, 2L),
            List.of(1L, 2L, 3L)),
        value(pickle));
  }

  @Test
  void stateDictionariesWithTheVersionsOfTheirModules() throws IOException {
    String pickle =
        "ccollections\nOrderedDict\n)Rq\1("
            + text("w")
            + tensor("FloatStorage", 6, 0, "23", "31")
            + text("v")
            + "ctorch._utils\n_rebuild_parameter\n"
            + tensor("FloatStorage", 6, 5, "", "")
            + "\u0088ccollections\nOrderedDict\n)R\u0087R"
            + "u}"
            + text("_metadata")
            + "ccollections\nOrderedDict\n)Rsb";
    Path file = file(archive(pickle, SIX));
    try (Safetensors read = Safetensors.openTorch(file)) {
      assertEquals(Set.of("v", "w"), read.names());
      assertArrayEquals(new long[] {2, 3}, read.shape("w"));
      assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, read.floats("w"));
      assertArrayEquals(new float[] {6}, read.floats("v"));
      assertEquals("F32", read.dtype("w"));
    }
  }

  @Test
  void tensorsThatDoNotLieRowByRow() throws IOException {
    Path file = file(archive(dictionary(tensor("FloatStorage", 6, 1, "32", "12")), SIX));
    try (Safetensors read = Safetensors.openTorch(file);
        TensorScope scope = new TensorScope()) {
      float[] expected = {2, 4, 3, 5, 4, 6};
      assertArrayEquals(expected, read.floats("t"));
      assertArrayEquals(new float[] {3, 5, 4}, read.floats("t", 2, 3));
      assertArrayEquals(new double[] {2, 4, 3, 5, 4, 6}, read.doubles("t"));
      Tensor tensor = read.tensor("t");
      float[] values = new float[6];
      tensor.data_ptr_float().get(values);
      assertArrayEquals(expected, values);
      assertTrue(scope != null);
    }
  }

  @Test
  void everyTypeOfStorage() throws IOException {
    Map<String, String> types =
        Map.of(
            "HalfStorage", "\0\u003c\0\u00c0",
            "BFloat16Storage", "\u0080\u003f\0\u00c0",
            "DoubleStorage", "\0\0\0\0\0\0ð?\0\0\0\0\0\0\0À",
            "LongStorage", "\1\0\0\0\0\0\0\0þÿÿÿÿÿÿÿ",
            "IntStorage", "\1\0\0\0þÿÿÿ",
            "ShortStorage", "\1\0þÿ",
            "CharStorage", "\1þ");
    for (Map.Entry<String, String> type : types.entrySet()) {
      String pickle = dictionary(tensor(type.getKey(), 2, 0, "2", "1"));
      try (Safetensors read =
          Safetensors.openTorch(file(archive(pickle, bytes(type.getValue()))))) {
        assertArrayEquals(new float[] {1, -2}, read.floats("t"), type.getKey());
      }
    }
    String bool = dictionary(tensor("BoolStorage", 2, 0, "2", "1"));
    try (Safetensors read = Safetensors.openTorch(file(archive(bool, bytes("\1\0"))))) {
      assertArrayEquals(new float[] {1, 0}, read.floats("t"));
    }
  }

  @Test
  void whatTorchWrote() {
    String reference = System.getProperty("reference.dir", "");
    Path folder = Path.of(reference, "tiny-gpt2");
    boolean there = Files.isDirectory(folder);
    if (!there) {
      System.out.println("TorchArchiveTest.whatTorchWrote skipped: no reference.dir");
    }
    assumeTrue(there, "no reference.dir");
    try (TorchArchive read = TorchArchive.open(folder.resolve("eap_ig_graph_neuron.pt"))) {
      Map<?, ?> graph = (Map<?, ?>) read.value();
      assertEquals(
          Map.of("n_layers", 3L, "n_heads", 4L, "parallel_attn_mlp", false, "d_model", 32L),
          graph.get("cfg"));
      TorchTensor neurons = (TorchTensor) graph.get("neurons_scores");
      assertArrayEquals(new long[] {16, 32}, neurons.shape());
      assertEquals("F32", neurons.dtype());
      assertEquals(512, read.floats(neurons).length);
      TorchTensor nodes = (TorchTensor) graph.get("nodes_in_graph");
      assertEquals("BOOL", nodes.dtype());
      assertEquals(16, read.floats(nodes).length);
    }
  }

  // ---- what is written ----

  private static Map<String, Object> sample() {
    Map<String, Object> value = new LinkedHashMap<>();
    value.put("cfg", Map.of("n", 3));
    value.put("names", List.of("a", "ä"));
    value.put("big", 1L << 40);
    value.put("half", 0.5);
    value.put("yes", true);
    value.put("scores", new Array(new long[] {2, 3}, new float[] {1, 2, 3, 4, 5, Float.NaN}));
    value.put("in", new Booleans(new long[] {3}, new boolean[] {true, false, true}));
    value.put("none", new Array(new long[] {0, 4}, new float[0]));
    return value;
  }

  @Test
  void whatIsWrittenIsRead() throws IOException {
    Path file = directory.resolve("w.pt");
    TorchArchive.write(file, sample());
    byte[] first = Files.readAllBytes(file);
    try (TorchArchive archive = TorchArchive.open(file)) {
      Map<?, ?> read = (Map<?, ?>) archive.value();
      assertEquals(List.copyOf(sample().keySet()), List.copyOf(read.keySet()));
      assertEquals(Map.of("n", 3L), read.get("cfg"));
      assertEquals(List.of("a", "ä"), read.get("names"));
      assertEquals(1L << 40, read.get("big"));
      assertArrayEquals(
          new float[] {1, 2, 3, 4, 5, Float.NaN}, archive.floats((TorchTensor) read.get("scores")));
      assertArrayEquals(new float[] {1, 0, 1}, archive.floats((TorchTensor) read.get("in")));
      assertArrayEquals(new long[] {0, 4}, ((TorchTensor) read.get("none")).shape());
    }
    TorchArchive.write(file, sample());
    assertArrayEquals(first, Files.readAllBytes(file));
    assertTrue(TorchArchive.isOne(file));
    assertThrows(IllegalArgumentException.class, () -> TorchArchive.write(file, Map.of("a", 'c')));
    assertArrayEquals(first, Files.readAllBytes(file));
  }

  @Test
  void libtorchReadsWhatIsWritten() throws IOException {
    Path file = directory.resolve("w.pt");
    TorchArchive.write(
        file, List.of(new Array(new long[] {2, 3}, new float[] {1, 2, 3, 4, 5, 6}), "text", 7));
    try (TensorScope scope = new TensorScope();
        ByteVector content = vector(Files.readAllBytes(file))) {
      IValue list = torch.pickle_load(content);
      Tensor tensor = list.toListRef().get(0).toTensor();
      assertArrayEquals(new long[] {2, 3}, tensor.sizes().vec().get());
      assertEquals(6f, tensor.data_ptr_float().get(5));
      assertEquals(7, list.toListRef().get(2).toInt());
      assertTrue(scope != null);
    }
  }

  private static ByteVector vector(byte[] bytes) {
    ByteVector vector = new ByteVector();
    vector.resize(bytes.length);
    for (int i = 0; i < bytes.length; i++) {
      vector.put(i, bytes[i]);
    }
    return vector;
  }

  // ---- what is refused ----

  @Test
  void programs() throws IOException {
    String[][] hostile = {
      {"cos\nsystem\n(" + text("true") + "tR", "it asks for \"os.system\""},
      {"cbuiltins\neval\n(" + text("1") + "tR", "builtins.eval"},
      {text("os") + text("system") + "\u0093(" + text("true") + "tR", "os.system"},
      {"ctorch\nload\n", "torch.load"},
      {"ctorch.hub\nload\n", "torch.hub.load"},
      {"ctorch._utils\n_rebuild_tensor\n", "torch._utils._rebuild_tensor\""},
      {"ctorch\nQInt8Storage\n", "a tensor is of the type \"torch.QInt8Storage\""},
      {"(ios\nsystem\n", "INST"},
      {"(cos\nsystem\no", "os.system"},
      {"(" + text("a") + "o", "OBJ"},
      {"ccollections\nOrderedDict\n)\u0081", "NEWOBJ"},
      {"\u0082\1", "EXT1"},
      {"C\1a", "SHORT_BINBYTES"},
      {"\u008f", "EMPTY_SET"},
      {"ccollections\nOrderedDict\n)R]" + "b", "BUILD"},
      {"]}b", "BUILD"},
      {"ccollections\nOrderedDict\n]\u0085R", "arguments that torch.save does not write"},
      {text("a") + ")R", "it calls what is no function"},
      {"ctorch\nFloatStorage\n)R", "it calls torch.FloatStorage"},
      {"ctorch\nFloatStorage\n", "it holds the name torch.FloatStorage"},
      {"}" + tensor("FloatStorage", 6, 0, "6", "1") + "K\1s", "a key of a dictionary"},
      {")" + "K\1a", "it appends to what is no list"},
      {"]K\1K\1s", "no dictionary"},
    };
    for (String[] pickle : hostile) {
      refuses(pickle[0], pickle[1]);
    }
  }

  @Test
  void damagedPickles() throws IOException {
    String[][] damaged = {
      {"", "ends with 0 values"},
      {"NN", "ends with 2 values"},
      {"(N", "ends with"},
      {"\u0080\1N", "protocol=1"},
      {"h\5", "refers to value 5"},
      {"q\0", "takes more from its stack"},
      {"t", "takes more from its stack"},
      {"]N(a", "takes more from its stack"},
      {"X\u00ff\u00ff\u00ff\u00ffa", "ends too early"},
      {"X\2\0\0\0\u00c3\u0028", "not UTF-8"},
      {"\u008a\11\1\1\1\1\1\1\1\1\1", "an integer of bytes=9"},
      {"\u008bÿÿÿÿ", "ends too early"},
      {"\u0095ÿÿÿÿÿÿÿ\u007f", "ends too early"},
      {"}(K\1u", "key without a value"},
      {"}K\1NsK\1Ns", "key=\"1\" is twice"},
      {"cos", "ends too early"},
      {"0", "no instruction of a pickle"},
      {"]q\0h\0a", "nested deeper than 100 (or in themselves)"},
      {"]".repeat(200) + "a".repeat(199), "nested deeper"},
    };
    for (String[] pickle : damaged) {
      refuses(pickle[0], pickle[1]);
    }
    StringBuilder laughs = new StringBuilder("]q\0");
    for (int i = 0; i < 40; i++) {
      laughs.append("]q").append((char) (i + 1)).append("(h").append((char) i);
      laughs.append("h").append((char) i).append("e");
    }
    refuses("(" + laughs + "t", "share parts so often");
  }

  /** Small files that would take many times their size. */
  @Test
  void picklesOfTooMuch() throws IOException {
    for (String pickle : new String[] {"}", "(", "]\u0094"}) {
      refuses(pickle.repeat(3_000_001 / pickle.length() + 1), "makes more than 3000000 objects");
    }
    refuses("N".repeat(10_000_000), "more than 10000000");
  }

  @Test
  void tensorsBeyondTheirStorage() throws IOException {
    String[][] wrong = {
      {tensor("FloatStorage", 5, 0, "5", "1"), "storage=\"0\" has bytes=24, but 5 elements of F32"},
      {tensor("DoubleStorage", 6, 0, "6", "1"), "6 elements of F64"},
      {tensor("FloatStorage", 6, 1, "6", "1"), "reaches beyond its storage of elements=6"},
      {tensor("FloatStorage", 6, 0, "23", "41"), "reaches beyond"},
      {tensor("FloatStorage", 6, 0, "33", "00"), "repeats its elements"},
      {tensor("FloatStorage", 6, 0, "23", "3"), "not do it"},
      {
        tensor("FloatStorage", 6, 0, "6", "1").replace(text("0"), text("9")),
        "storage=\"9\" is missing"
      },
      {tensor("FloatStorage", 6, 0, "6", "1").replace("K\6tQ", "JÿÿÿÿtQ"), "-1 elements"},
      {tensor("FloatStorage", 6, 0, "6", "1").replace("QK\0", "QJÿÿÿÿ"), "reaches beyond"},
      {
        tensor("FloatStorage", 6, 0, "6", "1")
            .replace("(K\6t(K\1t", "(\u008a\10ÿÿÿÿÿÿÿ\u007f\u008a\10ÿÿÿÿÿÿÿ\u007ft(K\1K\1t"),
        "reaches beyond"
      },
      {
        tensor("FloatStorage", 6, 0, "6", "1")
            .replace("(K\6t(K\1t", "(K\0\u008a\10ÿÿÿÿÿÿÿ\u007ft(K\1K\1t"),
        "reaches beyond"
      },
      {"KQQ", "a storage is described"},
    };
    for (String[] pickle : wrong) {
      refuses(dictionary(pickle[0]), pickle[1]);
    }
  }

  @Test
  void archivesThatAreWrong() throws IOException {
    Map<String, byte[]> entries = new LinkedHashMap<>();
    entries.put("a/data.pkl", bytes("\u0080\2}."));
    refuses(TorchFiles.zip(entries, ZipEntry.DEFLATED), "\"a/data.pkl\" is compressed (method=8)");
    entries.put("b/data.pkl", bytes("\u0080\2}."));
    refuses(TorchFiles.zip(entries, ZipEntry.STORED), "data.pkl=2");
    entries.remove("b/data.pkl");
    entries.put("a/byteorder", bytes("big"));
    refuses(TorchFiles.zip(entries, ZipEntry.STORED), "byteorder=\"big\", not \"little\"");
    entries.put("a/byteorder", bytes("little"));
    entries.put("a/constants.pkl", bytes("\u0080\2)."));
    refuses(TorchFiles.zip(entries, ZipEntry.STORED), "TorchScript program");
    refuses(TorchFiles.zip(Map.of("x", new byte[1]), ZipEntry.STORED), "data.pkl=0");
    byte[] good = archive(dictionary(tensor("FloatStorage", 6, 0, "6", "1")), SIX);
    for (int length = 0; length < good.length; length++) {
      refuses(Arrays.copyOf(good, length), "");
    }
    for (int i = 0; i < good.length; i++) {
      byte[] changed = good.clone();
      changed[i] ^= 1;
      Path file = file(changed);
      Bounded.reads(good.length, () -> Safetensors.openTorch(file).close());
    }
    byte[] pickle = good.clone();
    String text = new String(good, StandardCharsets.ISO_8859_1);
    pickle[text.indexOf('}', text.indexOf("data.pkl")) + 6] ^= 1;
    refuses(pickle, "data.pkl is damaged (its CRC-32 differs)");
  }

  @Test
  void entriesTwiceAndOverEachOther() throws IOException {
    String good = new String(archive("}", SIX), StandardCharsets.ISO_8859_1);
    Map<String, byte[]> entries = new LinkedHashMap<>();
    entries.put("a/data.pkl", bytes("\u0080\2}."));
    entries.put("a/data/0", SIX);
    entries.put("a/data/1", SIX);
    String twice =
        new String(TorchFiles.zip(entries, ZipEntry.STORED), StandardCharsets.ISO_8859_1);
    refuses(bytes(twice.replace("a/data/1", "a/data/0")), "entry=\"a/data/0\" is there twice");
    // the directory gives the last entry the bytes of the one before
    int last = twice.lastIndexOf("PK\1\2");
    int before = twice.lastIndexOf("PK\1\2", last - 1);
    String moved =
        twice.substring(0, last + 42)
            + twice.substring(before + 42, before + 46)
            + twice.substring(last + 46);
    refuses(bytes(moved), "\"a/data/1\" has another name in the directory");
    // an entry that reaches into the next
    int size = before + 24;
    String longer =
        twice.substring(0, before + 20) + "\40\0\0\0\40\0\0\0" + twice.substring(size + 4);
    refuses(bytes(longer), "\"a/data/1\" overlaps the one before");
    int flags = good.indexOf("PK\1\2") + 8;
    refuses(bytes(good.substring(0, flags) + "\1" + good.substring(flags + 1)), "is encrypted");
  }

  @Test
  void filesOfOtherKinds() throws IOException {
    refuses(
        bytes("\u0080\2\u008a\nlü\u009cFù j¨P\31.\u0080\2M\351\3."),
        "format of torch before 1.6",
        "torch.save(torch.load(FILE");
    refuses(bytes("\u0080\4}."), "or a plain one");
    refuses(bytes("./\0" + "\0".repeat(200)), "format of torch before 1.6");
    refuses(bytes("version https://git-lfs.github.com/spec/v1\n"), "Git LFS pointer");
    refuses(bytes("hello"), "it is text");
    refuses(new byte[400], "does not begin as a ZIP archive");
    Path folder = directory;
    assertThrows(DataException.class, () -> TorchArchive.open(folder));
    assertFalse(TorchArchive.isOne(folder.resolve("none")));
    Path file = file(archive("]", SIX));
    DataException e = assertThrows(DataException.class, () -> Safetensors.openTorch(file));
    assertTrue(e.getMessage().contains("no dictionary of tensors"), e::getMessage);
    Path nested = file(archive(dictionary("}"), SIX));
    e = assertThrows(DataException.class, () -> Safetensors.openTorch(nested));
    assertTrue(e.getMessage().contains("key=\"t\" is no tensor"), e::getMessage);
  }
}
