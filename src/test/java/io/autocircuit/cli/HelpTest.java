package io.autocircuit.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** The help of every command, and of theirs. */
class HelpTest {
  @Test
  void everyHelpFitsEightyColumnsAndHasNoWarnings() {
    ByteArrayOutputStream warnings = new ByteArrayOutputStream();
    PrintStream err = System.err;
    List<String> wrong = new ArrayList<>();
    System.setErr(new PrintStream(warnings, true, StandardCharsets.UTF_8)); // the library's
    try {
      PrintWriter none = new PrintWriter(new StringWriter());
      look(Main.line(new String[0], none, none, Map.of()), wrong);
    } finally {
      System.setErr(err);
    }
    assertEquals(List.of(), wrong);
    assertFalse(warnings.toString(StandardCharsets.UTF_8).contains("WARN"), warnings::toString);
  }

  private static void look(CommandLine line, List<String> wrong) {
    line.setUsageHelpAutoWidth(false); // of the terminal
    line.setUsageHelpWidth(80);
    String help = line.getUsageMessage(CommandLine.Help.Ansi.OFF);
    assertTrue(help.contains("Usage: "), help);
    help.lines()
        .filter(l -> l.length() > 80 || l.contains("%%") || l.contains("WARN"))
        .forEach(l -> wrong.add(line.getCommandSpec().qualifiedName() + ": " + l));
    line.getSubcommands().values().forEach(c -> look(c, wrong));
  }
}
