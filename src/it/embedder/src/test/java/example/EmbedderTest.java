package example;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.data.BosPolicy;
import io.autocircuit.experiment.Discovery;
import io.autocircuit.metric.Measurement;
import io.autocircuit.metric.Metric;
import io.autocircuit.task.EmbeddedTask;
import io.autocircuit.task.Task;
import java.io.IOException;
import java.net.URL;
import java.util.Collections;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** What a program gets that depends on the library. */
class EmbedderTest {
  @Test
  void anAlgorithmAndAMetricOfItsOwnOnTwoThreads() throws Exception {
    try (Task task =
        new Task(
            EmbeddedTask.model(null, torch.ScalarType.Float),
            Task.tokenize(EmbeddedTask.prompts(), null, BosPolicy.AUTO))) {
      Discovery discovery =
          Discovery.builder(task, new FromTheFirstBlock())
              .metrics(List.of(new Distance(), Metric.KL_DIV))
              .build();
      Callable<Discovery.Result> run = discovery::run;
      ExecutorService two = Executors.newFixedThreadPool(2);
      try {
        List<Future<Discovery.Result>> results = two.invokeAll(List.of(run, run));
        Discovery.Result one = results.get(0).get();
        Discovery.Result other = results.get(1).get();
        assertArrayEquals(one.scores().values(), other.scores().values());
        // heads 2 and 3 of the second block attend to what followed the token before
        assertTrue(
            one.scores().best(5).stream().allMatch(s -> s.edge().destination().block() > 0),
            () -> one.scores().best(5).toString());
        TreeMap<Integer, Double> divergence = new TreeMap<>();
        one.measurements().stream()
            .filter(m -> m.metric() == Metric.KL_DIV)
            .flatMap(m -> m.points().stream())
            .forEach(p -> divergence.put(p.edges(), p.value()));
        assertEquals(0, divergence.firstKey());
        assertTrue(divergence.firstEntry().getValue() > 1, divergence::toString);
        assertEquals(0, divergence.lastEntry().getValue(), 1e-5);
        Measurement own = one.measurements().get(0);
        assertEquals("distance", own.metric().key());
        assertEquals(divergence.size(), own.points().size());
        assertTrue(own.points().get(0).value() > 1, own::toString);
        assertEquals(0, own.points().get(own.points().size() - 1).value(), 1e-4);
      } finally {
        two.shutdownNow();
      }
    }
  }

  @Test
  void whatTheCommandLineNeedsIsNotThere() throws IOException {
    for (String name :
        List.of(
            "picocli.CommandLine",
            "me.tongfei.progressbar.ProgressBar",
            "org.jline.terminal.Terminal",
            "org.slf4j.nop.NOPServiceProvider")) {
      assertThrows(ClassNotFoundException.class, () -> Class.forName(name), name);
    }
    ClassLoader loader = EmbedderTest.class.getClassLoader();
    List<URL> charts =
        Collections.list(loader.getResources("META-INF/maven/org.webjars/echarts/pom.properties"));
    assertEquals(List.of(), charts);
    List<URL> bindings =
        Collections.list(
            loader.getResources("META-INF/services/org.slf4j.spi.SLF4JServiceProvider"));
    assertEquals(List.of(), bindings, "logger bindings");
  }
}
