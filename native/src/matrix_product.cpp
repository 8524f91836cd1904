// Chooses the compiled matrix_product for the instruction set and the element type asked for.
#include "matrix_product.h"

#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const MatrixArguments<Element>& a) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  const double operations =
      2.0 * static_cast<double>(a.M) * static_cast<double>(a.N) * static_cast<double>(a.K);
  const int team = useful_threads(threads, a.M * a.N, operations);
  const Workspace scratch = make_workspace(kernels.matrix_bytes(a) * team);
  kernels.matrix(a, team, scratch.get());
}

}  // namespace
}  // namespace autocircuit

void matrix_product(int32_t set, int32_t threads, int32_t type, int64_t M, int64_t N, int64_t K,
                    const void* x, int64_t x_m, const void* w, int64_t w_row, int32_t transposed,
                    const void* start, int64_t start_m, void* out, int64_t out_m) {
  const auto call = [&](auto element) {
    using Element = decltype(element);
    autocircuit::run<Element>(
        set, threads,
        {M, N, K, static_cast<const Element*>(x), x_m, static_cast<const Element*>(w), w_row,
         transposed != 0, static_cast<const Element*>(start), start_m, static_cast<Element*>(out),
         out_m});
  };
  if (type == ELEMENT_FLOAT64) {
    call(double{});
  } else {
    call(float{});
  }
}
