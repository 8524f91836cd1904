package io.autocircuit.cli;

import io.autocircuit.cli.internal.ProcessImage;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * The entry of the complete jar. It starts the virtual machine again, in the same process, with an
 * archive of the classes that a start needs ({@link ClassArchive}); a virtual machine reads such an
 * archive only if its own command line says so. Everything else is {@link Main}'s.
 *
 * <p>Where that cannot be done, or is not wanted, the command runs as it is: for a class path of
 * more than the jar, on systems other than Linux, when a debugger or an agent is wanted, when the
 * user chose an archive, or with the system property {@value ClassArchive#PROPERTY}{@code =off}.
 *
 * <p>This class is all that most starts see of the first virtual machine. It uses few classes, and
 * no lambda and no {@code +} of texts, whose first use takes longer than all the rest.
 */
public final class Start {
  /** Says, in a virtual machine that was started again, what {@link ClassArchive} it has. */
  static final String STARTED = "autocircuit.started";

  /** The value of {@link #STARTED} when the archive is read. */
  static final String READS = "reads";

  /** The value of {@link #STARTED} when the archive is made at the end. */
  static final String MAKES = "makes";

  /** First words with which nothing native is needed. */
  static final Set<String> NATIVE_FREE =
      Set.of(
          "-h",
          "--help",
          "-V",
          "--version",
          "help",
          "list",
          "models",
          "reference",
          "results",
          "bench-compare",
          "export",
          "compare");

  /**
   * Ten times the calls that Java asks for before it compiles a method to its best: in runs of some
   * seconds that costs more than it gives, and takes the cores from the work.
   */
  private static final String[] COMPILED_LATER = {
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000"
  };

  private Start() {}

  /**
   * Runs the command line and ends the process with its exit code.
   *
   * @param args the words of the command line
   */
  public static void main(String[] args) {
    // the others are done before a second virtual machine would begin
    if (args.length > 0 && !NATIVE_FREE.contains(args[0]) && System.getProperty(STARTED) == null) {
      again(args);
    }
    Main.main(args);
  }

  /** Starts again; returns if that is not possible. */
  private static void again(String[] args) {
    String jar = System.getProperty("java.class.path");
    if (!new File("/proc/self/cmdline").exists() || !jar.endsWith(".jar")) {
      return;
    }
    try {
      byte[][] words = words();
      int jarAt = words.length - args.length - 1;
      if (!startsAgain(words, jarAt, jar)) {
        return;
      }
      ClassArchive archive = ClassArchive.ofUser(jar);
      if (archive == null) {
        return;
      }
      String option = archive.option(args[0]);
      if (option == null) {
        return;
      }
      System.load(archive.library().getPath());
      byte[] program = bytes(System.getProperty("java.home").concat("/bin/java"));
      ProcessImage.replace(program, with(options(option, words, jarAt), words));
    } catch (IOException | LinkageError e) {
      // the command runs all the same, as slowly as ever
    }
  }

  /** The words that this virtual machine was started with, as bytes. */
  private static byte[][] words() throws IOException {
    byte[] all;
    try (InputStream in = new FileInputStream("/proc/self/cmdline")) {
      all = in.readAllBytes();
    }
    int count = 0;
    for (byte b : all) {
      count += b == 0 ? 1 : 0;
    }
    byte[][] words = new byte[count][];
    int from = 0;
    for (int i = 0; i < count; i++) {
      int to = from;
      while (all[to] != 0) {
        to++;
      }
      words[i] = new byte[to - from];
      System.arraycopy(all, from, words[i], 0, to - from);
      from = to + 1;
    }
    return words;
  }

  /**
   * Whether these are the words of {@code java OPTIONS -jar JAR ARGUMENTS}, without options that do
   * not go with an archive or with a second start.
   */
  private static boolean startsAgain(byte[][] words, int jarAt, String jar) {
    if (jarAt < 2 || !is(words[jarAt], jar) || !is(words[jarAt - 1], "-jar")) {
      return false;
    }
    for (int i = 1; i < jarAt - 1; i++) {
      if (begins(words[i], "-Xshare")
          || begins(words[i], "-XX:SharedArchiveFile")
          || begins(words[i], "-XX:ArchiveClassesAtExit")
          || begins(words[i], "-agent")
          || begins(words[i], "-javaagent")
          || begins(words[i], "-Xrun")
          || begins(words[i], "-Xdebug")
          || begins(words[i], "--patch-module")
          || begins(words[i], "--limit-modules")
          || begins(words[i], "--upgrade-module-path")
          || begins(words[i], "-XX:VMOptionsFile")
          || begins(words[i], "-XX:Flags")
          || begins(words[i], "-XX:StartFlightRecording")
          || begins(words[i], "-XX:+RecordDynamicDumpInfo")
          || begins(words[i], "-Dcom.sun.management")
          || begins(words[i], "@")) {
        return false;
      }
    }
    return System.getenv("JAVA_TOOL_OPTIONS") == null
        && System.getenv("JDK_JAVA_OPTIONS") == null
        && System.getenv("_JAVA_OPTIONS") == null;
  }

  /** What comes before the options that were given, which have precedence. */
  private static byte[][] options(String archive, byte[][] words, int jarAt) {
    boolean collector = false;
    for (int i = 1; i < jarAt - 1; i++) {
      collector |= begins(words[i], "-XX:") && contains(words[i], "GC");
    }
    List<byte[]> options = new ArrayList<>();
    // the first virtual machine has judged the options that were given
    options.add(bytes("-XX:+IgnoreUnrecognizedVMOptions"));
    options.add(bytes(archive));
    // an archive that does not fit is no news for those who use the program
    options.add(bytes("-Xlog:cds*=off"));
    options.add(
        bytes(
            "-D"
                .concat(STARTED)
                .concat("=")
                .concat(archive.startsWith(ClassArchive.READ) ? READS : MAKES)));
    if (!collector) {
      options.add(bytes("-XX:+UseSerialGC")); // starts fastest; there is little to collect
    }
    for (String threshold : COMPILED_LATER) {
      options.add(bytes(threshold));
    }
    return options.toArray(new byte[0][]);
  }

  private static byte[][] with(byte[][] options, byte[][] words) {
    byte[][] all = new byte[options.length + words.length][];
    all[0] = words[0];
    System.arraycopy(options, 0, all, 1, options.length);
    System.arraycopy(words, 1, all, 1 + options.length, words.length - 1);
    return all;
  }

  private static byte[] bytes(String text) {
    return text.getBytes(Charset.defaultCharset()); // as the system names files
  }

  private static boolean is(byte[] word, String text) {
    return Arrays.equals(word, bytes(text));
  }

  private static boolean begins(byte[] word, String ascii) {
    boolean begins = word.length >= ascii.length();
    for (int i = 0; begins && i < ascii.length(); i++) {
      begins = word[i] == ascii.charAt(i);
    }
    return begins;
  }

  private static boolean contains(byte[] word, String ascii) {
    for (int from = 0; from + ascii.length() <= word.length; from++) {
      boolean here = true;
      for (int i = 0; here && i < ascii.length(); i++) {
        here = word[from + i] == ascii.charAt(i);
      }
      if (here) {
        return true;
      }
    }
    return false;
  }
}
