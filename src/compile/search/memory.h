// SPDX-License-Identifier: Apache-2.0
/// What a server holds while it runs a plan.
#pragma once

#include <cstdint>
#include <string>

#include "base/check.h"

namespace obscura::compile {

inline double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

/// Bytes, by what they are for.
struct Memory {
  std::uint64_t keys = 0;     ///< both halves
  std::uint64_t tables = 0;   ///< of the ring and of bootstrapping, with its encoded diagonals
  std::uint64_t weights = 0;  ///< the entries of all diagonals
  std::uint64_t values = 0;   ///< ciphertexts and the step at work, at the peak
  std::uint64_t encoded = 0;  ///< all diagonals of the plan's own transforms, if they were kept
  std::uint64_t kept = 0;     ///< of them, what the limit leaves
  std::string heaviest;       ///< the step at the peak of values, human-readable
  /// What runs at all.
  std::uint64_t least() const { return keys + tables + weights + values; }
  std::uint64_t total() const { return least() + kept; }
};

struct Setting;
struct Candidate;
/// Sets candidate.memory and, in the image layout, what transforms take with as many kept diagonals.
/// cost    some milliseconds; in the batch layout as emit
/// errors  batch layout: infeasible: too little memory, with what is needed; as emit
Result<void> predict_memory(const Setting& setting, Candidate& candidate);

}  // namespace obscura::compile
