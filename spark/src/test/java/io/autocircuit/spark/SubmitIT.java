package io.autocircuit.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The jar as users submit it: {@code spark-submit} with a Spark home of nothing but Spark's jars,
 * two executors that are processes of their own, and the library's complete jar as {@code --jars}.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class SubmitIT {
  /** Of the class path of these tests, what is not Spark's. */
  private static final Pattern OURS =
      Pattern.compile(
          ".*/(autocircuit-[^/]*|io/autocircuit/.*|(org/bytedeco|org/xerial/sqlite-jdbc|org/snakeyaml|info/picocli|ai/djl"
              + "|net/java/dev/jna|org/webjars|com/fasterxml/jackson/dataformat|org/junit"
              + "|org/opentest4j|org/apiguardian)/.*)");

  /** What does not say when, where and how fast. */
  private static final List<String> TABLES =
      List.of(
          "SELECT run, cell, status, place, task, algorithm, label, ablation, patch_type, seed, spec,"
              + " edges, official_edges, prompts, score_prompts, verdict, scores, page, device,"
              + " kernels, threads FROM runs ORDER BY place",
          "SELECT run, scope, name, s.value FROM settings s JOIN runs r ON r.id = run_id ORDER BY 1,"
              + " 2, 3",
          "SELECT * FROM results",
          "SELECT * FROM prompt_results ORDER BY run, metric, edges, prompt",
          "SELECT run, c.edges, live_edges, found FROM circuits c JOIN runs r ON r.id = run_id ORDER"
              + " BY 1, 2",
          "SELECT run, point, false_positive_rate, true_positive_rate FROM roc_points JOIN runs r ON"
              + " r.id = run_id ORDER BY 1, 2",
          "SELECT run, c.edges, knocked_out, normal, knockout FROM completeness c JOIN runs r ON"
              + " r.id = run_id ORDER BY 1, 2",
          "SELECT a.run, b.run, s.edges, share FROM similarity s JOIN runs a ON a.id = run_id JOIN"
              + " runs b ON b.id = other_id ORDER BY 1, 2, 3",
          "SELECT run, line, text FROM notices JOIN runs r ON r.id = run_id ORDER BY 1, 2",
          "SELECT * FROM metrics ORDER BY 1",
          "SELECT * FROM machines");

  private static final String SWEEP =
      "title: A sweep\n"
          + "tasks: [induction, tracr-reverse]\n"
          + "algorithms: [ground-truth, eap, {algorithm: ig, samples: [5, 20]}]\n"
          + "edges: [3, 9, all]\n"
          + "completeness: {epochs: 1}\n";

  /** Two tasks, four algorithms and random scores. */
  private static final int CELLS = 10;

  private static final String QUICK = "-XX:TieredStopAtLevel=1";

  private Path folder;

  @BeforeEach
  void makeFolder() throws IOException {
    folder = Files.createTempDirectory("autocircuit-submit-");
  }

  /** Links are removed, and not what they lead to. */
  @AfterEach
  void removeFolder() {
    PackedStore.remove(folder);
  }

  /** What is done with each line that a process prints. */
  private interface Line {
    void is(String line, Process process);
  }

  private record Ended(int code, List<String> out, String err) {}

  private Ended run(List<String> command, Line line) throws IOException, InterruptedException {
    Path err = folder.resolve("stderr.txt");
    ProcessBuilder builder = new ProcessBuilder(command).redirectError(err.toFile());
    builder.directory(folder.toFile());
    builder.environment().put("SPARK_HOME", home().toString());
    builder.environment().put("SPARK_SCALA_VERSION", "2.13");
    builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
    builder.environment().put("OMP_NUM_THREADS", "1");
    builder.environment().put("OPENBLAS_NUM_THREADS", "1");
    builder.environment().put("OPT_OUT_TRACKING", "true");
    Process process = builder.start();
    List<String> out = new ArrayList<>();
    try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
      for (String l = lines.readLine(); l != null; l = lines.readLine()) {
        out.add(l);
        line.is(l, process);
      }
      assertTrue(process.waitFor(1, TimeUnit.MINUTES));
    } finally {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
    return new Ended(process.exitValue(), out, Files.readString(err));
  }

  /** A Spark home: its jars. */
  private Path home() throws IOException {
    Path home = folder.resolve("spark");
    if (!Files.exists(home)) {
      Files.createDirectories(home.resolve("jars"));
      for (String entry : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
        if (entry.endsWith(".jar") && !OURS.matcher(entry.replace('\\', '/')).matches()) {
          Path jar = Path.of(entry);
          Files.createSymbolicLink(home.resolve("jars").resolve(jar.getFileName()), jar);
        }
      }
    }
    return home;
  }

  private static String java() {
    return Path.of(System.getProperty("java.home"), "bin", "java").toString();
  }

  /** What {@code bin/spark-submit} runs. */
  private List<String> submit(int executors, List<String> options, String... words)
      throws IOException {
    List<String> command = new ArrayList<>(List.of(java(), "-Xmx512m", QUICK));
    command.addAll(List.of(System.getProperty("spark.opens").split(" ")));
    command.addAll(
        List.of(
            "-cp",
            home().resolve("jars") + File.separator + "*",
            "org.apache.spark.deploy.SparkSubmit",
            "--master",
            "local-cluster[" + executors + ",1,1024]",
            "--class",
            "io.autocircuit.spark.SparkExperiment",
            "--jars",
            System.getProperty("complete.jar"),
            "--conf",
            "spark.ui.enabled=false",
            "--conf",
            "spark.executor.extraJavaOptions=" + QUICK));
    command.addAll(options);
    command.add(System.getProperty("spark.jar"));
    command.addAll(Arrays.asList(words));
    return command;
  }

  private static List<String> rows(Path store) throws SQLException {
    List<String> all = new ArrayList<>();
    try (Connection c =
            DriverManager.getConnection("jdbc:sqlite:" + store.resolve("experiment.db"));
        Statement s = c.createStatement()) {
      for (String table : TABLES) {
        int before = all.size();
        try (ResultSet r = s.executeQuery(table)) {
          while (r.next()) {
            StringBuilder row = new StringBuilder();
            for (int i = 1; i <= r.getMetaData().getColumnCount(); i++) {
              row.append(r.getObject(i)).append('|');
            }
            all.add(row.toString());
          }
        }
        assertTrue(all.size() > before || table.contains("notices"), table);
      }
    }
    return all;
  }

  private static TreeMap<String, String> scores(Path store) throws IOException {
    TreeMap<String, String> all = new TreeMap<>();
    try (Stream<Path> files = Files.list(store.resolve("scores"))) {
      for (Path f : files.toList()) {
        all.put(
            f.getFileName().toString(),
            new String(Files.readAllBytes(f), StandardCharsets.ISO_8859_1));
      }
    }
    return all;
  }

  /**
   * An executor is killed in the middle of the sweep, and slow tasks are run twice: what comes out
   * is what a sweep on this machine gives, to the bit.
   */
  @Test
  void aKilledExecutorChangesNothing() throws Exception {
    Path sweep = Files.writeString(folder.resolve("sweep.yaml"), SWEEP);
    List<Long> killed = new ArrayList<>();
    String[] same = {"--threads", "1", "--memory", "1g", "--no-pages"};
    List<String> words =
        new ArrayList<>(List.of("experiment", sweep.toString(), "--out", "spark-store"));
    words.addAll(List.of(same));
    words.addAll(List.of("--task-seconds", "0.2"));
    Ended onSpark =
        run(
            submit(
                2,
                List.of(
                    "--conf",
                    "spark.speculation=true",
                    "--conf",
                    "spark.speculation.multiplier=1",
                    "--conf",
                    "spark.speculation.quantile=0.2"),
                words.toArray(String[]::new)),
            (line, process) -> {
              if (killed.isEmpty() && line.startsWith("1/" + CELLS + " ")) {
                ProcessHandle executor =
                    process
                        .descendants()
                        .filter(
                            p ->
                                p.info().commandLine().orElse("").contains("ExecutorBackend")
                                    || Arrays.stream(p.info().arguments().orElse(new String[0]))
                                        .anyMatch(a -> a.contains("ExecutorBackend")))
                        .findFirst()
                        .orElseThrow();
                killed.add(executor.pid());
                executor.destroyForcibly();
              }
            });
    String told = String.join("\n", onSpark.out()) + onSpark.err();
    assertEquals(0, onSpark.code(), told);
    assertEquals(1, killed.size(), told);
    assertTrue(onSpark.err().contains("Lost executor"), told);
    assertTrue(onSpark.out().contains("cells: 10 done, 10 of them now, 0 failed"), told);

    List<String> local =
        new ArrayList<>(
            List.of(
                java(),
                QUICK,
                "-jar",
                System.getProperty("complete.jar"),
                "experiment",
                sweep.toString(),
                "--out",
                "local-store"));
    local.addAll(List.of(same));
    Ended here = run(local, (line, process) -> {});
    assertEquals(0, here.code(), here.err());
    assertEquals(rows(folder.resolve("local-store")), rows(folder.resolve("spark-store")));
    assertEquals(CELLS, scores(folder.resolve("spark-store")).size());
    assertEquals(scores(folder.resolve("local-store")), scores(folder.resolve("spark-store")));
  }

  /** The address that Spark gives a task is the device of its cells. */
  @Test
  void tasksComputeOnTheDeviceThatSparkGivesThem() throws Exception {
    Path script =
        Files.writeString(
            folder.resolve("gpus.sh"),
            "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [\"7\"]}'\n");
    assertTrue(script.toFile().setExecutable(true));
    Path sweep =
        Files.writeString(
            folder.resolve("sweep.yaml"), "tasks: [induction]\nalgorithms: [eap]\nedges: [9]\n");
    List<String> options = new ArrayList<>();
    for (String conf :
        List.of(
            "spark.worker.resource.gpu.amount=1",
            "spark.worker.resource.gpu.discoveryScript=" + script,
            "spark.executor.resource.gpu.amount=1",
            "spark.task.resource.gpu.amount=1",
            "spark.task.maxFailures=1")) {
      options.addAll(List.of("--conf", conf));
    }
    Ended ended =
        run(
            submit(1, options, "experiment", sweep.toString(), "--out", "store"),
            (line, process) -> {});
    // no machine that runs these tests has so many devices: the message names the one that was
    // asked for
    assertEquals(1, ended.code(), ended.err());
    assertTrue(
        ended
            .err()
            .lines()
            .anyMatch(l -> l.startsWith("autocircuit: Spark gave up: ") && l.contains("cuda:7")),
        ended.err());
  }
}
