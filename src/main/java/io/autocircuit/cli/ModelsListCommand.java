package io.autocircuit.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.hub.CachedModel;
import io.autocircuit.hub.CachedRevision;
import io.autocircuit.hub.HubCache;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code models list}: what is in the cache. */
@Command(
    name = "list",
    mixinStandardHelpOptions = true,
    description = "Lists the models in the cache; nothing is asked through the network.")
final class ModelsListCommand implements Runnable {
  private static final int SHORT_COMMIT = 7;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @CommandLine.Mixin private HubOption hub;

  @Option(names = "--json", description = "As JSON, with whole commits and folders.")
  private boolean json;

  @SuppressWarnings("UnusedVariable") // Main looks for the word
  @Option(names = "--verbose", description = "Print stack traces.")
  private boolean verbose;

  @Override
  public void run() {
    PrintWriter out = spec.commandLine().getOut();
    HubCache cache = hub.with(spec.commandLine().getErr(), h -> h.cache());
    List<CachedModel> models = cache.models();
    if (json) {
      out.println(json(cache, models).toPrettyString());
    } else {
      print(cache, models, out);
    }
    out.flush();
  }

  private static void print(HubCache cache, List<CachedModel> models, PrintWriter out) {
    out.println("cache: " + cache.folder());
    if (models.isEmpty()) {
      out.println("no models; 'models fetch NAME' downloads one");
      return;
    }
    List<String[]> rows = new ArrayList<>();
    rows.add(new String[] {"model", "revision", "size", "state"});
    for (CachedModel m : models) {
      if (m.revisions().isEmpty()) {
        rows.add(new String[] {m.id().name(), "–", size(m.bytes()), "unfinished"});
      }
      for (CachedRevision r : m.revisions()) {
        rows.add(
            new String[] {
              m.id().name(),
              (String.join(", ", r.refs()) + " " + r.commit().substring(0, SHORT_COMMIT)).strip(),
              size(r.bytes()),
              r.lacks().map(name -> "lacks " + name).orElse("complete")
            });
      }
    }
    int[] widths = new int[rows.get(0).length];
    for (String[] row : rows) {
      for (int i = 0; i < row.length; i++) {
        widths[i] = Math.max(widths[i], row[i].length());
      }
    }
    for (String[] row : rows) {
      out.printf(
          "%-" + widths[0] + "s  %-" + widths[1] + "s  %" + widths[2] + "s  %s%n", (Object[]) row);
    }
    out.printf(
        Locale.ROOT,
        "%,d %s, %s on the disk%n",
        models.size(),
        models.size() == 1 ? "model" : "models",
        size(models.stream().mapToLong(CachedModel::bytes).sum()));
  }

  /** A number of bytes for people. */
  static String size(long bytes) {
    double value = bytes;
    String unit = "B";
    for (String larger : new String[] {"KiB", "MiB", "GiB", "TiB"}) {
      if (value >= 1024) {
        value /= 1024;
        unit = larger;
      }
    }
    return unit.equals("B") ? bytes + " B" : String.format(Locale.ROOT, "%.1f %s", value, unit);
  }

  private static ObjectNode json(HubCache cache, List<CachedModel> models) {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("cache", cache.folder().toString());
    ArrayNode all = root.putArray("models");
    for (CachedModel m : models) {
      ObjectNode model = all.addObject();
      model.put("model", m.id().name());
      model.put("folder", m.folder().toString());
      model.put("bytes", m.bytes());
      ArrayNode revisions = model.putArray("revisions");
      for (CachedRevision r : m.revisions()) {
        ObjectNode revision = revisions.addObject();
        revision.put("commit", r.commit());
        ArrayNode refs = revision.putArray("refs");
        r.refs().forEach(refs::add);
        revision.put("directory", r.directory().toString());
        revision.put("bytes", r.bytes());
        revision.put("lacks", r.lacks().orElse(null));
      }
    }
    return root;
  }
}
