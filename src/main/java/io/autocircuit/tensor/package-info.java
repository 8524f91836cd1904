/**
 * Tensors outside the model: who frees them and how they come from and go to files.
 *
 * <ul>
 *   <li>{@link io.autocircuit.tensor.TensorScope} frees native memory at a known moment. The
 *       garbage collector sees a few bytes of Java object and not the tensor behind it, so it is
 *       never relied on.
 *   <li>{@link io.autocircuit.tensor.Safetensors} reads weights from one file or from the shards of
 *       a model, and writes them.
 *   <li>{@link io.autocircuit.tensor.NativeCache} unpacks the native libraries before anything
 *       loads them.
 * </ul>
 *
 * <p><b>Files are untrusted.</b> A safetensors file is a length, a JSON header of that length and
 * bytes that the header describes; each of these may lie. All of the header is checked against the
 * real size of the file before any memory is reserved for a tensor, so a file of n bytes never
 * makes this package allocate more than a small multiple of n.
 */
package io.autocircuit.tensor;
