// How the rows of a gradient are cut into chunks: a function of the shapes alone.
#pragma once
#include <cstdint>

#include "arguments.h"

namespace autocircuit {

constexpr int64_t kSmallestChunk = 8;
constexpr int64_t kMostChunks = 64;

template <class Element>
Chunks chunks_of(const BackwardArguments<Element>& a) {
  Chunks c;
  c.groups = (a.per_prompt ? a.B : 1) * (a.per_position ? a.T : 1);
  c.group_rows = (a.per_prompt ? 1 : a.B) * (a.per_position ? 1 : a.T);
  const int64_t rows = (a.B * a.T + kMostChunks - 1) / kMostChunks;
  c.rows = rows < kSmallestChunk ? kSmallestChunk : rows;
  c.per_group = (c.group_rows + c.rows - 1) / c.rows;
  return c;
}

}  // namespace autocircuit
