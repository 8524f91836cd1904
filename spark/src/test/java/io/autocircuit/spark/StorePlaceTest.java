package io.autocircuit.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.experiment.Experiment;
import io.autocircuit.experiment.ExperimentSpec;
import io.autocircuit.experiment.ExperimentStore;
import io.autocircuit.experiment.Run;
import io.autocircuit.files.DataException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.PathFilter;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.RemoteIterator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StorePlaceTest {
  @TempDir Path folder;

  /** A file system of another scheme, which lies on the disk. */
  public static final class Elsewhere extends RawLocalFileSystem {
    @Override
    public URI getUri() {
      return URI.create("elsewhere:///");
    }

    @Override
    public String getScheme() {
      return "elsewhere";
    }

    @Override
    @SuppressWarnings("deprecation") // the other constructors want an owner
    protected RemoteIterator<LocatedFileStatus> listLocatedStatus(
        org.apache.hadoop.fs.Path f, PathFilter filter) throws IOException {
      // without owners and permissions, which the local file system asks for by its own scheme
      Iterator<FileStatus> all = Arrays.asList(listStatus(f)).iterator();
      return new RemoteIterator<>() {
        @Override
        public boolean hasNext() {
          return all.hasNext();
        }

        @Override
        public LocatedFileStatus next() {
          FileStatus s = all.next();
          return new LocatedFileStatus(
              s.getLen(), s.isDirectory(), 1, 1, 0, 0, null, null, null, null, s.getPath(), null);
        }
      };
    }
  }

  @Test
  void pathsAreTheDriversOwn() {
    Configuration none = new Configuration(false);
    assertEquals(Path.of("some/store"), StorePlace.of("some/store", none).directory());
    assertEquals(Path.of("/a/b"), StorePlace.of("file:/a/b", none).directory());
    assertEquals(Path.of("/a/b"), StorePlace.of("file:///a/b", none).directory());
    DataException e =
        assertThrows(DataException.class, () -> StorePlace.of("nowhere://host/store", none));
    assertTrue(e.getMessage().startsWith("--out=nowhere://host/store"), e.getMessage());
    e = assertThrows(DataException.class, () -> StorePlace.of("file:store", none));
    assertTrue(e.getMessage().contains("write file:///PATH"), e.getMessage());
  }

  /** A sweep whose store lies elsewhere goes on where it stopped, on another driver. */
  @Test
  void aStoreElsewhereIsFetchedAndWrittenBack() {
    Configuration hadoop = new Configuration(false);
    hadoop.set("fs.elsewhere.impl", Elsewhere.class.getName());
    String out = "elsewhere://" + folder.resolve("kept");
    Path first = sweep(out, hadoop, "eap", 1);
    assertTrue(Files.isRegularFile(folder.resolve("kept/experiment.db")));
    assertFalse(Files.exists(first), "the driver's copy");
    sweep(out, hadoop, "ground-truth", 1);
    try (ExperimentStore store = ExperimentStore.open(folder.resolve("kept"))) {
      assertEquals(2, store.results().cells().size());
      assertTrue(store.results().cells().stream().allMatch(c -> Files.isRegularFile(c.scores())));
    }
    sweep(out, hadoop, "eap", 0);
  }

  /** Between the removal of the old tables and the new ones' name, or while those are written. */
  @Test
  void aDriverThatEndedWhileItWroteBackLosesNothingThatWasWritten() throws IOException {
    Configuration hadoop = new Configuration(false);
    hadoop.set("fs.elsewhere.impl", Elsewhere.class.getName());
    String out = "elsewhere://" + folder.resolve("kept");
    Path tables = folder.resolve("kept/experiment.db");
    Path part = folder.resolve("kept/experiment.db.part");
    sweep(out, hadoop, "eap", 1);
    Files.move(tables, part);
    sweep(out, hadoop, "eap", 0);
    byte[] whole = Files.readAllBytes(tables);
    Files.delete(tables);
    Files.write(part, Arrays.copyOf(whole, whole.length / 2));
    sweep(out, hadoop, "eap", 1);
  }

  private static Path sweep(String out, Configuration hadoop, String algorithm, int run) {
    ExperimentSpec spec =
        ExperimentSpec.parse(
            "tasks: [induction]\nalgorithms: ["
                + algorithm
                + "]\nrandom_baseline: false\nedges: [9]\nmetrics: [kl_div]\n",
            "test.yaml",
            Path.of(""));
    try (StorePlace place = StorePlace.of(out, hadoop);
        Experiment e =
            Experiment.open(
                "Test", spec.cells(t -> null), place.directory(), Run.Means.AS_RECORDED)) {
      assertEquals(run, e.run(Experiment.Watcher.SILENT).run());
      place.save(e.store());
      place.save(e.store()); // what is there is replaced
      return place.directory();
    }
  }
}
