// Chooses the compiled patch_backward for the instruction set and the element type asked for.
#include "patch_backward.h"

#include "chunks.h"
#include "element_types.h"
#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const PatchBackwardCall<Element>& a) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  if (write_empty(a, a.K)) return;
  const Chunks chunks = chunks_of(a);
  const double operations = 4.0 * static_cast<double>(a.B * a.T * a.D) * static_cast<double>(a.K) *
                            static_cast<double>(a.S + 2);
  const int team = useful_threads(threads, chunks.groups * chunks.per_group, operations);
  const Workspace scratch = make_workspace(kernels.backward_bytes(a) * team);
  Workspace partials;
  if (a.mask_grad != nullptr && chunks.per_group > 1) {
    partials = make_workspace(static_cast<int64_t>(sizeof(double)) * chunks.groups *
                              chunks.per_group * a.K * a.S);
  }
  kernels.backward(a, chunks, team, scratch.get(), reinterpret_cast<double*>(partials.get()));
}

}  // namespace
}  // namespace autocircuit

void patch_backward(int32_t set, int32_t threads,
                    const autocircuit::PatchBackwardCall<void>* call) {
  autocircuit::with_elements(call, [=](const auto& a) { autocircuit::run(set, threads, a); });
}
