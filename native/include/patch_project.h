// patch_project: patch_forward followed by the projection of every destination's input, without
// writing the inputs to memory. For the queries, keys and values of a block.
//
// With y[k,b,t,:] = norm(resid[b,t,:] + sum_{s < S} mask[b,t,k,s] * delta[s,b,t,:]) as in
// patch_forward.h, scaled and shifted channel by channel if affine_weight and affine_bias are given,
// each of P parts projects one input:
//
//   out[b,t, columns[p]*W + e] = bias[columns[p]*W + e]
//                                + sum_{d < D} y[inputs[p],b,t,d] * weight[d, columns[p]*W + e],
//   e < W
//
// If carry is given, the mask has K + 1 rows, and the last one gives a sum of its own:
//
//   carry[b,t,d] = sum_{s < S} mask[b,t,K,s] * delta[s,b,t,d]
//
// (a later destination that reads the same sources, and more, then need not read them again).
//
// Shapes and strides (in elements, the last axis always contiguous): as in patch_forward.h, and
//   affine_weight, affine_bias [D]  either may be null
//   carry  [B,T,D]   contiguous, written; may be null
//   inputs, columns  [P]
//   weight [D, ...]  row stride weight_d; of weight_type (calls.h)
//   bias   [...]
//   out    [B,T,...] strides out_b, out_t; only the columns named are written
//
// Bytes moved (e = element size): reads e*B*T*D*(S + 1) and the weights, writes e*B*T*P*W.
// Operations: 2*(K*S + P*W)*B*T*D, about 8*K*B*T*D for the normalisation.
//
// All sums run in ascending order of s and d, each element on its own: its bits depend neither on
// the number of threads nor on the other destinations, prompts or positions of the call.
#pragma once
#include <cstdint>

#include "calls.h"
#include "instruction_set.h"

extern "C" {
// Throws as patch_forward does; the scratch memory is some MiB per thread and a copy of the weights.
void patch_project(int32_t set, int32_t threads, const autocircuit::PatchProjectCall<void>* call);
}
