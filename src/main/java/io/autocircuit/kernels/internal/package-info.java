/**
 * The JavaCPP classes behind {@link io.autocircuit.kernels}, and nothing else: one
 * {@code @Platform} class, whose native methods have the names and argument orders of the C
 * functions in {@code native/include}. They take addresses, sizes and strides and trust them;
 * {@link io.autocircuit.kernels.CpuKernels} and {@link io.autocircuit.kernels.ReferenceKernels}
 * check them first. Not part of the API.
 */
package io.autocircuit.kernels.internal;
