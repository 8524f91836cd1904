package io.autocircuit.patch;

import io.autocircuit.kernels.DeviceChoice;
import io.autocircuit.model.Transformer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.javacpp.Pointer;

/**
 * How much native memory the runs of a model may take, beside its weights. A batch that needs more
 * is run in micro-batches of whole prompts, one after another; results do not depend on it but for
 * the rounding of micro-batches.
 *
 * <p>The need is that of {@link MemoryEstimate}. Java's heap, and what libtorch takes once for
 * itself, are not part of it.
 *
 * @param bytes positive
 */
public record MemoryBudget(long bytes) {
  /** No limit: every batch is run as a whole. */
  public static final MemoryBudget UNLIMITED = new MemoryBudget(Long.MAX_VALUE);

  /** The share of the machine's available memory that {@link #ofMachine} takes. */
  public static final double SHARE = 0.5;

  /** What {@link #ofMachine} takes where the machine does not tell: 2 GB. */
  public static final long FALLBACK = 2L << 30;

  private static final int UNIT = 1024;
  private static final Pattern SIZE =
      Pattern.compile("(\\d{1,15}(?:\\.\\d{1,9})?)([kmgt]?)(?:i?b)?", Pattern.CASE_INSENSITIVE);
  private static final Pattern NUMBER = Pattern.compile("\\d{1,18}");

  /**
   * Checks the number.
   *
   * @param bytes at least 1; {@link Long#MAX_VALUE} for no limit
   * @throws IllegalArgumentException if it is less
   */
  public MemoryBudget {
    if (bytes < 1) {
      throw new IllegalArgumentException("memory budget=" + bytes + " bytes must be positive");
    }
  }

  /**
   * Reads a size such as {@code 512m}, {@code 1.5G}, {@code 2GiB} or {@code 4000000}: bytes, or
   * powers of 1024 of them.
   *
   * @param text a number of up to 15 digits, perhaps with a fraction, and a unit (k, m, g or t, in
   *     either case, perhaps with B or iB behind it) or none
   * @return the budget, rounded down to whole bytes
   * @throws IllegalArgumentException if it is not a size
   */
  public static MemoryBudget parse(String text) {
    Matcher m = SIZE.matcher(text.strip());
    if (m.matches()) {
      int power =
          m.group(2).isEmpty() ? 0 : 1 + "kmgt".indexOf(m.group(2).toLowerCase(Locale.ROOT));
      double bytes = Double.parseDouble(m.group(1)) * Math.pow(UNIT, power);
      if (bytes >= 1 && bytes < Long.MAX_VALUE) {
        return new MemoryBudget((long) bytes);
      }
    }
    throw new IllegalArgumentException(
        "memory=\"" + text + "\" is not a size; give bytes, or a number with k, m, g or t: 2g");
  }

  /**
   * What this machine can give now: half of the memory available to the process, by the kernel's
   * account ({@code MemAvailable} of {@code /proc/meminfo}) and its control group's limit, 2 GB
   * where neither tells; and no more than half of what JavaCPP still lets the process have ({@code
   * -Xmx} sets that).
   *
   * @return at least 1 byte; another number at another time
   */
  public static MemoryBudget ofMachine() {
    long allowed =
        Pointer.maxPhysicalBytes() <= 0
            ? Long.MAX_VALUE
            : Math.max(1, Pointer.maxPhysicalBytes() - Pointer.physicalBytes());
    return ofMachine(Path.of("/proc/meminfo"), Path.of("/sys/fs/cgroup"), allowed);
  }

  /**
   * Half of what the weights leave of a device's own memory. Other programs on the device are not
   * looked at.
   *
   * @param bytes the device's memory
   * @param weights bytes of the model there
   * @return at least 1 byte, also where the weights leave nothing
   */
  public static MemoryBudget ofDevice(long bytes, long weights) {
    return new MemoryBudget((long) Math.max(1, SHARE * (bytes - weights)));
  }

  /**
   * The budget where nobody asks for one: half of what is available where the model lies.
   *
   * @param on where the model lies
   * @param model the model
   * @return {@link #ofMachine} on the processor, else {@link #ofDevice}
   */
  public static MemoryBudget standard(DeviceChoice on, Transformer model) {
    return on.device().isCuda() ? ofDevice(on.memoryBytes(), model.bytes()) : ofMachine();
  }

  /**
   * The rule of {@link #ofMachine}.
   *
   * @param meminfo in the format of {@code /proc/meminfo}; may be missing
   * @param group folder of a control group of version 2; may be missing
   * @param allowed bytes that the process may still take by its own limits
   */
  static MemoryBudget ofMachine(Path meminfo, Path group, long allowed) {
    OptionalLong kilobytes = number(meminfo, "MemAvailable:");
    OptionalLong limit = number(group.resolve("memory.max"), "");
    OptionalLong used = number(group.resolve("memory.current"), "");
    OptionalLong cache = number(group.resolve("memory.stat"), "inactive_file");
    long available = Long.MAX_VALUE;
    if (kilobytes.isPresent()) {
      available = kilobytes.getAsLong() * UNIT;
    }
    if (limit.isPresent() && used.isPresent()) {
      long taken = Math.max(0, used.getAsLong() - cache.orElse(0));
      available = Math.min(available, limit.getAsLong() - taken);
    }
    double share = available == Long.MAX_VALUE ? FALLBACK : SHARE * available;
    return new MemoryBudget((long) Math.max(1, Math.min(share, SHARE * allowed)));
  }

  /** The number after a word at the start of a line; empty where there is none. */
  private static OptionalLong number(Path file, String word) {
    try {
      for (String line : Files.readAllLines(file)) {
        if (line.startsWith(word)) {
          String rest = line.substring(word.length()).replace("kB", "").strip();
          return NUMBER.matcher(rest).matches()
              ? OptionalLong.of(Long.parseLong(rest))
              : OptionalLong.empty();
        }
      }
    } catch (IOException missing) {
      // not this system
    }
    return OptionalLong.empty();
  }

  /** Such as {@code 1.5g}; or {@code unlimited}. */
  @Override
  public String toString() {
    return bytes == Long.MAX_VALUE ? "unlimited" : text(bytes, false);
  }

  /** Three or four digits and a unit that {@link #parse} reads. */
  static String text(long bytes, boolean up) {
    double value = bytes;
    int power = 0;
    while (value >= UNIT && power < 4) {
      value /= UNIT;
      power++;
    }
    double rounded = up ? Math.ceil(value * 100) / 100 : Math.floor(value * 100) / 100;
    String number = String.format(Locale.ROOT, "%.2f", rounded).replaceFirst("\\.?0+$", "");
    return number + (power == 0 ? "" : "kmgt".charAt(power - 1));
  }
}
