/**
 * Tensors outside the model: who frees them and how they come from and go to files.
 *
 * <ul>
 *   <li>{@link io.autocircuit.tensor.TensorScope} frees native memory at a known moment. The
 *       garbage collector sees a few bytes of Java object and not the tensor behind it, so it is
 *       never relied on.
 *   <li>{@link io.autocircuit.tensor.Safetensors} reads weights from one file or from the shards of
 *       a model, and writes them. {@link io.autocircuit.tensor.JsonFiles} reads JSON, {@link
 *       io.autocircuit.tensor.AtomicFile} writes any file whole or not at all, {@link
 *       io.autocircuit.tensor.FileSet} several files together.
 *   <li>{@link io.autocircuit.tensor.NativeCache} unpacks the native libraries before anything
 *       loads them.
 *   <li>{@link io.autocircuit.tensor.DataException} is what every reader of this library throws for
 *       input it cannot use, {@link io.autocircuit.graph.Suggestions} finds what an unknown name
 *       was meant to be. They live here because this is the leftmost package that reads files;
 *       everything to its right uses them.
 * </ul>
 *
 * <p><b>Files are untrusted.</b> A safetensors file is a length, a JSON header of that length and
 * bytes that the header describes; each of these may lie. All of the header is checked against the
 * real size of the file before any memory is reserved for a tensor, so a file of n bytes never
 * makes this package allocate more than a small multiple of n.
 */
package io.autocircuit.tensor;
