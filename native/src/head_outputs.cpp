// Chooses the compiled head_outputs for the instruction set and the element type asked for.
#include "head_outputs.h"

#include "element_types.h"
#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const HeadOutputsCall<Element>& a) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  const double operations = 2.0 * static_cast<double>(a.B * a.T * a.D) * static_cast<double>(a.N) *
                            static_cast<double>(a.W);
  const int team = useful_threads(threads, a.B * a.T, operations);
  const Workspace shared = make_workspace(kernels.heads_shared_bytes(a));
  const Workspace scratch = make_workspace(kernels.heads_bytes(a) * team);
  kernels.heads(a, team, shared.get(), scratch.get());
}

}  // namespace
}  // namespace autocircuit

void head_outputs(int32_t set, int32_t threads, const autocircuit::HeadOutputsCall<void>* call) {
  autocircuit::with_elements(call, [=](const auto& a) { autocircuit::run(set, threads, a); });
}
