package io.autocircuit.cli;

import io.autocircuit.benchmark.Benchmark;
import io.autocircuit.benchmark.BesideOthers;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** What {@code bench --busy N} adds: the same figures beside N busy processes. */
final class BusyTable {
  private BusyTable() {}

  /** Prints the figures without and with the processes. */
  static void print(PrintWriter out, Benchmark.Timing idlePlain, BesideOthers beside) {
    int n = beside.processes();
    out.printf("%nbeside %d busy process%s%n", n, n == 1 ? "" : "es");
    out.printf("%-22s %10s %10s %8s %8s %8s%n", "", "idle ms", "busy ms", "ratio", "busy", "worse");
    row(out, "plain", new BesideOthers.Figure(idlePlain, beside.plain(), 1, 1));
    beside.figures().forEach((name, figure) -> row(out, name, figure));
    out.printf(Locale.ROOT, "plain forward: %.2f times its idle time%n", beside.plainSlower());
  }

  private static void row(PrintWriter out, String name, BesideOthers.Figure figure) {
    out.printf(
        Locale.ROOT,
        "%-22s %10.2f %10.2f %8.3f %8.3f %8.2f%n",
        name,
        figure.idle().median() * 1e3,
        figure.busy().median() * 1e3,
        figure.idleRatio(),
        figure.busyRatio(),
        figure.worse());
  }

  /** What the result file holds of it. */
  static Map<String, Object> json(BesideOthers beside) {
    Map<String, Object> root = new LinkedHashMap<>();
    Map<String, Double> ratios = new LinkedHashMap<>();
    Map<String, Double> worse = new LinkedHashMap<>();
    beside
        .figures()
        .forEach(
            (name, figure) -> {
              ratios.put(name, BenchCommand.round(figure.busyRatio()));
              worse.put(name, BenchCommand.round(figure.worse()));
            });
    root.put("processes", beside.processes());
    root.put("plain_ms", BenchCommand.round(beside.plain().median() * 1e3));
    root.put("plain_spread", BenchCommand.round(beside.plain().spread()));
    root.put("plain_over_idle", BenchCommand.round(beside.plainSlower()));
    root.put("ratios", ratios);
    root.put("ratios_over_idle", worse);
    return root;
  }
}
