// Chooses the compiled activation for the instruction set and the element type asked for.
#include "activation.h"

#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, int32_t kind, int64_t n, const void* x, const void* grad,
         void* out) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  kernels.activation({n, kind == ACTIVATION_GELU_TANH, static_cast<const Element*>(x),
                      static_cast<const Element*>(grad), static_cast<Element*>(out)},
                     useful_threads(threads, n, 40.0 * static_cast<double>(n)));
}

void run(int32_t set, int32_t threads, int32_t type, int32_t kind, int64_t n, const void* x,
         const void* grad, void* out) {
  if (type == ELEMENT_FLOAT64) {
    run<double>(set, threads, kind, n, x, grad, out);
  } else {
    run<float>(set, threads, kind, n, x, grad, out);
  }
}

}  // namespace
}  // namespace autocircuit

void activation(int32_t set, int32_t threads, int32_t type, int32_t kind, int64_t n, const void* x,
                void* out) {
  autocircuit::run(set, threads, type, kind, n, x, nullptr, out);
}

void activation_backward(int32_t set, int32_t threads, int32_t type, int32_t kind, int64_t n,
                         const void* x, const void* grad, void* out) {
  if (n > 0) autocircuit::run(set, threads, type, kind, n, x, grad, out);
}
