// Chooses the compiled patch_project_backward for the instruction set and the element type asked for.
#include "patch_project_backward.h"

#include "chunks.h"
#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const ProjectBackwardArguments<Element>& a) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  const BackwardArguments<Element>& back = a.back;
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

void patch_project_backward(int32_t set, int32_t threads, int32_t type, int64_t B, int64_t T,
                            int64_t K, int64_t S, int64_t D, const void* grad_out, int64_t P,
                            int64_t W, const int32_t* inputs, const void* weight, int64_t weight_d,
                            const void* scale, const void* carry, int64_t carry_b, int64_t carry_t,
                            const void* normalized, int64_t normalized_k, int64_t normalized_b,
                            int64_t normalized_t, const void* rstd, int64_t rstd_k, int64_t rstd_b,
                            int64_t rstd_t, const void* delta, int64_t delta_s, int64_t delta_b,
                            int64_t delta_t, const void* mask, int64_t mask_b, int64_t mask_t,
                            int64_t mask_k, int32_t normalization, void* mask_grad,
                            int32_t per_prompt, int32_t per_position, void* resid_grad,
                            int64_t resid_b, int64_t resid_t, void* delta_grad, int64_t grad_s,
                            int64_t grad_b, int64_t grad_t) {
  const auto call = [&](auto element) {
    using Element = decltype(element);
    // clang-format off
    const autocircuit::BackwardArguments<Element> back = {
        B, T, K, S, D, nullptr, static_cast<const Element*>(normalized), normalized_k, normalized_b,
        normalized_t, static_cast<const Element*>(rstd), rstd_k, rstd_b, rstd_t,
        static_cast<const Element*>(delta), delta_s, delta_b, delta_t,
        static_cast<const Element*>(mask), mask_b, mask_t, mask_k, normalization,
        static_cast<Element*>(mask_grad), per_prompt != 0, per_position != 0,
        static_cast<Element*>(resid_grad), resid_b, resid_t, static_cast<Element*>(delta_grad),
        grad_s, grad_b, grad_t};
    autocircuit::run<Element>(
        set, threads,
        {back, static_cast<const Element*>(grad_out), P, W, inputs,
         static_cast<const Element*>(weight), weight_d, static_cast<const Element*>(scale),
         static_cast<const Element*>(carry), carry_b, carry_t});
    // clang-format on
  };
  if (type == ELEMENT_FLOAT64) {
    call(double{});
  } else {
    call(float{});
  }
}
