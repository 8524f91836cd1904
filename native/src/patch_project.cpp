// Chooses the compiled patch_project for the instruction set and the element type asked for.
#include "patch_project.h"

#include "element_types.h"
#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const PatchProjectCall<Element>& a) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  const PatchForwardCall<Element>& f = a.patch;
  const double operations = 2.0 * static_cast<double>(f.B * f.T * f.D) *
                            (static_cast<double>(f.K) * static_cast<double>(f.S + 4) +
                             static_cast<double>(a.P) * static_cast<double>(a.W));
  const int team = useful_threads(threads, f.B * f.T, operations);
  const Workspace shared = make_workspace(kernels.project_shared_bytes(a));
  const Workspace scratch = make_workspace(kernels.project_bytes(a) * team);
  kernels.project(a, team, shared.get(), scratch.get());
}

}  // namespace
}  // namespace autocircuit

void patch_project(int32_t set, int32_t threads, const autocircuit::PatchProjectCall<void>* call) {
  autocircuit::with_elements(call, [=](const auto& a) { autocircuit::run(set, threads, a); });
}
