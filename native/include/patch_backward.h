// patch_backward: the gradient of patch_forward with respect to mask, resid and delta.
//
// With g = dL/dout, n = the normalised output and r = rstd of the forward call, per row (k,b,t):
//
//   NONE:        g'[d] = g[d]
//   LAYER_NORM:  g'[d] = r * (g[d] - mean_d g - n[d] * mean_d(g n))
//   RMS_NORM:    g'[d] = r * (g[d] - n[d] * mean_d(g n))
//
// then
//   grad                   becomes g' in place
//   mask_grad[b',t',k,s]   =  sum <g'[k,b,t,:], delta[s,b,t,:]>, over b if per_prompt is 0 and over
//                             t if per_position is 0
//   resid_grad[b,t,d]      += sum_k g'[k,b,t,d]
//   delta_grad[s,b,t,d]    += sum_k mask[b,t,k,s] * g'[k,b,t,d]
//
// Shapes and strides (strides in elements, the last axis always contiguous):
//   grad        [K,B,T,D]   contiguous, read and written
//   normalized  [K,B,T,D]   strides normalized_k, _b, _t (0 broadcasts); ignored for NONE
//   rstd        [K,B,T]     strides rstd_k, _b, _t (0 broadcasts); ignored for NONE
//   delta       [S,B,T,D]   strides delta_s, _b, _t; needed only with mask_grad
//   mask        [B,T,K,S]   strides mask_b, mask_t, mask_k (0 broadcasts); needed only with delta_grad
//   mask_grad   [B or 1, T or 1, K, S]   contiguous, overwritten; null: not computed
//   resid_grad  [B,T,D]     strides resid_b, resid_t, accumulated; null: not computed
//   delta_grad  [S,B,T,D]   strides grad_s, _b, _t, accumulated; null: not computed. Sources whose
//                           mask is zero in all K rows are left untouched.
//
// Bytes moved (e = element size): 3*e*K*B*T*D for the normalisation, e*S*B*T*D for mask_grad,
// 2*e*S*B*T*D for delta_grad, 2*e*B*T*D for resid_grad.
// Operations: 2*K*S*B*T*D for mask_grad, as many for delta_grad, about 8*K*B*T*D for the rest.
//
// Order of summation, a function of the shapes alone: the rows (b,t) of one mask_grad entry are cut
// into chunks of max(8, ceil(B*T/64)) rows; within a chunk the sum runs row by row in vector lanes,
// the lanes and then the chunks are added in ascending order in double. Sums over k ascend.
#pragma once
#include <cstdint>

#include "calls.h"
#include "instruction_set.h"

extern "C" {
// Throws std::invalid_argument for an instruction set this machine lacks, std::bad_alloc when the
// scratch memory (K*S vectors and some hundred KiB per thread) cannot be had.
void patch_backward(int32_t set, int32_t threads, const autocircuit::PatchBackwardCall<void>* call);

// The definition: plain loops, double accumulators, one thread.
void patch_backward_naive(const autocircuit::PatchBackwardCall<void>* call);
}
