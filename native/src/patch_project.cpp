// Chooses the compiled patch_project for the instruction set and the element type asked for.
#include "patch_project.h"

#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const ProjectArguments<Element>& a) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  const ForwardArguments<Element>& f = a.patch;
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

void patch_project(int32_t set, int32_t threads, int32_t type, int64_t B, int64_t T, int64_t K,
                   int64_t S, int64_t D, const void* resid, int64_t resid_b, int64_t resid_t,
                   const void* delta, int64_t delta_s, int64_t delta_b, int64_t delta_t,
                   const void* mask, int64_t mask_b, int64_t mask_t, int64_t mask_k,
                   int32_t normalization, double epsilon, const void* affine_weight,
                   const void* affine_bias, void* carry, int64_t P, int64_t W,
                   const int32_t* inputs, const int32_t* columns, const void* weight,
                   int64_t weight_d, const void* bias, void* out, int64_t out_b, int64_t out_t) {
  const auto call = [&](auto element) {
    using Element = decltype(element);
    const autocircuit::ForwardArguments<Element> patch = {B,
                                                          T,
                                                          K,
                                                          S,
                                                          D,
                                                          static_cast<const Element*>(resid),
                                                          resid_b,
                                                          resid_t,
                                                          static_cast<const Element*>(delta),
                                                          delta_s,
                                                          delta_b,
                                                          delta_t,
                                                          static_cast<const Element*>(mask),
                                                          mask_b,
                                                          mask_t,
                                                          mask_k,
                                                          normalization,
                                                          epsilon,
                                                          nullptr,
                                                          nullptr};
    // clang-format off
    autocircuit::run<Element>(
        set, threads,
        {patch, static_cast<const Element*>(affine_weight), static_cast<const Element*>(affine_bias),
         static_cast<Element*>(carry), P, W, inputs, columns, static_cast<const Element*>(weight),
         weight_d, static_cast<const Element*>(bias), static_cast<Element*>(out), out_b, out_t});
    // clang-format on
  };
  if (type == ELEMENT_FLOAT64) {
    call(double{});
  } else {
    call(float{});
  }
}
