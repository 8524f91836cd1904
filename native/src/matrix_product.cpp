// Chooses the compiled matrix_product for the instruction set and the element type asked for.
#include "matrix_product.h"

#include "element_types.h"
#include "instruction_sets.h"
#include "workspace.h"

namespace autocircuit {
namespace {

template <class Element>
void run(int32_t set, int32_t threads, const MatrixProductCall<Element>& a) {
  const Implementation<Element>& kernels = implementation<Element>(set);
  const double operations =
      2.0 * static_cast<double>(a.M) * static_cast<double>(a.N) * static_cast<double>(a.K);
  const int team = useful_threads(threads, a.M * a.N, operations);
  const Workspace scratch = make_workspace(kernels.matrix_bytes(a) * team);
  kernels.matrix(a, team, scratch.get());
}

}  // namespace
}  // namespace autocircuit

void matrix_product(int32_t set, int32_t threads,
                    const autocircuit::MatrixProductCall<void>* call) {
  autocircuit::with_elements(call, [=](const auto& a) { autocircuit::run(set, threads, a); });
}
