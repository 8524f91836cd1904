/**
 * Files, without tensors: what is read is untrusted, what is written is whole or not there.
 *
 * <ul>
 *   <li>{@link io.autocircuit.files.JsonFiles} reads JSON, {@link
 *       io.autocircuit.files.ForeignFiles} knows files of another kind by their first bytes.
 *   <li>{@link io.autocircuit.files.AtomicFile} writes any file whole or not at all, {@link
 *       io.autocircuit.files.FileSet} several files together.
 *   <li>{@link io.autocircuit.files.UnpackedFiles} puts files of a jar into a directory that
 *       several processes share.
 *   <li>{@link io.autocircuit.files.DataException} is what every reader of this library throws for
 *       input it cannot use; {@link io.autocircuit.graph.Suggestions} finds what an unknown name
 *       was meant to be.
 * </ul>
 *
 * <p><b>Files are untrusted.</b> Sizes and bounds are checked against the real file before any
 * memory is reserved.
 */
package io.autocircuit.files;
