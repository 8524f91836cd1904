package io.autocircuit.experiment;

import io.autocircuit.experiment.RunSpec.Saved;
import io.autocircuit.experiment.RunSpec.Scoring;
import io.autocircuit.prune.PruneAlgorithmProvider;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What a spec says that is not as it was. */
final class RunChanges {
  /** Digits of a hash that are shown. */
  private static final int SHOWN = 12;

  private RunChanges() {}

  /**
   * Checks that all files can be read twice.
   *
   * @throws io.autocircuit.files.DataException if one is a pipe or a device
   */
  static void requireRegular(RunSpec spec) {
    if (spec.prompts().source() instanceof PromptSource.File f) {
      f.file().requireRegular();
    }
    if (spec.scoring() instanceof Saved s) {
      s.file().requireRegular();
    }
    if (spec.scoring() instanceof RunSpec.Algorithm a
        && a.avoid().orElse(null) instanceof AvoidedEdges.Stored s) {
      s.file().requireRegular();
    }
    if (spec.official().orElse(null) instanceof OfficialSource.Stored s) {
      s.file().requireRegular();
    }
    spec.constants().ifPresent(StoredFile::requireRegular);
  }

  /**
   * What the files hold.
   *
   * @return hashes by what they are of, for people; empty where they are not known yet
   */
  private static Map<String, Optional<String>> contents(RunSpec spec) {
    Map<String, Optional<String>> all = new LinkedHashMap<>();
    Optional<ModelSource.Contents> model = Optional.empty();
    String where = "";
    if (spec.model() instanceof ModelSource.Directory d) {
      model = d.contents();
      where = " in model=" + d.path();
    } else if (spec.model() instanceof ModelSource.Embedded e) {
      model = e.contents();
      where = " of the embedded model";
    }
    if (spec.model() instanceof ModelSource.OfTask t) {
      all.put("the model of task=" + t.task().key(), t.task().sha256());
    } else if (!(spec.model() instanceof ModelSource.Random)) {
      all.put("weights" + where, model.map(ModelSource.Contents::weights));
      all.put("config.json" + where, model.map(ModelSource.Contents::config));
    }
    spec.graph()
        .autoencoders()
        .ifPresent(a -> all.put("autoencoders=" + a.directory(), a.sha256()));
    all.put("tokenizer" + where, spec.prompts().tokenizer());
    if (spec.prompts().source() instanceof PromptSource.File f) {
      all.put("prompts=" + f.file().path(), f.file().sha256());
    } else if (spec.prompts().source() instanceof PromptSource.Embedded e) {
      all.put("embedded prompts", e.sha256());
    }
    if (spec.prompts().source() instanceof PromptSource.OfTask t) {
      all.put("the prompts of task=" + t.task().key(), t.task().sha256());
    }
    Scoring scoring = spec.scoring();
    if (scoring instanceof Saved s) {
      all.put("scores=" + s.file().path(), s.file().sha256());
    }
    if (scoring instanceof RunSpec.Algorithm a) {
      for (String name : RunAlgorithms.files(a.settings())) {
        all.put(
            name + "=" + a.settings().text(name),
            a.settings().value(name + PruneAlgorithmProvider.FINGERPRINT).map(String.class::cast));
      }
    }
    if (scoring instanceof RunSpec.Algorithm a
        && a.avoid().orElse(null) instanceof AvoidedEdges.Stored s) {
      all.put("avoid=" + s.file().path(), s.file().sha256());
    }
    if (spec.official().orElse(null) instanceof OfficialSource.Stored s) {
      all.put("official=" + s.file().path(), s.file().sha256());
    }
    spec.constants().ifPresent(f -> all.put("constants=" + f.path(), f.sha256()));
    return all;
  }

  /**
   * The files that have not been read yet.
   *
   * @return what they are, for people
   */
  static List<String> unknown(RunSpec spec) {
    return contents(spec).entrySet().stream()
        .filter(e -> e.getValue().isEmpty())
        .map(Map.Entry::getKey)
        .toList();
  }

  /** Whether this version of the library has read all files. */
  static boolean knownByThisVersion(RunSpec spec) {
    return unknown(spec).isEmpty() && spec.version().equals(RunSpec.libraryVersion());
  }

  /**
   * Checks that all files have been read.
   *
   * @throws IllegalStateException if one has not
   */
  static void requireKnown(RunSpec spec) {
    List<String> missing = unknown(spec);
    if (!missing.isEmpty()) {
      throw new IllegalStateException(
          "the SHA-256 of "
              + String.join(", ", missing)
              + " is not known yet; use pinned(), which reads the files");
    }
  }

  /**
   * The files that do not hold what they held.
   *
   * @param then what was recorded; what it does not know is not compared
   * @param now the same spec, pinned
   * @return a phrase for each
   */
  static List<String> of(RunSpec then, RunSpec now) {
    Map<String, Optional<String>> found = contents(now);
    List<String> changes = new ArrayList<>();
    contents(then)
        .forEach(
            (what, hash) -> {
              String is = found.get(what).orElse("");
              if (hash.isPresent() && !hash.get().equals(is)) {
                changes.add(what + " has sha256=" + digits(is) + ", not " + digits(hash.get()));
              }
            });
    return changes;
  }

  private static String digits(String hash) {
    return hash.length() > SHOWN ? hash.substring(0, SHOWN) + "…" : hash;
  }

  /**
   * What is otherwise and may change numbers, without being wrong.
   *
   * @param then what was recorded
   * @param now the same spec as it is run
   * @return a sentence for each
   */
  static List<String> notices(RunSpec then, RunSpec now) {
    List<String> notices = new ArrayList<>();
    if (!then.version().equals(now.version())) {
      notices.add(
          "this run was recorded by version="
              + then.version()
              + " of the library and is repeated by version="
              + now.version()
              + "; numbers may differ");
    }
    if (then.machine().isPresent() && now.machine().isPresent()) {
      Machine before = then.machine().get();
      Machine here = now.machine().get();
      List<String> other = new ArrayList<>();
      differ("device", before.device(), here.device(), other);
      differ("kernels", before.kernels(), here.kernels(), other);
      differ("threads", before.threads(), here.threads(), other);
      differ("memory", before.memory(), here.memory(), other);
      if (!other.isEmpty()) {
        notices.add(
            "this run was recorded with "
                + String.join(", ", other)
                + "; numbers may differ by rounding");
      }
    }
    return notices;
  }

  private static void differ(String what, Object before, Object here, List<String> to) {
    if (!before.equals(here)) {
      to.add(what + "=" + before + " (here " + here + ")");
    }
  }
}
