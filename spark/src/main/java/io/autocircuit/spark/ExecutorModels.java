package io.autocircuit.spark;

import io.autocircuit.experiment.RunResources;
import io.autocircuit.patch.MemoryBudget;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.Optional;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;

/**
 * The models that an executor keeps between tasks: as many as it runs tasks at once, since each
 * task needs its own. They live as long as its process.
 */
final class ExecutorModels {
  /** Spark runs tasks as plain functions; what outlives one has no other place than the process. */
  private static final ExecutorModels HERE = new ExecutorModels();

  /** The resident memory at which JavaCPP refuses tensors: of the heap's size unless it is set. */
  private static final String LIMIT = "org.bytedeco.javacpp.maxPhysicalBytes";

  private final Deque<Kept> idle = new ArrayDeque<>();
  private int made;
  private MemoryBudget share;

  private ExecutorModels() {
    if (System.getProperty(LIMIT) == null) {
      // an executor's heap says nothing of its native memory: spark.executor.memoryOverhead does
      System.setProperty(LIMIT, "0");
    }
  }

  static ExecutorModels here() {
    return HERE;
  }

  /**
   * What runs share, and of which model and device that is.
   *
   * @param key what was loaded last
   * @param resources with it
   */
  private record Kept(Object key, RunResources resources) {}

  /** Something that a task does with what runs share. */
  interface Work<T> {
    T with(RunResources resources);
  }

  /**
   * Does something with the resources that were used last for the same model and device, if they
   * are idle; else with those that have been idle longest, or new ones.
   *
   * @param <T> what it gives
   * @param key of the model and device
   * @param atOnce how many tasks this executor runs at once
   * @param work what is done
   * @return what it gave
   */
  <T> T with(Object key, int atOnce, Work<T> work) {
    RunResources resources = take(key, atOnce);
    try {
      return work.with(resources);
    } finally {
      synchronized (idle) {
        idle.addLast(new Kept(key, resources));
      }
    }
  }

  private RunResources take(Object key, int atOnce) {
    synchronized (idle) {
      for (Iterator<Kept> all = idle.iterator(); all.hasNext(); ) {
        Kept kept = all.next();
        if (kept.key().equals(key)) {
          all.remove();
          return kept.resources();
        }
      }
      if (made < atOnce || idle.isEmpty()) {
        made++;
        return new RunResources();
      }
      return idle.removeFirst().resources();
    }
  }

  /** How many tasks this executor runs at once. */
  static int slots() {
    SparkConf conf = SparkEnv.get().conf();
    int cores = conf.getInt("spark.executor.cores", Runtime.getRuntime().availableProcessors());
    return Math.max(1, cores / conf.getInt("spark.task.cpus", 1));
  }

  /** The native memory of one of several tasks; empty where there is one at a time. */
  synchronized Optional<MemoryBudget> share(int slots) {
    if (slots == 1) {
      return Optional.empty();
    }
    if (share == null) {
      share = new MemoryBudget(Math.max(1, MemoryBudget.ofMachine().bytes() / slots));
    }
    return Optional.of(share);
  }
}
