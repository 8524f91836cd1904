// Chooses the compiled attention for the instruction set and the element type asked for.
#include "attention.h"

#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const AttentionArguments<Element>& a) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  const double operations = (a.grad_z == nullptr ? 4.0 : 10.0) * static_cast<double>(a.W + 4) *
                            static_cast<double>(a.B * a.H) * static_cast<double>(a.T * a.T);
  const int team = useful_threads(threads, a.B * a.H, operations);
  const Workspace scratch = make_workspace(kernels.attention_bytes(a) * team);
  kernels.attention(a, team, scratch.get());
}

template <class Element>
AttentionArguments<Element> arguments(int64_t B, int64_t T, int64_t H, int64_t W, const void* qkv,
                                      double scale, const void* mask, int64_t mask_b, int64_t R,
                                      const void* cosines, const void* sines, int64_t rotation_b,
                                      int32_t adjacent) {
  return {B,
          T,
          H,
          W,
          static_cast<const Element*>(qkv),
          scale,
          static_cast<const Element*>(mask),
          mask_b,
          R,
          static_cast<const Element*>(cosines),
          static_cast<const Element*>(sines),
          rotation_b,
          adjacent != 0,
          nullptr,
          nullptr,
          nullptr};
}

}  // namespace
}  // namespace autocircuit

void attention(int32_t set, int32_t threads, int32_t type, int64_t B, int64_t T, int64_t H,
               int64_t W, const void* qkv, double scale, const void* mask, int64_t mask_b,
               int64_t R, const void* cosines, const void* sines, int64_t rotation_b,
               int32_t adjacent, void* z) {
  const auto call = [&](auto element) {
    using Element = decltype(element);
    auto a = autocircuit::arguments<Element>(B, T, H, W, qkv, scale, mask, mask_b, R, cosines,
                                             sines, rotation_b, adjacent);
    a.z = static_cast<Element*>(z);
    autocircuit::run<Element>(set, threads, a);
  };
  if (type == ELEMENT_FLOAT64) {
    call(double{});
  } else {
    call(float{});
  }
}

void attention_backward(int32_t set, int32_t threads, int32_t type, int64_t B, int64_t T, int64_t H,
                        int64_t W, const void* qkv, double scale, const void* mask, int64_t mask_b,
                        int64_t R, const void* cosines, const void* sines, int64_t rotation_b,
                        int32_t adjacent, const void* grad_z, void* grad_qkv) {
  const auto call = [&](auto element) {
    using Element = decltype(element);
    auto a = autocircuit::arguments<Element>(B, T, H, W, qkv, scale, mask, mask_b, R, cosines,
                                             sines, rotation_b, adjacent);
    a.grad_z = static_cast<const Element*>(grad_z);
    a.grad_qkv = static_cast<Element*>(grad_qkv);
    autocircuit::run<Element>(set, threads, a);
  };
  if (type == ELEMENT_FLOAT64) {
    call(double{});
  } else {
    call(float{});
  }
}
