package io.autocircuit.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.autocircuit.Forked;
import io.autocircuit.files.DataException;
import io.autocircuit.fuzz.Bounded;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@SuppressWarnings("try") // scopes work without being mentioned
@Tag("slow")
class SafetensorsTest {
  @TempDir Path directory;

  // ---- what is read ----

  @Test
  void whatIsWrittenIsReadBack() {
    Path file = directory.resolve("a.safetensors");
    Safetensors.write(
        file,
        Map.of(
            "b.weight", array(new long[] {2, 3}, 1, 2, 3, 4, 5, -6.5f),
            "a", array(new long[] {}, 7),
            "empty", array(new long[] {3, 0, 2}),
            "naïve \"name\"\n", array(new long[] {1}, 8)),
        Map.of("made by", "a test"));
    try (Safetensors read = Safetensors.open(file);
        TensorScope scope = new TensorScope()) {
      assertEquals(Set.of("a", "b.weight", "empty", "naïve \"name\"\n"), read.names());
      assertEquals(Map.of("made by", "a test"), read.metadata());
      assertEquals("F32", read.dtype("a"));
      assertArrayEquals(new long[] {2, 3}, read.shape("b.weight"));
      assertArrayEquals(new float[] {1, 2, 3, 4, 5, -6.5f}, read.floats("b.weight"));
      assertArrayEquals(new double[] {1, 2, 3, 4, 5, -6.5}, read.doubles("b.weight"));
      assertArrayEquals(new float[] {1, 2, 3, 4, 5, -6.5f}, values(read.tensor("b.weight")));
      assertArrayEquals(new long[] {2, 3}, read.tensor("b.weight").shape());
      assertTrue(read.tensor("b.weight").is_contiguous());
      assertEquals(torch.ScalarType.Float, read.tensor("a").scalar_type().intern());
      assertEquals(0, read.tensor("a").dim());
      assertEquals(7, read.tensor("a").item_float());
      assertArrayEquals(new long[] {3, 0, 2}, read.tensor("empty").shape());
      assertArrayEquals(new float[0], read.floats("empty"));
      assertTrue(read.contains("a"));
      assertFalse(read.contains("c"));
    }
  }

  @Test
  void sameTensorsGiveTheSameBytesWhateverTheOrderOfTheMap() throws IOException {
    Map<String, Safetensors.Array> one = new HashMap<>();
    Map<String, Safetensors.Array> other = new LinkedHashMap<>();
    for (int i = 0; i < 50; i++) {
      one.put("t" + i, array(new long[] {1}, i));
      other.put("t" + (49 - i), array(new long[] {1}, 49 - i));
    }
    Path a = directory.resolve("a.safetensors");
    Path b = directory.resolve("b.safetensors");
    Safetensors.write(a, one, Map.of("x", "1", "y", "2", "z", "3"));
    Safetensors.write(b, other, Map.of("z", "3", "y", "2", "x", "1"));
    assertArrayEquals(Files.readAllBytes(a), Files.readAllBytes(b));
    long headerLength =
        ByteBuffer.wrap(Files.readAllBytes(a)).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
    assertEquals(0, headerLength % 8);
  }

  @Test
  void largeTensorsAreReadInSeveralChunks() {
    float[] data = new float[700_001];
    for (int i = 0; i < data.length; i++) {
      data[i] = i;
    }
    Path file = directory.resolve("a.safetensors");
    Safetensors.write(
        file, Map.of("t", new Safetensors.Array(new long[] {700_001}, data)), Map.of());
    try (Safetensors read = Safetensors.open(file);
        TensorScope scope = new TensorScope()) {
      assertArrayEquals(data, read.floats("t"));
      assertArrayEquals(data, values(read.tensor("t")));
      assertEquals(700_000, read.doubles("t")[700_000]);
    }
  }

  @Test
  void everyTypeIsConvertedToFloat32() throws IOException {
    ByteBuffer data = ByteBuffer.allocate(200).order(ByteOrder.LITTLE_ENDIAN);
    StringBuilder header = new StringBuilder("{");
    entry(header, data, "bool", "BOOL", 3, b -> b.put((byte) 0).put((byte) 1).put((byte) 7));
    entry(header, data, "u8", "U8", 2, b -> b.put((byte) 200).put((byte) 3));
    entry(header, data, "i8", "I8", 2, b -> b.put((byte) -100).put((byte) 3));
    entry(header, data, "i16", "I16", 2, b -> b.putShort((short) -300).putShort((short) 9));
    entry(header, data, "u16", "U16", 1, b -> b.putShort((short) 65535));
    entry(header, data, "i32", "I32", 1, b -> b.putInt(-70000));
    entry(header, data, "u32", "U32", 1, b -> b.putInt(-1));
    entry(header, data, "i64", "I64", 2, b -> b.putLong(-5).putLong((1L << 40) + 1));
    entry(header, data, "u64", "U64", 1, b -> b.putLong(-1));
    // 2^63 + 2^39 + 1 is just above the midpoint of two floats.
    entry(header, data, "u64r", "U64", 1, b -> b.putLong(Long.MIN_VALUE + (1L << 39) + 1));
    // one, the largest, the smallest subnormal, minus infinity, minus zero
    entry(
        header,
        data,
        "f16",
        "F16",
        6,
        b -> {
          for (int h : new int[] {0x3C00, 0x7BFF, 0x0001, 0xFC00, 0x8000, 0x03FF}) {
            b.putShort((short) h);
          }
        });
    entry(
        header, data, "bf16", "BF16", 2, b -> b.putShort((short) 0x3F80).putShort((short) 0xC049));
    entry(header, data, "f32", "F32", 1, b -> b.putFloat(0.1f));
    entry(header, data, "f64", "F64", 2, b -> b.putDouble(0.1).putDouble(1e300));
    header.setCharAt(header.length() - 1, '}');
    byte[] used = new byte[data.position()];
    data.flip().get(used);
    try (Safetensors read = Safetensors.open(file(header.toString(), used));
        TensorScope scope = new TensorScope()) {
      Map<String, float[]> expected = new HashMap<>();
      expected.put("bool", new float[] {0, 1, 1});
      expected.put("u8", new float[] {200, 3});
      expected.put("i8", new float[] {-100, 3});
      expected.put("i16", new float[] {-300, 9});
      expected.put("u16", new float[] {65535});
      expected.put("i32", new float[] {-70000});
      expected.put("u32", new float[] {0x1p32f});
      expected.put("i64", new float[] {-5, 0x1p40f});
      expected.put("u64", new float[] {0x1p64f});
      expected.put("u64r", new float[] {0x1p63f + 0x1p40f});
      expected.put(
          "f16", new float[] {1, 65504, 0x1p-24f, Float.NEGATIVE_INFINITY, -0f, 1023 * 0x1p-24f});
      expected.put("bf16", new float[] {1, -3.140625f});
      expected.put("f32", new float[] {0.1f});
      expected.put("f64", new float[] {0.1f, Float.POSITIVE_INFINITY});
      assertEquals(expected.keySet(), read.names());
      expected.forEach(
          (name, floats) -> {
            assertArrayEquals(floats, read.floats(name), name);
            assertArrayEquals(floats, values(read.tensor(name)), name);
          });
      assertEquals(4294967295.0, read.doubles("u32")[0]);
      assertEquals(0.1, read.doubles("f64")[0]);
      assertEquals(1e300, read.doubles("f64")[1]);
    }
  }

  @Test
  void halfPrecisionAgreesWithLibtorchForEveryBitPattern() throws IOException {
    ByteBuffer data = ByteBuffer.allocate(2 << 16).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < 1 << 16; i++) {
      data.putShort((short) i);
    }
    Path file =
        file(
            "{\"t\":{\"dtype\":\"F16\",\"shape\":[65536],\"data_offsets\":[0,131072]}}",
            data.array());
    try (Safetensors read = Safetensors.open(file);
        TensorScope scope = new TensorScope()) {
      Tensor bits = torch.empty(new long[] {1 << 16}).to(torch.ScalarType.Half);
      new org.bytedeco.javacpp.BytePointer(bits.data_ptr()).put(data.array());
      assertArrayEquals(values(bits.to(torch.ScalarType.Float)), read.floats("t"));
    }
  }

  @Test
  void tensorsBelongToTheScopeAndNothingLeaks() {
    Path file = directory.resolve("a.safetensors");
    int count = 2_000_000;
    Safetensors.write(
        file, Map.of("t", new Safetensors.Array(new long[] {count}, new float[count])), Map.of());
    long before = 0;
    for (int i = 0; i < 220; i++) {
      Tensor tensor;
      try (Safetensors read = Safetensors.open(file);
          TensorScope scope = new TensorScope()) {
        tensor = read.tensor("t");
        assertFalse(tensor.isNull());
      }
      assertTrue(tensor.isNull(), "freed with its scope");
      if (i == 20) {
        before = Pointer.physicalBytes();
      }
    }
    long grown = Pointer.physicalBytes() - before;
    assertTrue(grown < 500L << 20, "200 tensors of 8 MB left " + grown + " bytes behind");
  }

  @Test
  void closedFilesAreClosedAlsoWhenOpeningFails() throws IOException {
    Path fds = Path.of("/proc/self/fd");
    assumeTrue(Files.isDirectory(fds), "skipped: no /proc/self/fd here");
    Path bad =
        file("{\"t\":{\"dtype\":\"F32\",\"shape\":[9],\"data_offsets\":[0,36]}}", new byte[4]);
    Path good = directory.resolve("good.safetensors");
    Safetensors.write(good, Map.of(), Map.of());
    for (int i = 0; i < 50; i++) {
      assertThrows(DataException.class, () -> Safetensors.open(bad));
      Safetensors.open(good).close();
    }
    assertEquals(0, openFiles(fds, bad));
    assertEquals(0, openFiles(fds, good));
    try (Safetensors open = Safetensors.open(good)) {
      assertEquals(1, openFiles(fds, good), open.source().toString());
    }
  }

  private static long openFiles(Path fds, Path file) throws IOException {
    try (Stream<Path> links = Files.list(fds)) {
      return links
          .filter(
              link -> {
                try {
                  return Files.readSymbolicLink(link).equals(file.toRealPath());
                } catch (IOException e) {
                  return false;
                }
              })
          .count();
    }
  }

  @Test
  void readingAfterCloseSaysSo() {
    Path file = directory.resolve("a.safetensors");
    Safetensors.write(file, Map.of("t", array(new long[] {1}, 1)), Map.of());
    Safetensors read = Safetensors.open(file);
    read.close();
    assertThrows(DataException.class, () -> read.floats("t"));
  }

  @Test
  void everyReferenceFileIsRead() throws IOException {
    Path reference = Path.of(System.getProperty("reference.dir", "../shared/reference"));
    assumeTrue(Files.isDirectory(reference), "skipped: no reference files at " + reference);
    List<Path> files;
    try (Stream<Path> all = Files.walk(reference)) {
      files = all.filter(p -> p.toString().endsWith(".safetensors")).toList();
    }
    assertFalse(files.isEmpty());
    for (Path file : files) {
      try (Safetensors read = Safetensors.open(file)) {
        for (String name : read.names()) {
          long count = 1;
          for (long n : read.shape(name)) {
            count *= n;
          }
          assertEquals(count, read.floats(name).length, name);
        }
      }
    }
  }

  // ---- one file that lies ----

  @Test
  void missingFile() {
    rejects(directory.resolve("no.safetensors"), "no.safetensors does not exist");
  }

  @Test
  void emptyFile() throws IOException {
    Path file = directory.resolve("a.safetensors");
    Files.write(file, new byte[0]);
    rejects(file, "size=0 bytes is too short");
  }

  @Test
  void headerLengthBeyondTheFile() throws IOException {
    rejects(raw(1000, "{}", new byte[0]), "header length=1000 bytes does not fit in size=10");
  }

  @Test
  void absurdHeaderLength() throws IOException {
    rejects(raw(Long.MAX_VALUE, "{}", new byte[0]), "header length=9223372036854775807");
  }

  @Test
  void lyingFilesAllocateLittle() throws IOException {
    List<Path> lies = new ArrayList<>();
    for (long length : new long[] {99_999_999, 1L << 31, -1}) {
      lies.add(Files.copy(raw(length, "{}", new byte[9]), directory.resolve("lie" + lies.size())));
    }
    for (String shape : List.of("[100000000]", "[0,100000000]", "[10000,10000,10000]")) {
      Path file = file(tensors("t", "F64", shape, 0, 800_000_000), new byte[8]);
      lies.add(Files.copy(file, directory.resolve("lie" + lies.size())));
    }
    for (Path lie : lies) {
      assertFalse(
          Bounded.reads((int) Files.size(lie), () -> Safetensors.open(lie).close()),
          lie.toString());
    }
  }

  @Test
  void negativeHeaderLength() throws IOException {
    rejects(raw(-1, "{}", new byte[0]), "header length=18446744073709551615");
  }

  @Test
  void headerThatIsNotJson() throws IOException {
    rejects(file("{\"a\": nonsense}", new byte[0]), "(header) line=1 column=", "invalid JSON");
  }

  @Test
  void headerThatIsNotUtf8() throws IOException {
    Path file = file("{\"~\":1}", new byte[0]);
    byte[] bytes = Files.readAllBytes(file);
    bytes[10] = (byte) 0xFF;
    Files.write(file, bytes);
    rejects(file, "not UTF-8");
  }

  @Test
  void headerThatIsNotAnObject() throws IOException {
    rejects(file("[1,2]", new byte[0]), "header does not begin with '{'");
  }

  @Test
  void somethingAfterTheHeader() throws IOException {
    rejects(file("{} {}", new byte[0]), "invalid JSON");
  }

  @Test
  void duplicateNames() throws IOException {
    String t = "\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}";
    rejects(
        file("{" + t + "," + t + "}", new byte[1]), "the name \"t\" occurs twice in one object");
  }

  @Test
  void deeplyNestedHeader() throws IOException {
    rejects(
        file("{\"a\":" + "[".repeat(100_000), new byte[0]), "\"a\" is an array where an object");
    rejects(file("{\"a\":{\"b\":" + "[".repeat(100_000), new byte[0]), "nested deeper than 64");
  }

  @Test
  void truncatedData() throws IOException {
    rejects(
        file(tensors("t", "F32", "[4]", 0, 16), new byte[15]),
        "data_offsets=[0, 16] lie outside the 15 bytes of data");
  }

  @Test
  void moreDataThanTensors() throws IOException {
    rejects(file(tensors("t", "U8", "[4]", 0, 4), new byte[5]), "the tensors end at data offset=4");
  }

  @Test
  void dataWithoutTensors() throws IOException {
    rejects(file("{}", new byte[5]), "the tensors end at data offset=0");
  }

  @Test
  void offsetsInTheWrongOrder() throws IOException {
    rejects(file(tensors("t", "U8", "[4]", 4, 0), new byte[4]), "data_offsets=[4, 0]");
  }

  @Test
  void overlappingTensors() throws IOException {
    String two =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
            + "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}";
    rejects(file(two, new byte[6]), "\"b\"", "they overlap");
  }

  @Test
  void holeBetweenTensors() throws IOException {
    String two =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
            + "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[3,6]}}";
    rejects(file(two, new byte[6]), "\"b\"", "there is a hole");
  }

  @Test
  void sizeThatDoesNotFitTheType() throws IOException {
    rejects(
        file(tensors("t", "F32", "[4]", 0, 4), new byte[4]),
        "takes 4 bytes, but dtype=F32 with shape=[4] needs 16");
  }

  @Test
  void unknownType() throws IOException {
    rejects(
        file(tensors("t", "C64", "[4]", 0, 4), new byte[4]),
        "dtype=\"C64\" cannot be read",
        "BF16");
  }

  @Test
  void typesOfQuantisedWeights() throws IOException {
    for (String dtype : List.of("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ")) {
      rejects(
          file(tensors("t", dtype, "[4]", 0, 4), new byte[4]),
          "dtype=" + dtype + " holds floats of 8 bits: the weights are quantised",
          "BF16");
    }
    rejects(file(tensors("t", "F4", "[8]", 0, 4), new byte[4]), "dtype=F4 holds floats of 4 bits");
  }

  @Test
  void filesOfOtherKinds() throws IOException {
    Map<String, byte[]> files =
        Map.of(
            "is a Git LFS pointer and not the file itself; fetch the file with `git lfs pull`",
            bytes("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
            "is a web page, not the file",
            bytes("<!DOCTYPE html><html><head><title>404</title></head></html>"),
            "is a ZIP archive, perhaps a PyTorch .bin",
            bytes("PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0archive/data.pkl"),
            "is a Python pickle",
            bytes("\200\2\212\nl\374\234F\371 j\250P\31.\200\2M\351\3."),
            "is a GGUF file",
            bytes("GGUF\3\0\0\0\42\1\0\0\0\0\0\0"),
            "is a web page",
            bytes("<html>"));
    for (Map.Entry<String, byte[]> kind : files.entrySet()) {
      Path file = directory.resolve("model.safetensors");
      Files.write(file, kind.getValue());
      rejects(file, "file=" + file, kind.getKey());
      Path index = directory.resolve("x.index.json");
      Files.write(index, kind.getValue());
      rejects(index, "file=" + index, kind.getKey());
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  @Test
  void theFieldsPointerIsNamed() {
    Path field = Path.of(System.getProperty("field.dir", reference() + "/../field"), "lfs-pointer");
    assumeTrue(Files.isDirectory(field), "skipped: no field inputs at " + field);
    rejects(field, "is a Git LFS pointer");
  }

  private static String reference() {
    return System.getProperty("reference.dir", "../shared/reference");
  }

  @Test
  void tooManyTensorsAndTooLongNames() throws IOException {
    String one = "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}";
    StringBuilder header = new StringBuilder("{");
    for (int i = 0; i <= 250_000; i++) {
      header.append(i == 0 ? "\"" : ",\"").append(i).append(one);
    }
    rejects(file(header.append('}').toString(), new byte[0]), "more than 250000 tensors");
    rejects(
        file("{\"" + "n".repeat(1001) + one + "}", new byte[0]),
        "has a name of 1001 characters, more than 1000");
    try (Safetensors read =
        Safetensors.open(file("{\"" + "n".repeat(1000) + one + "}", new byte[0]))) {
      assertEquals(1, read.names().size());
    }
  }

  @Test
  void fieldsOfATensorInAnyOrderAndOthersIgnored() throws IOException {
    String header =
        "{\"t\":{\"data_offsets\":[0,1],\"x\":{\"y\":[1,[2]]},\"shape\":[1],\"dtype\":\"U8\"}}";
    try (Safetensors read = Safetensors.open(file(header, new byte[] {7}))) {
      assertArrayEquals(new float[] {7}, read.floats("t"));
    }
  }

  @Test
  void shapesOfManyAxesAreCut() throws IOException {
    String shape = "[1" + ",1".repeat(63) + "]";
    rejects(
        file(tensors("t", "U8", shape, 0, 4), new byte[4]),
        "shape=[1, 1, 1, 1, 1, 1, 1, 1, … 56 more] needs 1");
  }

  /** What a header holds and nobody keeps takes no memory: in a process with a heap of 64 MB. */
  @Test
  void aHeaderOfEmptyArraysTakesLittleMemory() throws Exception {
    for (String start : List.of("{\"a\":{\"x\":[", "{\"a\":{\"shape\":[", "{\"a\":[")) {
      Path file = directory.resolve("large.safetensors");
      int length = 60_000_000;
      try (java.io.OutputStream out =
          new java.io.BufferedOutputStream(Files.newOutputStream(file))) {
        ByteBuffer prefix = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
        out.write(prefix.putLong(0, length).array());
        out.write(bytes(start));
        byte[] empty = bytes("[],".repeat(1000));
        for (int i = start.length(); i < length; i += empty.length) {
          out.write(empty, 0, Math.min(empty.length, length - i));
        }
      }
      List<String> lines =
          Forked.run(
              directory.resolve("log"),
              List.of("-Xmx64m"),
              Map.of(),
              Opening.class,
              file.toString());
      assertTrue(lines.get(lines.size() - 1).startsWith("refused: file="), lines.toString());
    }
  }

  /** Opens a file that must be refused. */
  static final class Opening {
    private Opening() {}

    /** Prints the message. */
    public static void main(String[] args) {
      DataException e =
          assertThrows(DataException.class, () -> Safetensors.open(Path.of(args[0])).close());
      System.out.println("refused: " + e.getMessage());
    }
  }

  @Test
  void negativeShape() throws IOException {
    rejects(file(tensors("t", "U8", "[-4]", 0, 4), new byte[4]), "shape[0]=-4");
  }

  @Test
  void fractionalShape() throws IOException {
    rejects(file(tensors("t", "U8", "[4.0]", 0, 4), new byte[4]), "shape[0]=4.0");
  }

  @Test
  void shapeBeyond64Bits() throws IOException {
    rejects(
        file(tensors("t", "U8", "[99999999999999999999]", 0, 4), new byte[4]),
        "shape[0]=99999999999999999999");
  }

  @Test
  void overflowingShape() throws IOException {
    rejects(
        file(tensors("t", "F32", "[4294967296,4294967296]", 0, 0), new byte[0]),
        "overflows 64 bits");
  }

  @Test
  void overflowingShapeHiddenByAZero() throws IOException {
    rejects(
        file(tensors("t", "F32", "[0,4294967296,4294967296]", 0, 0), new byte[0]),
        "overflows 64 bits");
  }

  @Test
  void tooManyAxes() throws IOException {
    String shape = "[1" + ",1".repeat(64) + "]";
    rejects(file(tensors("t", "U8", shape, 0, 1), new byte[1]), "shape has length=65");
  }

  @Test
  void missingFields() throws IOException {
    rejects(file("{\"t\":{}}", new byte[0]), "dtype=(missing)");
    rejects(file("{\"t\":{\"dtype\":\"U8\"}}", new byte[0]), "shape=(missing)");
    rejects(file("{\"t\":{\"dtype\":\"U8\",\"shape\":[]}}", new byte[0]), "data_offsets=(missing)");
    rejects(file("{\"t\":7}", new byte[0]), "\"t\" is 7 where an object is needed");
  }

  @Test
  void offsetsThatAreNotAPair() throws IOException {
    rejects(
        file("{\"t\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0]}}", new byte[1]),
        "data_offsets has length=1");
    rejects(
        file("{\"t\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1,2]}}", new byte[1]),
        "data_offsets has length=3");
  }

  @Test
  void metadataThatIsNotStrings() throws IOException {
    rejects(file("{\"__metadata__\":{\"a\":1}}", new byte[0]), "__metadata__ entry \"a\"");
    rejects(file("{\"__metadata__\":[]}", new byte[0]), "__metadata__=an array");
  }

  @Test
  void fileThatShrinksWhileOpen() throws IOException {
    Path file = directory.resolve("a.safetensors");
    Safetensors.write(file, Map.of("t", array(new long[] {3}, 1, 2, 3)), Map.of());
    try (Safetensors read = Safetensors.open(file)) {
      Files.write(file, new byte[20]);
      DataException e = assertThrows(DataException.class, () -> read.floats("t"));
      assertTrue(e.getMessage().contains("it ends at byte="), e.getMessage());
    }
  }

  @Test
  void missingTensorNamesTheNearest() {
    Path file = directory.resolve("a.safetensors");
    Safetensors.write(
        file,
        Map.of(
            "transformer.wte.weight",
            array(new long[] {1}, 1),
            "ln.bias",
            array(new long[] {1}, 1)),
        Map.of());
    try (Safetensors read = Safetensors.open(file)) {
      DataException e = assertThrows(DataException.class, () -> read.tensor("wte.weight"));
      assertTrue(e.getMessage().contains("tensor=\"wte.weight\" is missing"), e.getMessage());
      assertTrue(
          e.getMessage().endsWith("did you mean \"transformer.wte.weight\"?"), e.getMessage());
      assertThrows(DataException.class, () -> read.shape("x"));
      assertThrows(DataException.class, () -> read.dtype("x"));
      assertThrows(DataException.class, () -> read.floats("x"));
      assertThrows(DataException.class, () -> read.doubles("x"));
      assertThrows(DataException.class, () -> read.requireFinite("x"));
    }
  }

  @Test
  void weightsThatAreNotFinite() throws IOException {
    ByteBuffer data = ByteBuffer.allocate(32).order(ByteOrder.LITTLE_ENDIAN);
    data.putDouble(1).putDouble(2).putDouble(3).putDouble(1e300);
    Path wide = file(tensors("t", "F64", "[2,2]", 0, 32), data.array());
    Path nan = directory.resolve("nan.safetensors");
    Safetensors.write(
        nan,
        Map.of(
            "bad", array(new long[] {2, 2}, 1, 2, Float.NaN, 3),
            "good", array(new long[] {2}, 1, 2),
            "none", array(new long[] {0})),
        Map.of());
    try (Safetensors read = Safetensors.open(nan);
        Safetensors readWide = Safetensors.open(wide)) {
      read.requireFinite("good");
      read.requireFinite("none");
      DataException e = assertThrows(DataException.class, () -> read.requireFinite("bad"));
      assertTrue(e.getMessage().contains("tensor=\"bad\"[1, 0]=NaN"), e.getMessage());
      e = assertThrows(DataException.class, () -> readWide.requireFinite("t"));
      assertTrue(e.getMessage().contains("tensor=\"t\"[1, 1]=Infinity"), e.getMessage());
    }
  }

  @Test
  void messagesAreOneLineWhateverTheNames() throws IOException {
    Path file = file(tensors("a\\n\\u001b[31m" + "x".repeat(5000), "F9", "[]", 0, 0), new byte[0]);
    DataException e = assertThrows(DataException.class, () -> Safetensors.open(file));
    assertTrue(e.getMessage().codePoints().noneMatch(Character::isISOControl), e.getMessage());
    assertTrue(e.getMessage().length() < 1000, e.getMessage());
  }

  // ---- sharded models ----

  @Test
  void shardsAreReadThroughTheirIndexOrTheirDirectory() throws IOException {
    Path index = shardedModel("\"a\":\"s1.safetensors\",\"b\":\"./s2.safetensors\"");
    for (Path path : List.of(index, directory)) {
      try (Safetensors read = Safetensors.open(path);
          TensorScope scope = new TensorScope()) {
        assertEquals(Set.of("a", "b"), read.names());
        assertArrayEquals(new float[] {1, 2}, read.floats("a"));
        assertArrayEquals(new float[] {3}, values(read.tensor("b")));
      }
    }
  }

  @Test
  void aDirectoryWithOneFile() {
    Safetensors.write(
        directory.resolve("model.safetensors"), Map.of("t", array(new long[] {1}, 4)), Map.of());
    try (Safetensors read = Safetensors.open(directory)) {
      assertEquals(Set.of("t"), read.names());
    }
  }

  @Test
  void aDirectoryWithoutWeights() {
    rejects(directory, "holds neither model.safetensors nor model.safetensors.index.json");
  }

  @Test
  void indexThatPointsOutsideItsDirectory() throws IOException {
    Path inner = Files.createDirectory(directory.resolve("inner"));
    Path secret = directory.resolve("secret.safetensors");
    Safetensors.write(secret, Map.of("a", array(new long[] {1}, 4)), Map.of());
    for (String shard :
        List.of(
            "../secret.safetensors", secret.toString(), "x/../../secret.safetensors", "..", "")) {
      Path index = inner.resolve("model.safetensors.index.json");
      Files.writeString(index, "{\"weight_map\":{\"a\":\"" + shard + "\"}}");
      rejects(index, "lies outside the directory of the index");
    }
  }

  @Test
  void indexWithAnImpossibleFileName() throws IOException {
    rejects(shardedModel("\"a\":\"s\\u0000.safetensors\""), "is not a file name");
  }

  @Test
  void indexThatPointsToAMissingShard() throws IOException {
    rejects(
        shardedModel("\"a\":\"s1.safetensors\",\"b\":\"s3.safetensors\""),
        "shard=\"s3.safetensors\" does not exist");
  }

  @Test
  void indexThatPlacesATensorInTheWrongShard() throws IOException {
    rejects(
        shardedModel("\"a\":\"s2.safetensors\""),
        "shard=\"s2.safetensors\" does not hold tensor=\"a\"");
  }

  @Test
  void indexWithoutWeightMap() throws IOException {
    Path index = directory.resolve("model.safetensors.index.json");
    Files.writeString(index, "{}");
    rejects(index, "weight_map=(missing)");
    Files.writeString(index, "{\"weight_map\":{\"a\":3}}");
    rejects(index, "entry \"a\" is 3 where a file name is needed");
    Files.writeString(index, "{\"weight_map\":\n{\"a\":}");
    rejects(index, "line=2 column=6");
  }

  // ---- writing ----

  @Test
  void unwritableOutputLeavesNothingBehind() throws IOException {
    Path file = directory.resolve("no").resolve("a.safetensors");
    DataException e =
        assertThrows(DataException.class, () -> Safetensors.write(file, Map.of(), Map.of()));
    assertTrue(e.getMessage().contains("cannot be written"), e.getMessage());
    assertThrows(DataException.class, () -> Safetensors.write(directory, Map.of(), Map.of()));
    try (Stream<Path> left = Files.list(directory)) {
      assertEquals(0, left.count());
    }
  }

  @Test
  void arraysThatDoNotFitTheirShape() {
    assertThrows(IllegalArgumentException.class, () -> array(new long[] {2}, 1));
    assertThrows(IllegalArgumentException.class, () -> array(new long[] {-1}, 1));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            Safetensors.write(
                directory.resolve("a"), Map.of("__metadata__", array(new long[] {0})), Map.of()));
  }

  // ---- helpers ----

  private interface Fill {
    void into(ByteBuffer data);
  }

  private static void entry(
      StringBuilder header, ByteBuffer data, String name, String dtype, int count, Fill fill) {
    int begin = data.position();
    fill.into(data);
    header.append(
        String.format(
            "\"%s\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[%d,%d]},",
            name, dtype, count, begin, data.position()));
  }

  private static Safetensors.Array array(long[] shape, float... data) {
    return new Safetensors.Array(shape, data);
  }

  private static float[] values(Tensor tensor) {
    float[] values = new float[(int) tensor.numel()];
    if (values.length > 0) {
      tensor.data_ptr_float().get(values);
    }
    return values;
  }

  private static String tensors(String name, String dtype, String shape, long begin, long end) {
    return String.format(
        "{\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}}",
        name, dtype, shape, begin, end);
  }

  private Path file(String header, byte[] data) throws IOException {
    return raw(header.getBytes(StandardCharsets.UTF_8).length, header, data);
  }

  private Path raw(long headerLength, String header, byte[] data) throws IOException {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer all =
        ByteBuffer.allocate(8 + json.length + data.length).order(ByteOrder.LITTLE_ENDIAN);
    all.putLong(headerLength).put(json).put(data);
    Path file = directory.resolve("lying.safetensors");
    Files.write(file, all.array());
    return file;
  }

  private Path shardedModel(String weightMap) throws IOException {
    Safetensors.write(
        directory.resolve("s1.safetensors"),
        Map.of("a", array(new long[] {2}, 1, 2), "unlisted", array(new long[] {1}, 9)),
        Map.of());
    Safetensors.write(
        directory.resolve("s2.safetensors"), Map.of("b", array(new long[] {1}, 3)), Map.of());
    Path index = directory.resolve("model.safetensors.index.json");
    Files.writeString(
        index, "{\"metadata\":{\"total_size\":12},\"weight_map\":{" + weightMap + "}}");
    return index;
  }

  private static void rejects(Path file, String... parts) {
    DataException e = assertThrows(DataException.class, () -> Safetensors.open(file));
    for (String part : parts) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
  }
}
