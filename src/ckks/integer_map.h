// SPDX-License-Identifier: Apache-2.0
/// A linear layer in the batch layout: a sparse integer matrix between vectors of ciphertexts, kept as dense blocks
/// that share their weights (a convolution is one small matrix at many positions).
#pragma once

#include <cstdint>
#include <vector>

namespace obscura::ckks {

/// rows x cols small integers, row-major: rows are outputs, columns inputs.
struct IntegerMatrix {
  std::uint32_t rows = 0;
  std::uint32_t cols = 0;
  std::vector<std::int32_t> data;
  bool operator==(const IntegerMatrix&) const = default;
};

/// y[outputs[r]] = sum_c matrices[matrix](r, c) * x[inputs[c]].
struct IntegerBlock {
  std::uint32_t matrix = 0;
  std::vector<std::uint32_t> inputs;
  std::vector<std::uint32_t> outputs;
  bool operator==(const IntegerBlock&) const = default;
};

/// Every output stands in exactly one block. Bound: the L1 norm of each row is below 2^28 (kMaxRowNorm), so that the
/// split sums of the kernel stay exact.
struct IntegerMap {
  std::uint32_t inputs = 0;
  std::uint32_t outputs = 0;
  std::vector<IntegerMatrix> matrices;
  std::vector<IntegerBlock> blocks;
  bool operator==(const IntegerMap&) const = default;

  /// Multiply-adds for one coefficient of one limb of one component.
  std::uint64_t multiplications() const {
    std::uint64_t sum = 0;
    for (const auto& b : blocks) sum += std::uint64_t{matrices[b.matrix].rows} * matrices[b.matrix].cols;
    return sum;
  }
};

inline constexpr std::int64_t kMaxRowNorm = std::int64_t{1} << 28;

}  // namespace obscura::ckks
