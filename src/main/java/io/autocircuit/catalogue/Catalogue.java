package io.autocircuit.catalogue;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.autocircuit.graph.UnknownNameException;
import java.net.URI;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The entries of one kind, in order; immutable. Made where it is needed: what another jar adds
 * depends on the class loader of the moment.
 *
 * @param <E> the kind of entry
 */
public final class Catalogue<E extends Entry> implements Iterable<E> {
  private final String kind;
  private final Map<String, E> entries;

  private Catalogue(String kind, Map<String, E> entries) {
    this.kind = kind;
    this.entries = Collections.unmodifiableMap(entries);
  }

  /**
   * Of given entries.
   *
   * @param <E> the kind of entry
   * @param kind what an entry is, in the singular, such as {@code algorithm}
   * @param entries the entries, in order
   * @return the catalogue
   * @throws CatalogueException if two have the same key, or one has an unusable text
   */
  public static <E extends Entry> Catalogue<E> of(String kind, List<? extends E> entries) {
    Map<String, E> byKey = new LinkedHashMap<>();
    for (E e : entries) {
      check(kind, e);
      E before = byKey.putIfAbsent(lower(e.key()), e);
      if (before != null) {
        throw new CatalogueException(
            kind
                + "="
                + e.key()
                + " is defined by "
                + before.getClass().getName()
                + " and by "
                + e.getClass().getName()
                + "; give one of them another key, or leave it out of the class path",
            null);
      }
    }
    requirePresets(kind, entries, byKey);
    return new Catalogue<>(kind, byKey);
  }

  private static void requirePresets(
      String kind, List<? extends Entry> entries, Map<String, ? extends Entry> byKey) {
    Set<String> keys = new LinkedHashSet<>(byKey.keySet());
    for (Entry e : entries) {
      for (Preset p : e.presets()) {
        if (!keys.add(lower(p.key()))) {
          throw new CatalogueException(
              "preset="
                  + p.key()
                  + " of "
                  + kind
                  + "="
                  + e.key()
                  + " has the key of another preset or "
                  + kind
                  + "; give it another",
              null);
        }
      }
    }
    requireNames(kind, entries);
  }

  /** Presets that are called alike are the same: of one entry, with the same values. */
  private static void requireNames(String kind, List<? extends Entry> entries) {
    Map<String, List<Object>> meant = new LinkedHashMap<>();
    for (Entry e : entries) {
      for (Preset p : e.presets()) {
        for (String name : p.names()) {
          List<Object> own = List.of(e.key(), p.values());
          List<Object> before = meant.putIfAbsent(lower(name), own);
          if (before != null && !before.equals(own)) {
            throw new CatalogueException(
                "preset="
                    + p.key()
                    + " of "
                    + kind
                    + "="
                    + e.key()
                    + " has the name \""
                    + name
                    + "\" of another preset; give it another",
                null);
          }
        }
      }
    }
  }

  /**
   * Of what is registered in {@code META-INF/services} under the name of the kind's interface: by
   * the library, then by jars that the interface's class loader sees, then by jars that the
   * thread's context class loader sees.
   *
   * @param <E> the kind of entry
   * @param kind what an entry is, in the singular, such as {@code algorithm}
   * @param type the interface
   * @return the catalogue
   * @throws CatalogueException if an entry cannot be made, two have the same key, or one has an
   *     unusable text
   */
  public static <E extends Entry> Catalogue<E> load(String kind, Class<E> type) {
    return load(kind, type, List.of());
  }

  /**
   * Of given entries, and then of what is registered in {@code META-INF/services}.
   *
   * @param <E> the kind of entry
   * @param kind what an entry is, in the singular, such as {@code metric}
   * @param type the interface
   * @param given the entries that are there without registration
   * @return the catalogue
   * @throws CatalogueException if an entry cannot be made, two have the same key, or one has an
   *     unusable text
   */
  public static <E extends Entry> Catalogue<E> load(
      String kind, Class<E> type, List<? extends E> given) {
    List<E> entries = new ArrayList<>(given);
    Set<Class<?>> seen = new LinkedHashSet<>();
    for (ClassLoader loader : loaders(type)) {
      Iterator<ServiceLoader.Provider<E>> providers =
          ServiceLoader.load(type, loader).stream().iterator();
      try {
        while (providers.hasNext()) {
          ServiceLoader.Provider<E> provider = providers.next();
          if (seen.add(provider.type())) {
            entries.add(provider.get());
          }
        }
      } catch (ServiceConfigurationError e) {
        Throwable cause = e.getCause() == null ? e : e.getCause();
        throw new CatalogueException(
            "catalogue="
                + kind
                + ": "
                + Texts.shown(e.getMessage())
                + (cause == e ? "" : " (" + Texts.shown(cause) + ")")
                + "; correct or remove the jar that registers it",
            e);
      }
    }
    return of(kind, entries);
  }

  /** The interface's loader, and the context's where it sees the same interface. */
  private static List<ClassLoader> loaders(Class<?> type) {
    ClassLoader own = type.getClassLoader();
    ClassLoader context = Thread.currentThread().getContextClassLoader();
    if (context == null || context == own) {
      return List.of(own);
    }
    try {
      return Class.forName(type.getName(), false, context) == type
          ? List.of(own, context)
          : List.of(own);
    } catch (ClassNotFoundException | LinkageError e) {
      return List.of(own);
    }
  }

  private static void check(String kind, Entry e) {
    try {
      Texts.requireKey("key", e.key());
      Texts.requireLine("title", e.title());
      Texts.requireLine("description", e.description());
      Settings.defaults(e.settings());
      for (Preset p : e.presets()) {
        Texts.requireKey("preset", p.key());
        p.names().forEach(n -> Texts.requireLine("name of preset " + p.key(), n));
        Texts.requireLine("title of preset " + p.key(), p.title());
        Texts.requireLine("description of preset " + p.key(), p.description());
        Settings.of(e.settings(), p.values());
      }
    } catch (RuntimeException wrong) {
      throw new CatalogueException(
          kind + " of " + e.getClass().getName() + ": " + wrong.getMessage(), wrong);
    }
  }

  private static String lower(String key) {
    return key.toLowerCase(Locale.ROOT);
  }

  /**
   * What an entry is, in the singular.
   *
   * @return such as {@code algorithm}
   */
  public String kind() {
    return kind;
  }

  /**
   * The entries.
   *
   * @return in order
   */
  public List<E> entries() {
    return List.copyOf(entries.values());
  }

  /**
   * The keys.
   *
   * @return in order
   */
  public List<String> keys() {
    return entries.values().stream().map(Entry::key).toList();
  }

  /**
   * The entry of a key, if there is one.
   *
   * @param key in any case
   * @return the entry
   */
  public Optional<E> find(String key) {
    return Optional.ofNullable(entries.get(lower(key)));
  }

  /**
   * The entry of a key.
   *
   * @param key in any case
   * @return the entry
   * @throws UnknownNameException if there is none; the message has the nearest keys
   */
  public E get(String key) {
    return find(key).orElseThrow(() -> new UnknownNameException(kind, key, keys()));
  }

  /**
   * The entry that has a preset of a name, if there is one.
   *
   * @param preset the preset's key or another of its names, in any case
   * @return the entry; its {@link Entry#preset} is the preset
   */
  public Optional<E> ofPreset(String preset) {
    return entries.values().stream()
        .filter(e -> e.presets().stream().anyMatch(p -> p.key().equalsIgnoreCase(preset)))
        .findFirst()
        .or(
            () ->
                entries.values().stream()
                    .filter(e -> e.presets().stream().anyMatch(p -> p.isCalled(preset)))
                    .findFirst());
  }

  /**
   * The preset of a name.
   *
   * @param name its key or another of its names, in any case
   * @return the preset
   * @throws UnknownNameException if there is none; the message has the nearest
   */
  public Preset preset(String name) {
    return ofPreset(name)
        .map(e -> e.preset(name))
        .orElseThrow(() -> new UnknownNameException("preset", name, presetNames()));
  }

  /**
   * The keys of all presets.
   *
   * @return in the order of entries
   */
  public List<String> presetKeys() {
    return entries.values().stream().flatMap(e -> e.presets().stream()).map(Preset::key).toList();
  }

  /**
   * All that presets are called.
   *
   * @return the keys, then the other names, in the order of entries
   */
  public List<String> presetNames() {
    return Stream.concat(
            presetKeys().stream(),
            entries.values().stream()
                .flatMap(e -> e.presets().stream())
                .flatMap(p -> p.names().stream()))
        .distinct()
        .toList();
  }

  /**
   * The entries as data: {@code [{"key","title","description","source":{"citation","arxiv",
   * "address"},"settings":[…],"presets":[{"key","names","title","description","source","values"}]}]},
   * null for what there is not; settings as {@link Setting#json}.
   *
   * @return a new tree
   */
  public ArrayNode json() {
    ArrayNode list = JsonNodeFactory.instance.arrayNode();
    for (E e : this) {
      ObjectNode node = list.addObject();
      node.put("key", e.key());
      node.put("title", e.title());
      node.put("description", e.description());
      put(node.putObject("source"), e.source());
      ArrayNode settings = node.putArray("settings");
      e.settings().forEach(s -> settings.add(s.json()));
      ArrayNode presets = node.putArray("presets");
      for (Preset p : e.presets()) {
        ObjectNode preset = presets.addObject();
        preset.put("key", p.key());
        ArrayNode names = preset.putArray("names");
        p.names().forEach(names::add);
        preset.put("title", p.title());
        preset.put("description", p.description());
        put(preset.putObject("source"), p.source());
        ObjectNode values = preset.putObject("values");
        p.valuesOf(e)
            .forEach((name, v) -> values.set(name, Settings.json(JsonNodeFactory.instance, v)));
      }
    }
    return list;
  }

  private static void put(ObjectNode node, Source source) {
    node.put("citation", source.citation())
        .put("arxiv", source.arxiv().orElse(null))
        .put("address", source.address().map(URI::toString).orElse(null));
  }

  /**
   * With further entries.
   *
   * @param more entries to add at the end
   * @return a new catalogue
   * @throws CatalogueException if a key is there twice, or one has an unusable text
   */
  public Catalogue<E> with(List<? extends E> more) {
    return of(kind, Stream.concat(entries.values().stream(), more.stream()).toList());
  }

  @Override
  public Iterator<E> iterator() {
    return entries.values().iterator();
  }
}
