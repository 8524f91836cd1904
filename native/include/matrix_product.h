// matrix_product: rows times a matrix.
//
// Formula, for rows m < M and columns n < N:
//
//   out[m,n] = start[m,n] + sum_{k < K} x[m,k] * w[k,n]
//
// Shapes and strides (in elements, the last axis always contiguous):
//   x      [M,K]  row stride x_m
//   w      [K,N]  row stride w_row; or, if transposed is not 0, [N,K], and w[n,k] stands for w[k,n];
//                 of w_type (calls.h)
//   start  [M,N]  row stride start_m, 0 broadcasts; null: zeros; may be out itself, with its stride
//   out    [M,N]  row stride out_m
//
// Bytes moved (e = element size): e*(M*K + K*N + 2*M*N).
// Operations: 2*M*N*K.
//
// Sums run in ascending order of k, each element on its own: its bits depend neither on the number of
// threads nor on the other rows and columns.
#pragma once
#include <cstdint>

#include "calls.h"
#include "instruction_set.h"

extern "C" {
// Throws as patch_forward does; the scratch memory is some MiB per thread.
void matrix_product(int32_t set, int32_t threads, const autocircuit::MatrixProductCall<void>* call);

// The definition: plain loops, double accumulators, one thread.
void matrix_product_naive(const autocircuit::MatrixProductCall<void>* call);
}
