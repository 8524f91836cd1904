package io.autocircuit.experiment;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.SettingType;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.experiment.RunSpec.Algorithm;
import io.autocircuit.experiment.RunSpec.Saved;
import io.autocircuit.experiment.RunSpec.Scoring;
import io.autocircuit.formats.ScoreFiles;
import io.autocircuit.graph.ComputationGraph;
import io.autocircuit.patch.Circuit;
import io.autocircuit.prune.PruneAlgorithm;
import io.autocircuit.prune.PruneAlgorithmProvider;
import io.autocircuit.prune.PruneContext;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The algorithm of a spec, by the catalogue. */
final class RunAlgorithms {
  /** The field of a spec's scoring that says what is avoided. */
  static final String AVOID = "avoid";

  private RunAlgorithms() {}

  /**
   * Scoring with the fingerprints of its files.
   *
   * @param scoring any scoring
   * @return the same, its files read
   * @throws io.autocircuit.files.DataException if a file cannot be read
   */
  static Scoring pinned(Scoring scoring) {
    if (scoring instanceof Saved s) {
      return new Saved(s.file().pinned());
    }
    Algorithm a = (Algorithm) scoring;
    return new Algorithm(a.key(), pinned(a.settings()), a.avoid().map(AvoidedEdges::pinned));
  }

  /** Settings with the absolute places and the fingerprints of the scores that they name. */
  private static Settings pinned(Settings settings) {
    Settings all = settings;
    for (String name : files(settings)) {
      Path place = Path.of(settings.text(name)).toAbsolutePath();
      StoredFile file = StoredFile.at(ScoreFiles.file(place));
      file.requireRegular();
      all =
          all.with(name, place)
              .with(name + PruneAlgorithmProvider.FINGERPRINT, file.pinned().sha256().get());
    }
    return all;
  }

  /**
   * The settings that name scores of which there is a fingerprint.
   *
   * @param settings of an algorithm
   * @return names of settings, of those that have a value
   */
  static List<String> files(Settings settings) {
    List<String> names = settings.declared().stream().map(Setting::name).toList();
    return settings.declared().stream()
        .filter(s -> s.type() instanceof SettingType.File)
        .map(Setting::name)
        .filter(n -> names.contains(n + PruneAlgorithmProvider.FINGERPRINT))
        .filter(n -> settings.value(n).isPresent())
        .toList();
  }

  /** Settings as JSON; for a hash without the places of files, which do not change results. */
  static ObjectNode json(Settings settings, boolean places) {
    ObjectNode json = settings.json();
    return places ? json : json.remove(files(settings));
  }

  /**
   * Reads key, settings, and what is avoided; every setting that the algorithm has must be there.
   *
   * @param node an object with {@code algorithm} and {@code settings}, perhaps {@code avoid}
   * @param folder where relative paths begin
   * @return the algorithm
   * @throws io.autocircuit.files.DataException if there is no such algorithm or setting, one is
   *     missing, or has a value that is not allowed
   */
  static Algorithm read(JsonFields node, Path folder) {
    PruneAlgorithmProvider entry =
        node.as("algorithm", key -> PruneAlgorithmProvider.catalogue().get(key));
    return new Algorithm(entry.key(), node.settings(entry.settings()), avoid(node, entry, folder));
  }

  private static Optional<AvoidedEdges> avoid(
      JsonFields node, PruneAlgorithmProvider entry, Path folder) {
    if (!node.has(AVOID)) {
      return Optional.empty();
    }
    if (!entry.avoids()) {
      throw node.error(AVOID, "is given, but algorithm=" + entry.key() + " avoids nothing");
    }
    if (node.node(AVOID).isTextual()) {
      if (!node.text(AVOID).equals(AvoidedEdges.OFFICIAL)) {
        throw node.error(AVOID, "is unknown; give \"official\", or a file in braces");
      }
      return Optional.of(new AvoidedEdges.Official());
    }
    JsonFields file = node.object(AVOID, "path", "sha256", "edges");
    return Optional.of(
        new AvoidedEdges.Stored(
            new StoredFile(file.path("path", folder), file.sha256("sha256")),
            file.isNull("edges") ? Optional.empty() : Optional.of(file.whole("edges", 1))));
  }

  /** What is avoided, as JSON; {@code file} writes the file. */
  static JsonNode avoid(AvoidedEdges avoid, Function<StoredFile, ObjectNode> file) {
    return avoid instanceof AvoidedEdges.Stored s
        ? file.apply(s.file()).put("edges", s.first().orElse(null))
        : JsonNodeFactory.instance.textNode(AvoidedEdges.OFFICIAL);
  }

  /**
   * Checks that an algorithm avoids what it is told to.
   *
   * @param entry the algorithm
   * @param avoid what it is told
   * @throws IllegalArgumentException if it avoids nothing
   */
  static void requireAvoids(PruneAlgorithmProvider entry, Optional<AvoidedEdges> avoid) {
    if (avoid.isPresent() && !entry.avoids()) {
      throw new IllegalArgumentException(
          "algorithm="
              + entry.key()
              + " avoids nothing; leave --avoid away, or choose one of "
              + PruneAlgorithmProvider.catalogue().entries().stream()
                  .filter(PruneAlgorithmProvider::avoids)
                  .map(PruneAlgorithmProvider::key)
                  .collect(Collectors.joining(", ")));
    }
  }

  /**
   * Makes the algorithm.
   *
   * @param algorithm key and settings
   * @param spec the run
   * @param graph the model's graph
   * @param official its known circuit, or null
   * @return the algorithm
   * @throws IllegalArgumentException if there is none of that key, or it cannot be made of these
   */
  static PruneAlgorithm make(
      Algorithm algorithm, RunSpec spec, ComputationGraph graph, Circuit official) {
    PruneAlgorithmProvider entry = PruneAlgorithmProvider.catalogue().get(algorithm.key());
    requireAvoids(entry, algorithm.avoid());
    Optional<Circuit> known = Optional.ofNullable(official);
    return entry.create(
        algorithm.settings(),
        new PruneContext(
            spec.seed(),
            spec.judging().runs().patchType(),
            known,
            algorithm.avoid().map(a -> a.read(graph, known)),
            spec.graph().level() == Level.NODE));
  }
}
