// Chooses the compiled head_outputs for the instruction set and the element type asked for.
#include "head_outputs.h"

#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const HeadArguments<Element>& a) {
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

void head_outputs(int32_t set, int32_t threads, int32_t type, int64_t B, int64_t T, int64_t N,
                  int64_t W, int64_t D, const int32_t* heads, const void* z, int64_t z_b,
                  int64_t z_t, const void* weight, const void* ablation, int64_t ablation_h,
                  int64_t ablation_b, int64_t ablation_t, void* delta, int64_t delta_h,
                  int64_t delta_b, int64_t delta_t, void* stream) {
  const auto call = [&](auto element) {
    using Element = decltype(element);
    // clang-format off
    autocircuit::run<Element>(
        set, threads,
        {B, T, N, W, D, heads, static_cast<const Element*>(z), z_b, z_t,
         static_cast<const Element*>(weight), static_cast<const Element*>(ablation), ablation_h,
         ablation_b, ablation_t, static_cast<Element*>(delta), delta_h, delta_b, delta_t,
         static_cast<Element*>(stream)});
    // clang-format on
  };
  if (type == ELEMENT_FLOAT64) {
    call(double{});
  } else {
    call(float{});
  }
}
