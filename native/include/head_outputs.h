// head_outputs: what some heads of a block write into the residual stream, as the differences that
// later blocks read.
//
// Formula, for N heads h = heads[i], prompts b < B, positions t < T and channels d < D:
//
//   c[i,b,t,d]    = sum_{e < W} z[b,t, i*W + e] * weight[h*W + e, d]
//   delta[h,b,t,d] = ablation[h,b,t,d] - c[i,b,t,d]
//   stream[b,t,d] += sum_i c[i,b,t,d]
//
// Shapes and strides (in elements, the last axis always contiguous):
//   z        [B,T,N*W]  strides z_b, z_t
//   weight   [H*W,D]    contiguous; of weight_type (calls.h)
//   ablation [H,B,T,D]  strides ablation_h, ablation_b, ablation_t; a stride of 0 broadcasts;
//                       may be null, then delta[h] = c[i]
//   delta    [H,B,T,D]  strides delta_h, delta_b, delta_t; only the heads named are written
//   stream   [B,T,D]    contiguous, accumulated; may be null
//
// Bytes moved (e = element size): reads e*B*T*(N*W + N*D + D), writes e*B*T*D*(N + 1).
// Operations: 2*N*W*B*T*D.
//
// Sums run in ascending order, each element on its own, as in patch_forward.h.
#pragma once
#include <cstdint>

#include "calls.h"
#include "instruction_set.h"

extern "C" {
// Throws as patch_forward does.
void head_outputs(int32_t set, int32_t threads, const autocircuit::HeadOutputsCall<void>* call);
}
