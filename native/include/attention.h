// attention, attention_backward: softmax attention between the positions of each prompt, head by head,
// from the joint matrix of queries, keys and values, and its gradient. For sequences short enough that
// libtorch's batched products are mostly overhead; right at any length.
//
// With q, k, v [T,W] of one prompt and head, q' and k' rotated by their position (see below):
//
//   s[i,j] = scale * <q'[i], k'[j]> + mask[b,i,j]
//   p[i,:] = softmax_j s[i,:]
//   z[i,:] = sum_j p[i,j] * v[j,:]
//
// and from G = dL/dz:
//
//   dL/dv[j,:]  = sum_i p[i,j] * G[i,:]
//   dp[i,j]     = <G[i], v[j]>
//   ds[i,j]     = scale * p[i,j] * (dp[i,j] - sum_l dp[i,l] * p[i,l])
//   dL/dq'[i,:] = sum_j ds[i,j] * k'[j,:],   dL/dk'[j,:] = sum_i ds[i,j] * q'[i,:]
//
// each rotated back. The pattern p is computed again and never written to memory.
//
// Rotation of the first R channels by the tables of a position: x'[e] = x[e] * cosines[e] + y[e] *
// sines[e], where y[e] = -x[e + R/2] for e < R/2 and x[e - R/2] else; with adjacent pairs y[2i] =
// -x[2i + 1] and y[2i + 1] = x[2i]. Back with -sines.
//
// Shapes (all contiguous):
//   qkv, grad_qkv   [B,T,3,H,W]
//   z, grad_z       [B,T,H,W]
//   mask            [B or 1,T,T]  added to the scores, -infinity where j is not seen from i (each i sees
//                                 one j at least); mask_b = T*T, or 0 if it is the same for all
//                                 prompts; may be null
//   cosines, sines  [B or 1,T,R]  rotation_b = T*R, or 0; null if R is 0
//
// Bytes moved (e = element size): 4*e*B*T*H*W forward, 7*e*B*T*H*W backward.
// Operations: 4*W*B*H*n forward, 10*W*B*H*n backward, for n of T*T pairs that are seen.
//
// Sums over channels and positions run in ascending order, prompt by prompt and head by head: the bits
// depend neither on the number of threads nor on the other prompts.
#pragma once
#include <cstdint>

#include "calls.h"
#include "instruction_set.h"

extern "C" {
// Throws as patch_forward does; the scratch memory is some dozen times T*max(W,16) numbers per thread.
void attention(int32_t set, int32_t threads, const autocircuit::AttentionCall<void>* call);

void attention_backward(int32_t set, int32_t threads, const autocircuit::AttentionCall<void>* call);
}
