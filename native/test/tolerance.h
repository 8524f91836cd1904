// The rule of io.autocircuit.kernels.Tolerance, for tests in C++.
#pragma once
#include <cmath>

constexpr double kEpsilon32 = 1.0 / (1 << 23);
constexpr double kEpsilon64 = 1.0 / (1LL << 52);
constexpr double kEpsilonBfloat16 = 1.0 / (1 << 8);

// What rounding may change a sum of `terms` terms of magnitude one by.
inline double tolerance(double epsilon, double terms) {
  return 8 * epsilon * std::sqrt(terms < 1 ? 1 : terms);
}
