// Chooses the compiled activation for the instruction set and the element type asked for.
#include "activation.h"

#include "element_types.h"
#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const ActivationCall<Element>& a) {
  implementation<Element>(set).activation(
      a, useful_threads(threads, a.n, 40.0 * static_cast<double>(a.n)));
}

}  // namespace
}  // namespace autocircuit

void activation(int32_t set, int32_t threads, const autocircuit::ActivationCall<void>* call) {
  autocircuit::with_elements(call, [=](const auto& a) { autocircuit::run(set, threads, a); });
}

void activation_backward(int32_t set, int32_t threads,
                         const autocircuit::ActivationCall<void>* call) {
  if (call->n > 0) activation(set, threads, call);
}
