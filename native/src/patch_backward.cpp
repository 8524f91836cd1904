// Chooses the compiled patch_backward for the instruction set and the element type asked for.
#include "patch_backward.h"

#include "chunks.h"
#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const BackwardArguments<Element>& a) {
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

void patch_backward(int32_t set, int32_t threads, int32_t type, int64_t B, int64_t T, int64_t K,
                    int64_t S, int64_t D, void* grad, const void* normalized, int64_t normalized_k,
                    int64_t normalized_b, int64_t normalized_t, const void* rstd, int64_t rstd_k,
                    int64_t rstd_b, int64_t rstd_t, const void* delta, int64_t delta_s,
                    int64_t delta_b, int64_t delta_t, const void* mask, int64_t mask_b,
                    int64_t mask_t, int64_t mask_k, int32_t normalization, void* mask_grad,
                    int32_t per_prompt, int32_t per_position, void* resid_grad, int64_t resid_b,
                    int64_t resid_t, void* delta_grad, int64_t grad_s, int64_t grad_b,
                    int64_t grad_t) {
  const auto call = [&](auto element) {
    using Element = decltype(element);
    // clang-format off
    autocircuit::run<Element>(
        set, threads,
        {B, T, K, S, D, static_cast<Element*>(grad), static_cast<const Element*>(normalized),
         normalized_k, normalized_b, normalized_t, static_cast<const Element*>(rstd), rstd_k,
         rstd_b, rstd_t, static_cast<const Element*>(delta), delta_s, delta_b, delta_t,
         static_cast<const Element*>(mask), mask_b, mask_t, mask_k, normalization,
         static_cast<Element*>(mask_grad), per_prompt != 0, per_position != 0,
         static_cast<Element*>(resid_grad), resid_b, resid_t, static_cast<Element*>(delta_grad),
         grad_s, grad_b, grad_t});
    // clang-format on
  };
  if (type == ELEMENT_FLOAT64) {
    call(double{});
  } else {
    call(float{});
  }
}
