// Chooses the compiled patch_forward for the instruction set and the element type asked for.
#include "patch_forward.h"

#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const ForwardArguments<Element>& a) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  const double operations = 2.0 * static_cast<double>(a.B * a.T * a.D) * static_cast<double>(a.K) *
                            static_cast<double>(a.S + 4);
  const int team = useful_threads(threads, a.B * a.T, operations);
  const Workspace scratch = make_workspace(kernels.forward_bytes(a) * team);
  kernels.forward(a, team, scratch.get());
}

}  // namespace
}  // namespace autocircuit

void patch_forward(int32_t set, int32_t threads, int32_t type, int64_t B, int64_t T, int64_t K,
                   int64_t S, int64_t D, const void* resid, int64_t resid_b, int64_t resid_t,
                   const void* delta, int64_t delta_s, int64_t delta_b, int64_t delta_t,
                   const void* mask, int64_t mask_b, int64_t mask_t, int64_t mask_k,
                   int32_t normalization, double epsilon, void* out, void* rstd) {
  const auto call = [&](auto element) {
    using Element = decltype(element);
    // clang-format off
    autocircuit::run<Element>(
        set, threads,
        {B, T, K, S, D, static_cast<const Element*>(resid), resid_b, resid_t,
         static_cast<const Element*>(delta), delta_s, delta_b, delta_t,
         static_cast<const Element*>(mask), mask_b, mask_t, mask_k, normalization, epsilon,
         static_cast<Element*>(out), static_cast<Element*>(rstd)});
    // clang-format on
  };
  if (type == ELEMENT_FLOAT64) {
    call(double{});
  } else {
    call(float{});
  }
}
