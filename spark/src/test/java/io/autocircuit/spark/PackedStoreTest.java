package io.autocircuit.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.files.DataException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PackedStoreTest {
  @TempDir Path folder;

  @Test
  void filesComeBackAndTheChartsStay() throws IOException {
    Path store = Files.createDirectories(folder.resolve("store/circuits")).getParent();
    Files.writeString(store.resolve("experiment.db"), "rows");
    Files.writeString(store.resolve("circuits/1.html"), "page");
    Files.writeString(store.resolve("circuits/echarts.min.js"), "charts");
    Path back = Files.createDirectory(folder.resolve("back"));
    PackedStore.unpack(PackedStore.pack(store), back);
    assertEquals("rows", Files.readString(back.resolve("experiment.db")));
    assertEquals("page", Files.readString(back.resolve("circuits/1.html")));
    assertFalse(Files.exists(back.resolve("circuits/echarts.min.js")));
    PackedStore.remove(back);
    assertFalse(Files.exists(back));
  }

  @Test
  void nothingIsWrittenOutside() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      zip.putNextEntry(new ZipEntry("../outside"));
    }
    Path back = Files.createDirectory(folder.resolve("back"));
    DataException e =
        assertThrows(DataException.class, () -> PackedStore.unpack(bytes.toByteArray(), back));
    assertTrue(e.getMessage().contains("../outside"), e.getMessage());
    assertFalse(Files.exists(folder.resolve("outside")));
  }
}
