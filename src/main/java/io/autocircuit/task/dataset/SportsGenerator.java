package io.autocircuit.task.dataset;

import io.autocircuit.catalogue.Setting;
import io.autocircuit.catalogue.Settings;
import io.autocircuit.catalogue.Source;
import io.autocircuit.data.Tokenizer;
import io.autocircuit.task.dataset.Frame.Filled;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Sports players: which sport a player plays, after one solved example. The corrupt prompt has a
 * player of another sport. Which of them a model knows is for {@code dataset filter} to say.
 */
final class SportsGenerator implements DatasetGenerator {
  private static final String NAME_TOKENS = "name_tokens";
  private static final List<String> SPORTS = List.of("football", "basketball", "baseball");

  private static final Frame FRAME =
      new Frame("Fact: Tiger Woods plays the sport of golf\nFact: {player} plays the sport of");

  private static final Source SOURCE =
      Source.named(
          "Nanda, Rajamanoharan, Kramar and Shah 2023, Fact Finding: Attempting to"
              + " Reverse-Engineer Factual Recall");

  SportsGenerator() {}

  @Override
  public String key() {
    return "sports";
  }

  @Override
  public String title() {
    return "Sports players";
  }

  @Override
  public String description() {
    return "which of football, basketball and baseball a player plays; filter it by what the model"
        + " knows";
  }

  @Override
  public Source source() {
    return SOURCE;
  }

  @Override
  public int usualCount() {
    return 0;
  }

  @Override
  public List<Setting> settings() {
    return List.of(
        Setting.whole(
            NAME_TOKENS,
            0,
            3,
            "how many tokens names have; with 0 as many as they have, and then no positions are"
                + " named"));
  }

  /**
   * A player whose name fits.
   *
   * @param sport the sport
   * @param prompt the prompt with the name
   * @param length its number of tokens
   */
  private record Player(String sport, Filled prompt, int length) {}

  @Override
  public Generated generate(Settings settings, Tokenizer tokenizer, int count, long seed) {
    int wanted = Counts.of(this, count);
    int nameTokens = settings.whole(NAME_TOKENS);
    Slots slots = new Slots(key(), tokenizer);
    slots.whole("sports", SPORTS, "the sport of", SPORTS.size());
    Draws draws = new Draws(seed);
    Map<String, List<Player>> players = players(slots, tokenizer, nameTokens, draws);
    int each = players.values().stream().mapToInt(List::size).min().orElseThrow();
    List<Draft> drafts = new ArrayList<>();
    for (int i = 0; i < each; i++) {
      for (List<Player> of : players.values()) {
        draft(of.get(i), players, each, draws).ifPresent(drafts::add);
      }
    }
    Assembly assembly =
        new Assembly(key(), tokenizer, nameTokens == 0 ? null : SportsGenerator::positions);
    assembly.addAll(wanted, drafts);
    return new Generated(
        assembly.dataset(), key(), version(), settings, seed, assembly.dropped(slots));
  }

  /** Those whose names fit, by their sport, in random order. */
  private static Map<String, List<Player>> players(
      Slots slots, Tokenizer tokenizer, int nameTokens, Draws draws) {
    Layouts layouts = new Layouts(tokenizer);
    Map<String, List<Player>> players = new LinkedHashMap<>();
    for (String sport : SPORTS) {
      List<String> names = WordList.lines("players-" + sport);
      List<Player> fit = new ArrayList<>();
      List<String> others = new ArrayList<>();
      for (String name : names) {
        Filled prompt = FRAME.fill(Map.of("player", name));
        Optional<Layout> layout = layouts.of(prompt);
        int tokens = layout.map(l -> l.last("player") - l.first("player") + 1).orElse(0);
        if (layout.isPresent() && (nameTokens == 0 || tokens == nameTokens)) {
          fit.add(new Player(sport, prompt, layout.get().length()));
        } else {
          others.add(name);
        }
      }
      slots.drop("players of " + sport + " whose names have other numbers of tokens", others);
      slots.require("players of " + sport, fit, names.size(), 1);
      players.put(sport, draws.shuffled(fit));
    }
    int each = players.values().stream().mapToInt(List::size).min().orElseThrow();
    players.forEach(
        (sport, fit) ->
            slots.drop(
                "players of " + sport + " beyond the number of the smallest sport",
                fit.subList(each, fit.size()).stream().map(SportsGenerator::name).toList()));
    return players;
  }

  private static String name(Player player) {
    var span = player.prompt().spans().get(0);
    return player.prompt().text().substring(span.begin(), span.end()).strip();
  }

  /** A player, and a random one of another sport whose prompt is as long; empty if none is. */
  private static Optional<Draft> draft(
      Player player, Map<String, List<Player>> players, int each, Draws draws) {
    List<Player> others =
        players.values().stream()
            .flatMap(of -> of.subList(0, each).stream())
            .filter(o -> !o.sport().equals(player.sport()) && o.length() == player.length())
            .toList();
    return others.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new Draft(
                player.prompt(),
                draws.pick(others).prompt(),
                List.of(" " + player.sport()),
                SPORTS.stream().filter(s -> !s.equals(player.sport())).map(s -> " " + s).toList()));
  }

  /** The positions that official circuits name. */
  private static SortedMap<String, Integer> positions(Layout layout) {
    SortedMap<String, Integer> words = new TreeMap<>();
    words.put("first_name_tok", layout.first("player"));
    words.put("final_name_tok", layout.last("player"));
    words.put("end", layout.length() - 1);
    return words;
  }
}
