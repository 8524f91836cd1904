package io.autocircuit.task;

import io.autocircuit.catalogue.Source;
import io.autocircuit.model.OutputSlice;

/**
 * The tasks of AutoCircuit (Miller et al. 2024, arXiv:2407.08734) about models that do not travel
 * in the jar: graphs and numbers of prompts as there; prompts that are made anew, by the same rules
 * with words of our own.
 */
public final class AutoCircuitTasks {
  private static final Source IOI =
      Source.arxiv("Wang et al. 2022, Interpretability in the wild", "2211.00593");
  private static final Source MILLER =
      Source.arxiv(
          "Miller et al. 2024, Transformer circuit faithfulness metrics are not robust",
          "2407.08734");

  private AutoCircuitTasks() {}

  private static TaskDefaults usual(
      boolean separateQkv, boolean tokenPositions, int train, int test) {
    return new TaskDefaults(separateQkv, tokenPositions, OutputSlice.LAST_SEQ, train, test);
  }

  /** Indirect object identification in GPT-2 small, one edge for all positions. */
  public static final class Ioi extends GeneratedTask {
    /** For the catalogue. */
    public Ioi() {
      super(
          new Names(
              "ioi",
              "Indirect object identification",
              "GPT-2 small on whom something was given to, in fifteen sentences in both orders of"
                  + " the names",
              IOI),
          WantedModels.GPT2_SMALL,
          "ioi-mixed",
          usual(true, false, 128, 128),
          IoiCircuits.edges(),
          IoiCircuits.mlp0(),
          IoiCircuits.heads());
    }
  }

  /** Indirect object identification in GPT-2 small, an edge for each position. */
  public static final class IoiTokens extends GeneratedTask {
    /** For the catalogue. */
    public IoiTokens() {
      super(
          new Names(
              "ioi-tokens",
              "Indirect object identification, by token",
              "GPT-2 small on whom something was given to, in one sentence, with an edge for each"
                  + " position",
              IOI),
          WantedModels.GPT2_SMALL,
          "ioi",
          usual(true, true, 300, 100),
          IoiCircuits.heads(),
          IoiCircuits.edges(),
          IoiCircuits.mlp0());
    }
  }

  /** Docstrings in an attention-only model, one edge for all positions. */
  public static final class Docstring extends GeneratedTask {
    /** For the catalogue. */
    public Docstring() {
      super(
          new Names(
              "docstring",
              "Docstring",
              "an attention-only model of four blocks on the next argument that a Python docstring"
                  + " explains",
              DocstringCircuits.SOURCE),
          WantedModels.ATTENTION_ONLY_4L,
          "docstring",
          usual(true, false, 256, 256),
          DocstringCircuits.edges(),
          DocstringCircuits.heads());
    }
  }

  /** Docstrings in an attention-only model, an edge for each position. */
  public static final class DocstringTokens extends GeneratedTask {
    /** For the catalogue. */
    public DocstringTokens() {
      super(
          new Names(
              "docstring-tokens",
              "Docstring, by token",
              "an attention-only model of four blocks on the next argument that a Python docstring"
                  + " explains, with an edge for each position",
              DocstringCircuits.SOURCE),
          WantedModels.ATTENTION_ONLY_4L,
          "docstring",
          usual(true, true, 256, 256),
          DocstringCircuits.heads(),
          DocstringCircuits.edges());
    }
  }

  /** Years after a year, in GPT-2 small. */
  public static final class GreaterThan extends GeneratedTask {
    /** For the catalogue. */
    public GreaterThan() {
      super(
          new Names(
              "greater-than",
              "Greater-than",
              "GPT-2 small on the year in which something ended that began in another",
              Source.arxiv(
                  "Hanna et al. 2023, How does GPT-2 compute greater-than?", "2305.00586")),
          WantedModels.GPT2_SMALL,
          "greater-than",
          usual(true, false, 128, 128),
          GreaterThanCircuit.edges());
    }
  }

  /** The sport of a player, in Pythia 2.8B, one edge for all positions. */
  public static final class SportsPlayers extends GeneratedTask {
    /** For the catalogue. */
    public SportsPlayers() {
      super(
          new Names(
              "sports-players",
              "Sports players",
              "Pythia 2.8B on which of three sports a player plays",
              SportsPlayersCircuits.SOURCE),
          WantedModels.PYTHIA_2_8B,
          "sports",
          usual(false, false, 0, 30),
          SportsPlayersCircuits.edges(),
          SportsPlayersCircuits.probe());
    }
  }

  /** The sport of a player, in Pythia 2.8B, an edge for each position. */
  public static final class SportsPlayersTokens extends GeneratedTask {
    /** For the catalogue. */
    public SportsPlayersTokens() {
      super(
          new Names(
              "sports-players-tokens",
              "Sports players, by token",
              "Pythia 2.8B on which of three sports a player plays, with an edge for each position",
              SportsPlayersCircuits.SOURCE),
          WantedModels.PYTHIA_2_8B,
          "sports",
          usual(false, true, 0, 30),
          SportsPlayersCircuits.edges(),
          SportsPlayersCircuits.probe());
    }
  }

  /** What an animal eats, in GPT-2 small. No circuit is known. */
  public static final class AnimalDiet extends GeneratedTask {
    /** For the catalogue. */
    public AnimalDiet() {
      super(
          new Names(
              "animal-diet",
              "Animal diet",
              "GPT-2 small on what an animal eats; the original has autoencoders (--autoencoders)",
              MILLER),
          WantedModels.GPT2_SMALL,
          "animals",
          usual(true, false, 0, 8));
    }
  }

  /** Capitals of countries, in Pythia 70M. No circuit is known. */
  public static final class CapitalCities extends GeneratedTask {
    /** For the catalogue. */
    public CapitalCities() {
      super(
          new Names(
              "capital-cities",
              "Capital cities",
              "Pythia 70M on the capital of a country, with an edge for each position; the original"
                  + " has autoencoders (--autoencoders)",
              MILLER),
          WantedModels.PYTHIA_70M,
          "capitals",
          usual(true, true, 0, 8));
    }
  }
}
