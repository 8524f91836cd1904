// Chooses the compiled attention for the instruction set and the element type asked for.
#include "attention.h"

#include "element_types.h"
#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const AttentionCall<Element>& a) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  const double operations = (a.grad_z == nullptr ? 4.0 : 10.0) * static_cast<double>(a.W + 4) *
                            static_cast<double>(a.B * a.H) * static_cast<double>(a.T * a.T);
  const int team = useful_threads(threads, a.B * a.H, operations);
  const Workspace scratch = make_workspace(kernels.attention_bytes(a) * team);
  kernels.attention(a, team, scratch.get());
}

}  // namespace
}  // namespace autocircuit

void attention(int32_t set, int32_t threads, const autocircuit::AttentionCall<void>* call) {
  autocircuit::with_elements(call, [=](const auto& a) { autocircuit::run(set, threads, a); });
}

void attention_backward(int32_t set, int32_t threads,
                        const autocircuit::AttentionCall<void>* call) {
  attention(set, threads, call);
}
