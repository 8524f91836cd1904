// The kernels of each instruction set, each defined in a translation unit with its own flags.
#pragma once
#include "implementation.h"

namespace autocircuit {

namespace baseline {
extern const Implementation<float> float_kernels;
extern const Implementation<double> double_kernels;
}  // namespace baseline

#if defined(__x86_64__)
namespace avx2 {
extern const Implementation<float> float_kernels;
extern const Implementation<double> double_kernels;
}  // namespace avx2

namespace avx512 {
extern const Implementation<float> float_kernels;
extern const Implementation<double> double_kernels;
}  // namespace avx512
#endif

// The kernels of `set`; throws std::invalid_argument if this machine cannot run them.
template <class Element>
const Implementation<Element>& implementation(int32_t set);

}  // namespace autocircuit
