/**
 * The CUDA runtime: what the machine has, compiling a kernel for it, keeping the result, launching.
 * It knows nothing of the patch operation; {@link io.autocircuit.kernels} does.
 *
 * <ul>
 *   <li>{@link io.autocircuit.kernels.cuda.CudaStatus} finds out what is installed and which
 *       devices can be used; where none can, it says why and what to do. Nothing of CUDA is loaded
 *       before it is asked.
 *   <li>{@link io.autocircuit.kernels.cuda.CudaSource} is a kernel's text, which travels in the
 *       jar. {@link io.autocircuit.kernels.cuda.Nvrtc} compiles it for one device, {@link
 *       io.autocircuit.kernels.cuda.CubinCache} keeps what was compiled on disk.
 *   <li>{@link io.autocircuit.kernels.cuda.CudaRuntime} loads what was compiled and launches it on
 *       libtorch's current stream. It never waits for the device.
 * </ul>
 *
 * <p>All calls go through two interfaces, {@link io.autocircuit.kernels.cuda.CudaDriver} and {@link
 * io.autocircuit.kernels.cuda.CudaCompiler}, that are as close to the C functions as Java allows:
 * they return codes. What the codes mean is decided here, so that it is tested where there is no
 * device. Every code that is not success becomes a {@link
 * io.autocircuit.kernels.cuda.CudaException}.
 */
package io.autocircuit.kernels.cuda;
