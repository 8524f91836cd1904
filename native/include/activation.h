// activation, activation_backward: smooth activation functions of an MLP, element by element.
//
//   SILU       f(x) = x * s(x)
//   GELU_TANH  f(x) = x * s(2 u), u = sqrt(2/pi) * (x + 0.044715 x^3)   (x/2 * (1 + tanh u))
//
// with s(v) = 1 / (1 + e^-v), and
//
//   out[i] = f(x[i]),   or   out[i] = grad[i] * f'(x[i])
//
// Shapes: x, grad, out [n], contiguous; out may be x or grad.
//
// Bytes moved (e = element size): 2*e*n forward, 3*e*n backward. Operations: some 40*n.
//
// Every element is computed alike, wherever it lies: its bits depend neither on the number of threads
// nor on the others. (libtorch computes what is left over of a thread's share in another way.)
#pragma once
#include <cstdint>

#include "calls.h"
#include "instruction_set.h"

extern "C" {
// Throw std::invalid_argument for an instruction set this machine lacks.
void activation(int32_t set, int32_t threads, const autocircuit::ActivationCall<void>* call);

void activation_backward(int32_t set, int32_t threads,
                         const autocircuit::ActivationCall<void>* call);
}
