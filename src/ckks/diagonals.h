// SPDX-License-Identifier: Apache-2.0
/// The encoded diagonals of a transform, for ckks/transform.cpp: plaintexts over the chain limbs in use and all special
/// primes, kept within a bound of memory or encoded again on each use.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "ckks/transform.h"

namespace obscura::ckks {

/// Groups that are summed at a time: their sums, and where they are not kept their embeddings, are in memory together.
inline constexpr std::size_t kGroupsTogether = 4;

class DiagonalStore {
 public:
  /// Groups are kept in their order, while the sum of their bytes is at most `memory`.
  DiagonalStore(std::shared_ptr<const Context> context, std::shared_ptr<const TransformShape> shape,
                DiagonalValues values, std::size_t limbs, double scale, std::size_t memory);

  /// The diagonals of one group, ready for products as long as this lives.
  class Group {
   public:
    /// The residues of the term at an extended row: in limb `at` of scratch, taken, where the group is not kept.
    /// cost    one NTT where it is not kept
    const double* row(std::size_t term, std::size_t row, ring::NttPoly& scratch, std::size_t at) const;

   private:
    friend class DiagonalStore;
    const DiagonalStore* store_ = nullptr;
    std::shared_ptr<const std::vector<ring::NttPoly>> kept_;
    std::vector<Embedding> embeddings_;  ///< where not kept
  };

  /// cost    an FFT for each term, and NTTs where the group is kept, unless it is there already
  /// thread  concurrent; two that meet at a group which is not there both encode it
  Group open(std::size_t group) const;

  /// Memory of the diagonals that are there now.
  std::size_t bytes() const;

 private:
  std::vector<Embedding> embed(const TransformGroup& group) const;
  std::shared_ptr<const Context> context_;
  std::shared_ptr<const TransformShape> shape_;
  DiagonalValues values_;
  std::size_t limbs_;
  double scale_;
  std::size_t kept_groups_ = 0;  ///< groups [0, kept_groups_) are kept
  mutable std::mutex mutex_;     ///< of kept_
  mutable std::vector<std::shared_ptr<const std::vector<ring::NttPoly>>> kept_;
};

}  // namespace obscura::ckks
