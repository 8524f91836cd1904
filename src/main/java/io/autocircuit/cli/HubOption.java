package io.autocircuit.cli;

import io.autocircuit.experiment.Cell;
import io.autocircuit.experiment.ModelPlaces;
import io.autocircuit.experiment.RunSpec;
import io.autocircuit.files.DataException;
import io.autocircuit.hub.Hub;
import io.autocircuit.hub.HubModel;
import io.autocircuit.hub.HubProgress;
import io.autocircuit.hub.HubSettings;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/**
 * What commands that take {@code --model} need so that it may be a name of the hub. Its environment
 * is the process's, but in tests.
 */
@Command // without options: those who have it are told of the environment
final class HubOption {
  private final Map<String, String> environment;
  private final boolean dry;

  HubOption(Map<String, String> environment) {
    this(environment, false);
  }

  private HubOption(Map<String, String> environment, boolean dry) {
    this.environment = environment;
    this.dry = dry;
  }

  /**
   * Makes a {@link HubOption} where a command has one; everything else as usual.
   *
   * @param environment what it is told
   * @param usual makes everything else
   */
  record Factory(Map<String, String> environment, CommandLine.IFactory usual)
      implements CommandLine.IFactory {
    @Override
    public <K> K create(Class<K> type) throws Exception {
      return type == HubOption.class ? type.cast(new HubOption(environment)) : usual.create(type);
    }
  }

  /** The same for {@code --dry-run}, without the network: only models in the cache are found. */
  HubOption dry() {
    Map<String, String> alone = new HashMap<>(environment);
    alone.put("HF_HUB_OFFLINE", "1");
    return new HubOption(alone, true);
  }

  /**
   * A model directory as it is, or the one of the model that is named, downloaded if need be.
   *
   * @param given what was typed; null for nothing
   * @param err where notices go to
   * @return null for nothing
   */
  Path directory(Path given, PrintWriter err) {
    return given == null || Files.exists(given)
        ? given
        : with(err, hub -> shown(named(hub, given), err)).orElse(given);
  }

  private Optional<HubModel> named(Hub hub, Path given) {
    try {
      return hub.named(given);
    } catch (DataException e) {
      throw dry
          ? new DataException(
              "model="
                  + given
                  + " is no directory, nor in cache="
                  + hub.settings().cache()
                  + ", and --dry-run downloads nothing; 'models fetch "
                  + given
                  + "' first",
              e)
          : e;
    }
  }

  /**
   * A run with a directory in place of a name of the hub, or of a snapshot that is gone.
   *
   * @param spec any run
   * @param err where notices go to
   * @return the run
   */
  RunSpec located(RunSpec spec, PrintWriter err) {
    return ModelPlaces.located(spec, path -> directory(path, err));
  }

  /**
   * The same of cells; each model is looked for once.
   *
   * @param folder where relative paths of theirs begin
   */
  List<Cell> located(List<Cell> cells, Path folder, PrintWriter err) {
    return ModelPlaces.located(cells, folder, path -> directory(path, err));
  }

  private static Optional<Path> shown(Optional<HubModel> found, PrintWriter err) {
    found.ifPresent(m -> m.notices().forEach(n -> err.println("note: " + n)));
    return found.map(HubModel::directory);
  }

  /** Does something with the hub, under a progress bar. */
  <T> T with(PrintWriter err, Function<Hub, T> action) {
    HubSettings settings = HubSettings.of(environment);
    try (Bars bars = Bars.onTerminal()) {
      return action.apply(
          new Hub(
              settings,
              new HubProgress() {
                @Override
                public void update(String what, long done, long total) {
                  bars.bytes(what, done, total);
                }

                @Override
                public void note(String text) {
                  err.println("note: " + text);
                }
              }));
    }
  }
}
