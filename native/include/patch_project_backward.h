// patch_project_backward: the gradient of patch_project with respect to mask, resid and delta, without
// writing the gradients of the inputs to memory. For the queries, keys and values of a block.
//
// With L the loss and G = dL/d(out of patch_project), each of P parts gives its share of the gradient
// of one input, before scale and shift:
//
//   g[k,b,t,d] = sum_{p: inputs[p] = k} sum_{e < W} G[b,t, p*W + e] * weight[d, p*W + e] * scale[d]
//
// Then all is as in patch_backward.h with grad = g. If carry is given, it is the gradient c of the
// patched input x' of a later destination (behind its normalisation), which read these sources too:
//
//   mask_grad[b',t',K,s]   =  sum <c[b,t,:], delta[s,b,t,:]>, summed as there
//   delta_grad[s,b,t,d]    += mask[b,t,K,s] * c[b,t,d]
//
// so that one pass over delta serves both. It does not count in resid_grad.
//
// Shapes and strides (in elements, the last axis always contiguous): as in patch_backward.h, and
//   grad_out  [B,T,P*W]  contiguous
//   inputs    [P]        each of 0 ... K-1 at least once
//   weight    [D, P*W]   row stride weight_d; of weight_type (calls.h)
//   scale     [D]        may be null: 1
//   carry     [B,T,D]    strides carry_b, carry_t; may be null
//   mask, mask_grad      have K + 1 rows with a carry
//
// Bytes moved (e = element size): e*B*T*P*W, the weights twice, e*S*B*T*D for mask_grad,
// 2*e*S*B*T*D for delta_grad, 2*e*B*T*D for resid_grad, e*K*B*T*D for what was normalised.
// Operations: 2*P*W*B*T*D, and those of patch_backward.
//
// Order of summation: e ascends, then p; then as in patch_backward.h.
#pragma once
#include <cstdint>

#include "calls.h"
#include "instruction_set.h"

extern "C" {
// Throws as patch_backward does; the scratch memory is some MiB per thread and a copy of the weights.
void patch_project_backward(int32_t set, int32_t threads,
                            const autocircuit::PatchProjectBackwardCall<void>* call);
}
