// SPDX-License-Identifier: Apache-2.0
/// Which diagonals of a matrix between two layouts are not zero. Arrow: the compiler and the runtime turn a step's map
/// into diagonals.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ckks/integer_map.h"
#include "ckks/transform.h"
#include "plan/layout.h"

namespace obscura::plan {

/// One entry of a matrix between positions: y_output[position] += weight * x_input[(position + step) mod m]. Of images
/// one after the other position + step is within 0 .. m - 1 as it is.
struct Entry {
  ckks::Diagonal diagonal;  ///< step: in positions
  std::uint32_t position = 0;
};

/// Where the entries of a matrix between the elements of two layouts go, in m = n / B positions of each of B images. An
/// output may be computed in parts, at its position and at the sums of some of the `spread` steps from there (a fold
/// adds them up afterwards): each entry goes to the part that is nearest to its input, so that few diagonals are not
/// zero. Inputs with copies are read at the nearest one; outputs with copies are computed in each.
///
/// All of it repeats after a period of positions, the longer one of both layouts.
///
/// Distances from outputs to inputs are told apart modulo distances(): the period of the inputs, which rotations go
/// around; or, where images are one after the other, twice the positions, so that the two directions differ.
class SlotMap {
 public:
  SlotMap(const Layout& from, const Layout& to, const std::vector<std::uint32_t>& spread, std::uint64_t positions);
  /// Of an output.
  std::uint32_t copies() const { return copies_; }
  std::uint32_t period() const { return static_cast<std::uint32_t>(std::max(from_period_, to_period_)); }
  std::uint32_t periods() const { return static_cast<std::uint32_t>(positions_) / period(); }
  /// Copies of an output within one period: the others are on the same diagonals.
  std::uint32_t copies_apart() const { return period() / static_cast<std::uint32_t>(to_period_); }
  Entry at(std::uint32_t row, std::uint32_t column, std::uint32_t copy) const;

  const Place& source(std::uint32_t column) const { return from_[column]; }
  /// Of the first copy.
  const Place& target(std::uint32_t row) const { return to_[row]; }
  std::uint32_t distances() const { return static_cast<std::uint32_t>(distances_); }  ///< a power of two
  std::uint32_t to_period() const { return static_cast<std::uint32_t>(to_period_); }
  /// How far parts of an output may be from its position, ascending.
  const std::vector<std::int64_t>& offsets() const { return offsets_; }
  /// The number of the part that an input at this distance goes to, 0 <= distance < distances().
  std::uint32_t part(std::uint32_t distance) const { return nearest_.empty() ? 0 : nearest_[distance]; }

 private:
  std::vector<Place> from_, to_;
  std::vector<std::int64_t> offsets_;   ///< sums of spread steps, ascending
  std::vector<std::uint32_t> nearest_;  ///< part by distance; empty where there is one
  std::int64_t positions_, from_period_, to_period_, distances_;
  std::uint32_t copies_;
};

/// Blocks of a map that lie alike: one matrix, and inputs and outputs as far from each other in all of them. So each
/// block puts the same weights on the same diagonals, at other positions. The blocks of a convolution are few groups.
using AlikeBlocks = std::vector<std::uint32_t>;

/// All blocks in such groups. Of `wanted` outputs alone, if any are said: blocks without them are left out, and others
/// differ where theirs do.
std::vector<AlikeBlocks> alike_blocks(const ckks::IntegerMap& map, const SlotMap& slot_map,
                                      const std::vector<bool>& wanted = {});

/// Numbers for pairs of ciphertexts and steps of 0 <= step < distances: a table for each pair that meets.
class StepTable {
 public:
  StepTable(std::uint32_t inputs, std::uint32_t outputs, std::uint32_t distances)
      : inputs_(inputs), distances_(distances), tables_(std::size_t{inputs} * outputs) {}
  /// Of all steps, 0 at first.
  std::uint32_t* of(std::uint32_t output, std::uint32_t input) {
    auto& table = tables_[std::size_t{output} * inputs_ + input];
    if (table.empty()) table.assign(distances_, 0);
    return table.data();
  }

 private:
  std::uint32_t inputs_, distances_;
  std::vector<std::vector<std::uint32_t>> tables_;
};

}  // namespace obscura::plan
