package io.autocircuit.report;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.FontMetrics;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.Path2D;
import java.awt.geom.RoundRectangle2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.xml.sax.SAXException;

/**
 * The pictures of {@link CircuitFiles#svg} as PNG, two pixels for each of theirs. It draws what
 * they are made of (rectangles, curves, lines of text) and is no reader for other pictures.
 */
public final class GridImage {
  private static final double SCALE = 2;
  private static final double MOST_PIXELS = 2e8;
  private static final Pattern STEP = Pattern.compile("([MCh])([^MCh]*)");

  private final Graphics2D to;

  private GridImage(Graphics2D to) {
    this.to = to;
  }

  /**
   * Draws a picture.
   *
   * @param svg what {@link CircuitFiles#svg} or {@link CircuitFiles#svgByPosition} gave
   * @return the content of a PNG file
   * @throws IllegalArgumentException if it is something else, too large, or this Java has no fonts
   */
  public static byte[] png(String svg) {
    try {
      Element root =
          DocumentBuilderFactory.newDefaultInstance()
              .newDocumentBuilder()
              .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)))
              .getDocumentElement();
      double width = number(root, "width") * SCALE;
      double height = number(root, "height") * SCALE;
      if (!(width * height <= MOST_PIXELS)) {
        throw new IllegalArgumentException(
            "pixels=" + width + "x" + height + " are too many; give fewer positions, or svg");
      }
      BufferedImage image =
          new BufferedImage(
              (int) Math.ceil(width), (int) Math.ceil(height), BufferedImage.TYPE_INT_RGB);
      Graphics2D graphics = image.createGraphics();
      graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
      graphics.setRenderingHint(
          RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
      graphics.setRenderingHint(
          RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
      graphics.setColor(Color.WHITE);
      graphics.fillRect(0, 0, image.getWidth(), image.getHeight());
      graphics.scale(SCALE, SCALE);
      new GridImage(graphics).children(root);
      graphics.dispose();
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      ImageIO.write(image, "png", out);
      return out.toByteArray();
    } catch (SAXException e) {
      throw new IllegalArgumentException("no picture of a circuit: " + e.getMessage(), e);
    } catch (ParserConfigurationException e) {
      throw new IllegalStateException("no reader for XML: use a complete Java runtime", e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (LinkageError | InternalError e) { // a Java without the libraries that draw letters
      throw new IllegalArgumentException(
          "this Java cannot draw text (" + e.getMessage() + "); use svg, or a complete Java", e);
    }
  }

  private void children(Element parent) {
    for (Node n = parent.getFirstChild(); n != null; n = n.getNextSibling()) {
      if (n instanceof Element e) {
        switch (e.getTagName()) {
          case "g" -> children(e);
          case "rect" -> rectangle(e);
          case "path" -> path(e);
          case "text" -> text(e);
          default -> {} // what is read out, not drawn
        }
      }
    }
  }

  private void rectangle(Element e) {
    if (e.getAttribute("class").equals("paper")) {
      return;
    }
    double round = 2 * number(e, "rx");
    RoundRectangle2D box =
        new RoundRectangle2D.Double(
            number(e, "x"), number(e, "y"), number(e, "width"), number(e, "height"), round, round);
    to.setColor(colour(e.getAttribute("fill"), 1));
    to.fill(box);
    to.setColor(colour(e.getAttribute("stroke"), 1));
    to.setStroke(new BasicStroke(1));
    to.draw(box);
  }

  private void path(Element e) {
    Path2D path = new Path2D.Double();
    Matcher steps = STEP.matcher(e.getAttribute("d"));
    while (steps.find()) {
      double[] at =
          Stream.of(steps.group(2).trim().split(" ")).mapToDouble(Double::parseDouble).toArray();
      switch (steps.group(1)) {
        case "M" -> path.moveTo(at[0], at[1]);
        case "C" -> path.curveTo(at[0], at[1], at[2], at[3], at[4], at[5]);
        default ->
            path.lineTo(path.getCurrentPoint().getX() + at[0], path.getCurrentPoint().getY());
      }
    }
    String opacity = e.getAttribute("stroke-opacity");
    to.setColor(
        colour(e.getAttribute("stroke"), opacity.isEmpty() ? 1 : Double.parseDouble(opacity)));
    float width = (float) number(e, "stroke-width");
    String dashes = e.getAttribute("stroke-dasharray");
    double[] lengths =
        dashes.isEmpty()
            ? new double[0]
            : Stream.of(dashes.split(" ")).mapToDouble(Double::parseDouble).toArray();
    float[] pattern = new float[lengths.length];
    for (int i = 0; i < lengths.length; i++) {
      pattern[i] = (float) lengths[i];
    }
    to.setStroke(
        new BasicStroke(
            width,
            BasicStroke.CAP_BUTT,
            BasicStroke.JOIN_MITER,
            10,
            pattern.length == 0 ? null : pattern,
            0));
    to.draw(path);
  }

  private void text(Element e) {
    double size = e.hasAttribute("font-size") ? number(e, "font-size") : 11;
    boolean bold = e.getAttribute("font-weight").equals("600");
    to.setFont(
        new Font(Font.SANS_SERIF, bold ? Font.BOLD : Font.PLAIN, 1).deriveFont((float) size));
    to.setColor(colour(e.getAttribute("fill"), 1));
    FontMetrics metrics = to.getFontMetrics();
    String text = e.getTextContent();
    double shift =
        e.getAttribute("text-anchor").equals("middle") ? metrics.stringWidth(text) / 2.0 : 0;
    to.drawString(text, (float) (number(e, "x") - shift), (float) number(e, "y"));
  }

  private static double number(Element e, String attribute) {
    String value = e.getAttribute(attribute);
    return value.isEmpty() ? 0 : Double.parseDouble(value);
  }

  private static Color colour(String hex, double opacity) {
    int rgb = Integer.parseInt(hex.substring(1), 16);
    return new Color(rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255, (int) Math.round(255 * opacity));
  }
}
