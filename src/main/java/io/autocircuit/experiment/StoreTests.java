package io.autocircuit.experiment;

import io.autocircuit.experiment.ExperimentResults.TestResult;
import io.autocircuit.files.CanonicalJson;
import io.autocircuit.files.JsonFiles;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.OptionalDouble;

/** Writes and reads what a store holds of hypothesis tests. */
final class StoreTests {
  private StoreTests() {}

  static void write(Connection c, long id, List<TestedCircuit> all) throws SQLException {
    for (TestedCircuit t : all) {
      for (String test : TestedCircuit.TESTS) {
        OptionalDouble p = t.pValue(test);
        if (p.isPresent()) {
          StoreConnection.update(
              c,
              "INSERT INTO circuit_tests VALUES (?, ?, ?, ?, ?)",
              id,
              t.edges(),
              test,
              p.getAsDouble(),
              p.getAsDouble() < t.level() ? 1 : 0);
        }
      }
      StoreConnection.update(
          c,
          "INSERT INTO circuit_test_details VALUES (?, ?, ?)",
          id,
          t.edges(),
          CanonicalJson.text(t.json(), false));
    }
  }

  static List<TestResult> read(Connection c) throws SQLException {
    return StoreReader.list(
        c,
        r ->
            new TestResult(
                r.getString(1),
                TestedCircuit.read(
                    JsonFiles.parse(r.getString(2), ExperimentStore.FILE), ExperimentStore.FILE)),
        "SELECT r.run, d.details FROM circuit_test_details d JOIN runs r ON r.id = d.run_id WHERE"
            + " r.status = 'done' ORDER BY r.place, d.edges");
  }
}
