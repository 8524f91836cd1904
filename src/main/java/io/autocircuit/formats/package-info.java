/**
 * Scores and circuits in the files of other programs, both ways: EAP-IG's graphs (JSON and {@code
 * .pt}), AutoCircuit's tensors by module, and lists of edges.
 *
 * <p>Files are untrusted: everything is checked against the sizes that a file itself states before
 * memory is reserved for it.
 */
package io.autocircuit.formats;
