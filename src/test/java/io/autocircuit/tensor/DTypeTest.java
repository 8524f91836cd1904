package io.autocircuit.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Writing elements in their type. */
class DTypeTest {
  @Test
  void everySixteenBitNumberIsWrittenAsItWasRead() {
    ByteBuffer bytes = ByteBuffer.allocate(2);
    for (DType type : new DType[] {DType.F16, DType.BF16}) {
      for (int bits = 0; bits < 1 << 16; bits++) {
        double value = type.read(bytes.putShort(0, (short) bits), 0);
        if (!Double.isNaN(value)) {
          type.write(bytes, 0, value);
          assertEquals((short) bits, bytes.getShort(0), type + " of " + value);
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "F16, 0x1.002p0, 0x1.0p0",
    "F16, 0x1.006p0, 0x1.008p0",
    "F16, 65519, 65504",
    "F16, -65520, -Infinity",
    "F16, 0x1.8p-24, 0x1.0p-23",
    "F16, 0x1p-25, 0",
    "F16, 0x1.ffep-15, 0x1p-14",
    "BF16, 0x1.01p0, 0x1p0",
    "BF16, 0x1.03p0, 0x1.04p0",
    "F32, 0.1, 0x1.99999ap-4"
  })
  void othersAreRoundedToNearestTiesToEven(DType type, String value, String rounded) {
    ByteBuffer bytes = ByteBuffer.allocate(8);
    type.write(bytes, 0, Double.parseDouble(value));
    assertEquals(Double.parseDouble(rounded), type.read(bytes, 0));
  }
}
