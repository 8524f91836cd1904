// Chooses the compiled patch_project_backward for the instruction set and the element type asked for.
#include "patch_project_backward.h"

#include "chunks.h"
#include "element_types.h"
#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const PatchProjectBackwardCall<Element>& a) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  const PatchBackwardCall<Element>& back = a.back;
  const int64_t gradients = back.K + (a.carry == nullptr ? 0 : 1);
  if (write_empty(back, gradients)) return;
  const Chunks chunks = chunks_of(back);
  const double operations =
      2.0 * static_cast<double>(back.B * back.T * back.D) *
      (2.0 * static_cast<double>(gradients) * static_cast<double>(back.S + 2) +
       static_cast<double>(a.P) * static_cast<double>(a.W));
  const int team = useful_threads(threads, chunks.groups * chunks.per_group, operations);
  const Workspace shared = make_workspace(kernels.project_backward_shared_bytes(a));
  const Workspace scratch = make_workspace(kernels.project_backward_bytes(a, chunks) * team);
  Workspace partials;
  if (back.mask_grad != nullptr && chunks.per_group > 1) {
    partials = make_workspace(static_cast<int64_t>(sizeof(double)) * chunks.groups *
                              chunks.per_group * gradients * back.S);
  }
  kernels.project_backward(a, chunks, team, shared.get(), scratch.get(),
                           reinterpret_cast<double*>(partials.get()));
}

}  // namespace
}  // namespace autocircuit

void patch_project_backward(int32_t set, int32_t threads,
                            const autocircuit::PatchProjectBackwardCall<void>* call) {
  autocircuit::with_elements(call, [=](const auto& a) { autocircuit::run(set, threads, a); });
}
