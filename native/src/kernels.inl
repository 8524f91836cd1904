// The kernels of one instruction set. The including file defines AUTOCIRCUIT_INSTRUCTION_SET, the
// namespace they live in. No templates or inline functions of the standard library may be used here:
// the linker keeps one copy of such a function, and it could be the one compiled for AVX-512.
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "cache_sizes.h"
#include "implementation.h"
#include "team.h"

namespace autocircuit {
namespace AUTOCIRCUIT_INSTRUCTION_SET {

namespace {
#include "simd.inl"
#include "weights.inl"
#include "product.inl"
#include "parts.inl"
#include "patch_forward.inl"
#include "patch_backward.inl"
#include "patch_project.inl"
#include "patch_project_backward.inl"
#include "head_outputs.inl"
#include "attention.inl"
#include "matrix_product.inl"
#include "activation.inl"
}  // namespace

namespace {
template <class Element>
constexpr Implementation<Element> implementation() {
  return {forward_bytes<Element>,
          forward<Element>,
          backward_bytes<Element>,
          backward<Element>,
          project_shared_bytes<Element>,
          project_bytes<Element>,
          project<Element>,
          project_backward_shared_bytes<Element>,
          project_backward_bytes<Element>,
          project_backward<Element>,
          heads_shared_bytes<Element>,
          heads_bytes<Element>,
          heads<Element>,
          attention_bytes<Element>,
          attend<Element>,
          matrix_bytes<Element>,
          matrix_product<Element>,
          activate<Element>};
}
}  // namespace

extern const Implementation<float> float_kernels;
const Implementation<float> float_kernels = implementation<float>();
extern const Implementation<double> double_kernels;
const Implementation<double> double_kernels = implementation<double>();

}  // namespace AUTOCIRCUIT_INSTRUCTION_SET
}  // namespace autocircuit
