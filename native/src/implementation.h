// What the kernels of one instruction set offer. Plain data: this header is included by translation
// units compiled with different flags, so it must not contain code.
#pragma once
#include <cstdint>

#include "calls.h"

namespace autocircuit {

// How the rows of one mask_grad entry are cut into chunks (see patch_backward.h).
struct Chunks {
  int64_t groups;      // (b', t') pairs of mask_grad
  int64_t group_rows;  // rows (b, t) summed into one of them
  int64_t rows;        // rows of a chunk, the last one of a group may have fewer
  int64_t per_group;   // chunks of a group
};

// The kernels of one instruction set, for one element type. Scratch memory is the caller's: `bytes`
// says how much one thread needs, `run` gets threads times as much, aligned to 64 bytes.
template <class Element>
struct Implementation {
  int64_t (*forward_bytes)(const PatchForwardCall<Element>&);
  void (*forward)(const PatchForwardCall<Element>&, int threads, char* scratch);
  int64_t (*backward_bytes)(const PatchBackwardCall<Element>&);
  // `partials`: [groups][per_group][K, and 1 for a carry][S], null if there is no mask_grad or per_group is 1
  void (*backward)(const PatchBackwardCall<Element>&, const Chunks&, int threads, char* scratch,
                   double* partials);
  // `shared` is for all threads together, `scratch` as above
  int64_t (*project_shared_bytes)(const PatchProjectCall<Element>&);
  int64_t (*project_bytes)(const PatchProjectCall<Element>&);
  void (*project)(const PatchProjectCall<Element>&, int threads, char* shared, char* scratch);
  int64_t (*project_backward_shared_bytes)(const PatchProjectBackwardCall<Element>&);
  int64_t (*project_backward_bytes)(const PatchProjectBackwardCall<Element>&, const Chunks&);
  void (*project_backward)(const PatchProjectBackwardCall<Element>&, const Chunks&, int threads,
                           char* shared, char* scratch, double* partials);
  int64_t (*heads_shared_bytes)(const HeadOutputsCall<Element>&);
  int64_t (*heads_bytes)(const HeadOutputsCall<Element>&);
  void (*heads)(const HeadOutputsCall<Element>&, int threads, char* shared, char* scratch);
  int64_t (*attention_bytes)(const AttentionCall<Element>&);
  void (*attention)(const AttentionCall<Element>&, int threads, char* scratch);
  int64_t (*matrix_bytes)(const MatrixProductCall<Element>&);
  void (*matrix)(const MatrixProductCall<Element>&, int threads, char* scratch);
  void (*activation)(const ActivationCall<Element>&, int threads);
};

}  // namespace autocircuit
