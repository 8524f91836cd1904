/**
 * The numeric operations libtorch does not have: the patch operation and its gradient.
 *
 * <p>{@link io.autocircuit.kernels.Kernels} says what is computed. There are several
 * implementations, which give the same numbers up to rounding:
 *
 * <ul>
 *   <li>{@link io.autocircuit.kernels.ReferenceKernels}, plain loops with double accumulators: the
 *       definition, for tests;
 *   <li>{@link io.autocircuit.kernels.CpuKernels}, blocked for registers and caches, compiled once
 *       per {@link io.autocircuit.kernels.InstructionSet} and shared out among a pool of threads of
 *       their own;
 *   <li>{@link io.autocircuit.kernels.CudaKernels}, the sources in {@code cuda/}, compiled for the
 *       device and the model's shape by {@link io.autocircuit.kernels.cuda} when they are first
 *       used; {@code PatchForwardPlan} and {@code PatchBackwardPlan} are the arithmetic of their
 *       launches.
 * </ul>
 *
 * {@link io.autocircuit.kernels.DeviceChoice} chooses a device and {@link
 * io.autocircuit.kernels.KernelsProvider} the kernels for it; both say why. {@link
 * io.autocircuit.kernels.KernelCheck} and {@link io.autocircuit.kernels.KernelTimes} check and time
 * whatever was chosen.
 *
 * <p>A kernel carries one stem through all layers: {@code patch_forward} is {@code
 * native/include/patch_forward.h} (formula, shapes, bytes, operations), {@code PatchForwardCall} in
 * {@code native/include/calls.h} and {@code CallLayout.PATCH_FORWARD} (the layout of its call),
 * {@code native/src/patch_forward.inl} (the kernel, compiled per instruction set), {@code
 * native/src/patch_forward_naive.cpp} (its naive twin), {@code Kernels.patchForward}, {@code
 * PatchForwardArguments} (checks), {@code PatchForwardTest} and {@code PatchForwardBenchmark}.
 * {@code docs/kernels.md} walks through them.
 *
 * <p>The CUDA twins are sources in {@code cuda/}; {@link io.autocircuit.kernels.CudaLaunch} says
 * how they are compiled and launched.
 *
 * <p>Kernels hold no state and allocate nothing that outlives a call. They ignore autograd: tensors
 * are read and written as memory.
 */
package io.autocircuit.kernels;
