/**
 * Results for eyes and for other programs. One HTML page from the results of a run: the
 * faithfulness curves, the circuit as a Sankey diagram, the edges, the settings ({@link
 * io.autocircuit.report.HtmlReport}). One page that compares the algorithms of an experiment
 * ({@link io.autocircuit.report.ExperimentReport}). Circuits as DOT, GraphML, SVG and JSON ({@link
 * io.autocircuit.report.CircuitFiles}), and two of them side by side ({@link
 * io.autocircuit.report.CircuitComparison}).
 *
 * <p>{@link io.autocircuit.report.ReportData} says what the page of a run shows. It holds plain
 * values only (strings and numbers, no tensor and no graph), so a page can be made from a finished
 * run, from files read back, or by hand in a test. {@link io.autocircuit.report.HtmlReport} turns
 * it into one file that opens from disk and asks the network for nothing.
 *
 * <p>How pages are put together: {@code report.html}, {@code experiment.html} and {@code
 * compare.html} are frames, {@code report.css} and the scripts lie beside them as resources, the
 * charting library (Apache ECharts) is read from its jar on the class path (and laid beside pages
 * that share it), and the data travels as one JSON block that the script reads. Text that came from
 * outside enters the page in three ways only: HTML-escaped by Java, inside the JSON block with
 * {@code <}, {@code >} and {@code &} escaped, or as a text node made by the script. A content
 * security policy in the page names the digests of its two scripts and forbids everything else, so
 * neither a slip in escaping nor the library itself can run foreign code or open a connection.
 *
 * <p>Values that cannot be drawn (NaN, infinite metrics) are written out in words on the page,
 * never left out silently.
 */
package io.autocircuit.report;
