package io.autocircuit.cli;

import io.autocircuit.patch.Progress;
import java.io.Console;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Progress bars on standard error, after the first second of a phase; silent when piped. */
final class Bars implements Progress, AutoCloseable {
  private static final long PATIENCE = 1_000_000_000L;
  private static final int REFRESH_MILLIS = 200;
  private static final long MEBI = 1 << 20;

  private final boolean visible;
  private String phase = "";
  private long started;
  private ProgressBar bar;

  private Bars(boolean visible) {
    this.visible = visible;
  }

  /** Bars if this process talks to a terminal. */
  static Bars onTerminal() {
    return new Bars(terminal());
  }

  /**
   * Whether this process talks to a terminal. From JDK 22 on there is a console object without a
   * terminal too; it says so itself.
   */
  @SuppressWarnings("SystemConsoleNull")
  static boolean terminal() {
    Console console = System.console();
    if (console == null) {
      return false;
    }
    try {
      return (boolean) Console.class.getMethod("isTerminal").invoke(console);
    } catch (ReflectiveOperationException before22) {
      return true;
    }
  }

  @Override
  public void update(String what, long done, long total) {
    show(what, done, total, false);
  }

  /** As {@link #update}, of bytes. */
  void bytes(String what, long done, long total) {
    show(what, done, total, true);
  }

  private void show(String what, long done, long total, boolean bytes) {
    if (!visible) {
      return;
    }
    if (!what.equals(phase)) {
      close();
      phase = what;
      started = System.nanoTime();
    }
    if (bar == null && System.nanoTime() - started > PATIENCE && done < total) {
      ProgressBarBuilder builder =
          new ProgressBarBuilder()
              .setTaskName(what)
              .setInitialMax(total)
              .setUpdateIntervalMillis(REFRESH_MILLIS)
              .setStyle(ProgressBarStyle.ASCII);
      bar = (bytes ? builder.setUnit(" MiB", MEBI).showSpeed() : builder).build();
    }
    if (bar != null) {
      bar.stepTo(done);
    }
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
      bar = null;
    }
    phase = "";
  }
}
