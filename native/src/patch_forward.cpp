// Chooses the compiled patch_forward for the instruction set and the element type asked for.
#include "patch_forward.h"

#include "element_types.h"
#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const PatchForwardCall<Element>& a) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  const double operations = 2.0 * static_cast<double>(a.B * a.T * a.D) * static_cast<double>(a.K) *
                            static_cast<double>(a.S + 4);
  const int team = useful_threads(threads, a.B * a.T, operations);
  const Workspace scratch = make_workspace(kernels.forward_bytes(a) * team);
  kernels.forward(a, team, scratch.get());
}

}  // namespace
}  // namespace autocircuit

void patch_forward(int32_t set, int32_t threads, const autocircuit::PatchForwardCall<void>* call) {
  autocircuit::with_elements(call, [=](const auto& a) { autocircuit::run(set, threads, a); });
}
