package io.autocircuit.cli;

import io.autocircuit.catalogue.CatalogueException;
import io.autocircuit.data.BosPolicy;
import io.autocircuit.data.MultiTokenAnswers;
import io.autocircuit.experiment.Level;
import io.autocircuit.experiment.Precision;
import io.autocircuit.files.DataException;
import io.autocircuit.formats.ScoreEnsemble;
import io.autocircuit.graph.ComputationGraph.Form;
import io.autocircuit.graph.KeyValues;
import io.autocircuit.graph.Suggestions;
import io.autocircuit.kernels.DeviceRequest;
import io.autocircuit.kernels.cuda.CudaException;
import io.autocircuit.model.OutputSlice;
import io.autocircuit.model.WeightType;
import io.autocircuit.patch.PatchType;
import io.autocircuit.prune.KnockoutTraining;
import io.autocircuit.prune.MaskFunction;
import io.autocircuit.report.TableFormat;
import io.autocircuit.tensor.NativeAhead;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The command line's entry. */
@Command(
    name = "autocircuit",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    description = "Circuit discovery for transformer language models.")
public final class Main implements Runnable {
  /** What libtorch and JavaCPP say when native memory is used up. */
  private static final Pattern OUT_OF_MEMORY =
      Pattern.compile("can't allocate memory|not enough memory|Physical memory usage is too high");

  private static final int LONGEST_QUOTED = 120;

  /** In the order of the help. */
  private static final Map<String, Class<?>> COMMANDS = commands();

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  private static Map<String, Class<?>> commands() {
    Map<String, Class<?>> commands = new LinkedHashMap<>();
    commands.put("discover", DiscoverCommand.class);
    commands.put("experiment", ExperimentCommand.class);
    commands.put("results", ResultsCommand.class);
    commands.put("another", AnotherCommand.class);
    commands.put("completeness", CompletenessCommand.class);
    commands.put("test", TestCommand.class);
    commands.put("neurons", NeuronsCommand.class);
    commands.put("attends", AttendsCommand.class);
    commands.put("cluster", ClusterCommand.class);
    commands.put("dataset", DatasetCommand.class);
    commands.put("inspect", InspectCommand.class);
    commands.put("models", ModelsCommand.class);
    commands.put("export", ExportCommand.class);
    commands.put("compare", CompareCommand.class);
    commands.put("scores", ScoresCommand.class);
    commands.put("circuit", CircuitCommand.class);
    commands.put("mib", MibCommand.class);
    commands.put("list", ListCommand.class);
    commands.put("reference", ReferenceCommand.class);
    commands.put("bench", BenchCommand.class);
    commands.put("bench-compare", BenchCompareCommand.class);
    commands.put("selftest", SelftestCommand.class);
    commands.put("autoencoders", AutoencodersCommand.class);
    commands.put("train-induction", TrainInductionCommand.class);
    commands.put("help", CommandLine.HelpCommand.class);
    return Collections.unmodifiableMap(commands);
  }

  /** The version from the jar's manifest. */
  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      String version = Main.class.getPackage().getImplementationVersion();
      return new String[] {"autocircuit " + (version == null ? "(development)" : version)};
    }
  }

  @Override
  public void run() {
    throw new CommandLine.ParameterException(
        spec.commandLine(),
        "no command given; commands: "
            + COMMANDS.keySet().stream()
                .filter(c -> !c.equals("help"))
                .collect(Collectors.joining(", ")));
  }

  /**
   * Runs the command line and ends the process with its exit code.
   *
   * @param args the words of the command line
   */
  public static void main(String[] args) {
    // libtorch takes as long to load as the command line to be read
    CompletableFuture<Void> natives =
        args.length > 0 && !Start.NATIVE_FREE.contains(args[0]) && !List.of(args).contains("--help")
            ? NativeAhead.begin()
            : CompletableFuture.completedFuture(null);
    int code =
        run(
            args,
            new PrintWriter(System.out, true, StandardCharsets.UTF_8),
            new PrintWriter(System.err, true, StandardCharsets.UTF_8),
            System.getenv(),
            natives);
    if (Start.MAKES.equals(System.getProperty(Start.STARTED))) {
      ClassArchive.loadAll(System.getProperty("java.class.path"));
    }
    NativeAhead.await(); // a process that ends while a library is linked may crash
    System.exit(code);
  }

  /**
   * Runs the command line.
   *
   * @param environment what says how the hub is reached
   * @return the exit code: 0 done, 1 bad data or no such device, 2 wrong usage
   */
  static int run(String[] args, PrintWriter out, PrintWriter err, Map<String, String> environment) {
    return run(args, out, err, environment, CompletableFuture.completedFuture(null));
  }

  private static int run(
      String[] args,
      PrintWriter out,
      PrintWriter err,
      Map<String, String> environment,
      CompletableFuture<Void> natives) {
    try {
      CommandLine line = line(args, out, err, environment);
      line.setExecutionStrategy(
          parsed -> {
            try {
              requireUnpacked(natives);
            } catch (IllegalStateException e) {
              return failure(e, args, err); // as one line, which the parser would not print
            }
            return new CommandLine.RunLast().execute(parsed);
          });
      return line.execute(args);
    } catch (IllegalStateException | OutOfMemoryError | LinkageError | StackOverflowError e) {
      return failure(e, args, err);
    }
  }

  /**
   * Waits for the native libraries to lie where they can be loaded from.
   *
   * @throws IllegalStateException if they cannot be unpacked
   */
  private static void requireUnpacked(CompletableFuture<Void> natives) {
    try {
      natives.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof IllegalStateException unusable) {
        throw unusable;
      }
      if (!(e.getCause() instanceof LinkageError)) {
        throw e;
      }
      // the command that needs the native libraries says what is wrong with them
    }
  }

  /** The command line that reads these words. */
  static CommandLine line(
      String[] args, PrintWriter out, PrintWriter err, Map<String, String> environment) {
    CommandLine.IFactory factory = new HubOption.Factory(environment, CommandLine.defaultFactory());
    CommandLine line = new CommandLine(new Main(), factory);
    // to learn what a command takes costs time, so only the one that is meant is asked, if it is
    Class<?> meant = args.length == 0 ? null : COMMANDS.get(args[0]);
    if (meant == null || meant == CommandLine.HelpCommand.class) {
      COMMANDS.forEach(
          (name, command) -> line.addSubcommand(name, new CommandLine(command, factory)));
    } else {
      line.addSubcommand(args[0], new CommandLine(meant, factory));
    }
    line.setOut(out);
    line.setErr(err);
    line.setUsageHelpAutoWidth(true);
    register(line, BosPolicy.values(), Main::lower);
    register(line, MultiTokenAnswers.values(), Main::lower);
    register(line, PatchType.values(), PatchType::key);
    register(line, Form.values(), Form::key);
    register(line, KeyValues.values(), KeyValues::key);
    register(line, Level.values(), Level::key);
    register(line, Precision.values(), Precision::key);
    line.registerConverter(WeightType.class, Main::weights);
    register(line, ScoresConvertCommand.To.values(), Main::lower);
    register(line, ScoreEnsemble.values(), ScoreEnsemble::key);
    register(line, ScoresCombineCommand.Normalize.values(), Main::lower);
    register(line, NeuronsCommand.Of.values(), Main::lower);
    register(line, CircuitCommand.What.values(), Main::lower);
    register(line, CircuitCommand.To.values(), Main::lower);
    register(line, OutputSlice.values(), OutputSlice::key);
    register(line, ExportCommand.Format.values(), ExportCommand.Format::key);
    register(line, TableFormat.values(), TableFormat::key);
    register(line, MaskFunction.values(), Main::lower);
    register(line, KnockoutTraining.Target.values(), Main::lower);
    line.registerConverter(
        ListCommand.What.class,
        text -> new ListCommand.What(known(text, ListCommand.What.names())));
    line.registerConverter(DeviceRequest.class, Main::device);
    line.setParameterExceptionHandler(Main::usage);
    line.setExecutionExceptionHandler((e, command, parsed) -> failure(e, args, err));
    return line;
  }

  /** A type of weights by its name, or the short one that is common. */
  private static WeightType weights(String text) {
    List<String> names = Stream.of(WeightType.values()).map(WeightType::key).toList();
    String name =
        Map.of("bf16", "bfloat16", "fp16", "float16", "f16", "float16", "fp32", "float32")
            .getOrDefault(text.toLowerCase(Locale.ROOT), text);
    return WeightType.valueOf(known(name, names).toUpperCase(Locale.ROOT));
  }

  private static String lower(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  /** Names of an enumeration in any case, and a message with the nearest ones. */
  private static <E extends Enum<E>> void register(
      CommandLine line, E[] values, Function<? super E, String> name) {
    List<String> names = Stream.of(values).map(name).toList();
    line.registerConverter(
        values[0].getDeclaringClass(), text -> values[names.indexOf(known(text, names))]);
  }

  /** One of the names, in any case. */
  private static String known(String text, List<String> names) {
    String name = text.toLowerCase(Locale.ROOT);
    if (!names.contains(name)) {
      throw new CommandLine.TypeConversionException(
          "\"" + text + "\" is unknown; " + Suggestions.among(text, names));
    }
    return name;
  }

  private static DeviceRequest device(String text) {
    try {
      return DeviceRequest.parse(text);
    } catch (IllegalArgumentException e) {
      throw new CommandLine.TypeConversionException(e.getMessage());
    }
  }

  private static int usage(CommandLine.ParameterException e, String[] args) {
    CommandLine command = e.getCommandLine();
    String message = e.getMessage();
    if (e instanceof CommandLine.UnmatchedArgumentException unmatched
        && !unmatched.getUnmatched().isEmpty()) {
      String wrong = unmatched.getUnmatched().get(0);
      boolean option = wrong.startsWith("-");
      Collection<String> known =
          option
              ? command.getCommandSpec().optionsMap().keySet()
              : command.getSubcommands().keySet();
      message =
          (option ? "unknown option \"" : known.isEmpty() ? "unexpected \"" : "unknown command \"")
              + wrong
              + "\""
              + (option
                  ? nearest(wrong, known)
                  : known.isEmpty() ? "" : "; " + Suggestions.among(wrong, known));
    }
    PrintWriter err = command.getErr();
    err.println(
        "autocircuit: "
            + oneLine(numbers(cut(message, args)))
            + " (see "
            + command.getCommandSpec().qualifiedName()
            + " --help)");
    if (verbose(args)) {
      e.printStackTrace(err);
    }
    return 2;
  }

  /** The options near an unknown one, compared without their dashes; else nothing. */
  private static String nearest(String wrong, Collection<String> options) {
    int value = wrong.indexOf('=');
    String name = (value < 0 ? wrong : wrong.substring(0, value)).replaceFirst("^-+", "");
    List<String> names = options.stream().map(o -> o.replaceFirst("^-+", "")).toList();
    List<String> near = Suggestions.nearest(name, names, 2);
    return near.isEmpty() ? "" : "; did you mean --" + String.join(" or --", near) + "?";
  }

  private static boolean verbose(String[] args) {
    return List.of(args).contains("--verbose");
  }

  private static int failure(Throwable e, String[] args, PrintWriter err) {
    boolean verbose = verbose(args);
    err.println("autocircuit: " + oneLine(cut(described(e, verbose), args)));
    if (verbose) {
      e.printStackTrace(err);
    }
    return 1;
  }

  /** What went wrong, for people. */
  static String described(Throwable e, boolean verbose) {
    String message = String.valueOf(e.getMessage());
    if (message.contains("CUDA out of memory")) {
      return "out of memory on the device ("
          + firstLine(message)
          + "); use a smaller --memory or --batch-size, or end other programs on the device";
    }
    if (e instanceof OutOfMemoryError || OUT_OF_MEMORY.matcher(message).find()) {
      return "out of memory (" + firstLine(message) + "); " + MemoryAdvice.of(e);
    }
    if (e instanceof DataException
        || e instanceof CatalogueException
        || e instanceof CudaException
        || e instanceof IllegalArgumentException) {
      return message;
    }
    if (e instanceof IllegalStateException && message.startsWith("native library")) {
      return message;
    }
    return "internal error: "
        + e.getClass().getSimpleName()
        + ": "
        + firstLine(message)
        + (verbose ? "" : " (run with --verbose for the stack trace)");
  }

  /** libtorch appends a stack trace of its own to its messages. */
  private static String firstLine(String message) {
    return message.lines().findFirst().orElse("");
  }

  /** A message in which what was typed on the command line is quoted no longer than it is read. */
  private static String cut(String message, String[] args) {
    String shown = message;
    for (String arg : args) {
      if (arg.length() > LONGEST_QUOTED) {
        String value = arg.substring(arg.startsWith("--") ? arg.indexOf('=') + 1 : 0);
        for (String part : value.split(",", -1)) {
          if (part.length() > LONGEST_QUOTED) {
            shown = shown.replace(part, part.substring(0, LONGEST_QUOTED) + "…");
          }
        }
      }
    }
    return shown;
  }

  /** What the option parser calls a number, in words for people. */
  private static String numbers(String message) {
    return message == null
        ? null
        : message
            .replaceAll("is not an? (double|float)\\b", "is not a number")
            .replaceAll("is not an? (int|long)\\b", "is not a whole number");
  }

  private static String oneLine(String message) {
    return message == null
        ? "unknown error"
        : DataException.oneLine(message.replaceAll("\\s*\\R\\s*", " "));
  }
}
