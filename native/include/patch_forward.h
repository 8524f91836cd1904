// patch_forward: the patched, normalised inputs of all destinations of one block.
//
// Formula, for destinations k < K, prompts b < B, positions t < T and channels d < D:
//
//   x[k,b,t,d]   = resid[b,t,d] + sum_{s < S} mask[b,t,k,s] * delta[s,b,t,d]
//   NONE:          out = x,                                          rstd = 1
//   LAYER_NORM:    out = (x - mean_d x) * rstd,                      rstd = 1/sqrt(var_d x + epsilon)
//   RMS_NORM:      out = x * rstd,                                   rstd = 1/sqrt(mean_d x^2 + epsilon)
//
// (var is the population variance). A row mask[b,t,k,:] of zeros gives norm(resid) exactly, whatever
// delta holds; a source whose mask is zero in all K rows is not read.
//
// Shapes and strides (strides in elements, the last axis always contiguous):
//   resid [B,T,D]     strides resid_b, resid_t
//   delta [S,B,T,D]   strides delta_s, delta_b, delta_t; ignored when S is 0
//   mask  [B,T,K,S]   strides mask_b, mask_t, mask_k; a stride of 0 broadcasts; ignored when S is 0
//   out   [K,B,T,D]   contiguous, written; must not overlap an input
//   rstd  [K,B,T]     contiguous, written; may be null
//
// Bytes moved (e = element size): reads e*B*T*D*(S + 1), writes e*B*T*D*K.
// Operations: 2*K*S*B*T*D for the product, about 8*K*B*T*D for the normalisation.
//
// The sum runs over s in ascending order, each element on its own: its bits depend neither on the
// number of threads nor on the other destinations, prompts or positions of the call.
#pragma once
#include <cstdint>

#include "calls.h"
#include "instruction_set.h"

extern "C" {
// Throws std::invalid_argument for an instruction set this machine lacks, std::bad_alloc when the
// scratch memory (some hundred KiB per thread) cannot be had.
void patch_forward(int32_t set, int32_t threads, const autocircuit::PatchForwardCall<void>* call);

// The definition: plain loops, double accumulators, one thread.
void patch_forward_naive(const autocircuit::PatchForwardCall<void>* call);
}
