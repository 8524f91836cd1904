// How the rows of a gradient are cut into chunks: a function of the shapes alone.
#pragma once
#include <cstdint>

#include "implementation.h"

namespace autocircuit {

constexpr int64_t kSmallestChunk = 8;
constexpr int64_t kMostChunks = 64;

template <class Element>
Chunks chunks_of(const PatchBackwardCall<Element>& a) {
  Chunks c;
  c.groups = (a.per_prompt ? a.B : 1) * (a.per_position ? a.T : 1);
  c.group_rows = (a.per_prompt ? 1 : a.B) * (a.per_position ? 1 : a.T);
  const int64_t rows = (a.B * a.T + kMostChunks - 1) / kMostChunks;
  c.rows = rows < kSmallestChunk ? kSmallestChunk : rows;
  c.per_group = (c.group_rows + c.rows - 1) / c.rows;
  return c;
}

// Whether there is nothing to sum: then mask_grad is zero, and the other gradients get nothing.
// `gradients`: K, and one more if there is a carried one.
template <class Element>
bool write_empty(const PatchBackwardCall<Element>& a, int64_t gradients) {
  if (a.B * a.T * a.D * gradients != 0) return false;
  const Chunks chunks = chunks_of(a);
  const int64_t entries = a.mask_grad == nullptr ? 0 : chunks.groups * gradients * a.S;
  for (int64_t i = 0; i < entries; ++i) a.mask_grad[i] = 0;
  return true;
}

}  // namespace autocircuit
