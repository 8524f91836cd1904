/**
 * The JavaCPP class behind {@link io.autocircuit.kernels}, and nothing else: native methods with
 * the names of the C functions in {@code native/include}. They take calls, structures of sizes,
 * strides and addresses, and trust them; {@link io.autocircuit.kernels.CpuKernels} and {@link
 * io.autocircuit.kernels.ReferenceKernels} check them first. Not part of the API.
 */
package io.autocircuit.kernels.internal;
