package io.autocircuit.catalogue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.autocircuit.graph.UnknownNameException;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Catalogues hold the library's entries and those that other jars register. */
class CatalogueTest {
  @TempDir Path directory;

  /** What is listed here. */
  public interface Colour extends Entry {
    @Override
    default String title() {
      return "The colour " + key();
    }

    @Override
    default String description() {
      return "as seen in the light of day";
    }

    @Override
    default Source source() {
      return Source.OURS;
    }
  }

  /** Registered by a test. */
  public static final class Red implements Colour {
    @Override
    public String key() {
      return "red";
    }
  }

  /** Registered by a test. */
  public static final class Crimson implements Colour {
    @Override
    public String key() {
      return "RED".toLowerCase(java.util.Locale.ROOT);
    }
  }

  /** Cannot be made. */
  public static final class Broken implements Colour {
    /** Fails. */
    public Broken() {
      throw new IllegalStateException("no paint");
    }

    @Override
    public String key() {
      return "broken";
    }
  }

  private record Named(String key) implements Colour {}

  private Catalogue<Colour> registered(List<Class<?>> classes, Colour... given) throws IOException {
    Path services = Files.createDirectories(directory.resolve("META-INF/services"));
    Files.write(
        services.resolve(Colour.class.getName()), classes.stream().map(Class::getName).toList());
    ClassLoader before = Thread.currentThread().getContextClassLoader();
    try (URLClassLoader loader =
        new URLClassLoader(new URL[] {directory.toUri().toURL()}, before)) {
      Thread.currentThread().setContextClassLoader(loader);
      return Catalogue.load("colour", Colour.class, List.of(given));
    } finally {
      Thread.currentThread().setContextClassLoader(before);
    }
  }

  @Test
  void whatTheContextClassLoaderSeesComesBehindWhatIsGiven() throws IOException {
    Catalogue<Colour> c =
        registered(List.of(Red.class), new Named("blue"), new Named("light-blue"));
    assertEquals(List.of("blue", "light-blue", "red"), c.keys());
    assertTrue(c.get("Red") instanceof Red);
    assertEquals(Optional.empty(), c.find("green"));
    assertEquals(
        "unknown colour \"reed\": did you mean \"red\"?",
        assertThrows(UnknownNameException.class, () -> c.get("reed")).getMessage());
    assertEquals(List.of(), Catalogue.load("colour", Colour.class).keys(), "nothing stays behind");
  }

  @Test
  void aKeyThatIsThereTwiceIsRefusedWithBothClasses() {
    String message =
        assertThrows(
                IllegalStateException.class, () -> registered(List.of(Red.class, Crimson.class)))
            .getMessage();
    assertTrue(message.contains(Red.class.getName()), message);
    assertTrue(message.contains(Crimson.class.getName()), message);
    assertThrows(
        IllegalStateException.class,
        () -> Catalogue.<Colour>of("colour", List.of(new Red())).with(List.of(new Crimson())));
  }

  @Test
  void anEntryThatCannotBeMadeIsNamed() {
    String message =
        assertThrows(IllegalStateException.class, () -> registered(List.of(Broken.class)))
            .getMessage();
    assertTrue(message.contains(Broken.class.getName()), message);
    assertTrue(message.contains("no paint"), message);
    assertEquals(1, message.lines().count());
  }

  @Test
  void keysAreChecked() {
    assertThrows(
        IllegalStateException.class, () -> Catalogue.of("colour", List.of(new Named("Deep Blue"))));
  }

  /** With a setting and presets. */
  private record Shaded(String key, Preset... shades) implements Colour {
    @Override
    public List<Setting> settings() {
      return List.of(Setting.whole("light", 0, 5, "how light it is"));
    }

    @Override
    public List<Preset> presets() {
      return List.of(shades);
    }
  }

  private static Preset shade(String key, Object light) {
    return new Preset(key, "Shade " + key, "a shade", Source.OURS, Map.of("light", light));
  }

  @Test
  void presetsAreFoundAndAreData() {
    Catalogue<Colour> c =
        Catalogue.of(
            "colour",
            List.of(new Named("blue"), new Shaded("red", shade("pink", 9), shade("x", 1))));
    assertEquals(List.of("pink", "x"), c.presetKeys());
    assertEquals("red", c.ofPreset("Pink").orElseThrow().key());
    assertEquals(Optional.empty(), c.ofPreset("red"));
    assertEquals(Map.of("light", 9L), c.get("red").preset("PINK").valuesOf(c.get("red")));
    assertEquals(
        "unknown preset of red \"pin\": did you mean \"pink\"?",
        assertThrows(UnknownNameException.class, () -> c.get("red").preset("pin")).getMessage());
    assertEquals(
        "{\"key\":\"pink\",\"names\":[],\"title\":\"Shade pink\",\"description\":\"a shade\","
            + "\"source\":{\"citation\":\"this library\",\"arxiv\":null,\"address\":null},\"values\":{\"light\":9}}",
        c.json().get(1).get("presets").get(0).toString());
  }

  @Test
  void presetsAreChecked() {
    for (Shaded wrong :
        List.of(
            new Shaded("red", shade("red", 1)),
            new Shaded("red", shade("blue", 1)),
            new Shaded("red", shade("pink", 1), shade("pink", 2)),
            new Shaded("red", shade("Pink", 1)),
            new Shaded("red", shade("pink", -1)),
            new Shaded("red", new Preset("pink", "Pink", "p", Source.OURS, Map.of("dark", 1))))) {
      assertThrows(
          CatalogueException.class,
          () -> Catalogue.of("colour", List.of(new Named("blue"), wrong)),
          wrong.shades()[0].toString());
    }
  }

  @Test
  void aContextThatSeesAnotherCopyOfTheInterfaceIsLeftOut() throws IOException {
    URL classes = Colour.class.getProtectionDomain().getCodeSource().getLocation();
    URL library = Entry.class.getProtectionDomain().getCodeSource().getLocation();
    Path services = Files.createDirectories(directory.resolve("META-INF/services"));
    Files.writeString(services.resolve(Colour.class.getName()), Red.class.getName());
    ClassLoader before = Thread.currentThread().getContextClassLoader();
    try (URLClassLoader copy =
        new URLClassLoader(
            new URL[] {directory.toUri().toURL(), classes, library},
            ClassLoader.getPlatformClassLoader())) {
      Thread.currentThread().setContextClassLoader(copy);
      assertEquals(List.of(), Catalogue.load("colour", Colour.class).keys());
    } finally {
      Thread.currentThread().setContextClassLoader(before);
    }
  }
}
