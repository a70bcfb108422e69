// SPDX-License-Identifier: Apache-2.0
/// The encoded diagonals of a transform, for ckks/transform.cpp: plaintexts over the chain limbs in use and all special
/// primes, kept within a bound of memory or made again on each use.
///
/// A diagonal that repeats with period n / g is a polynomial in X^g: NTT(X^g -> X) of degree N / g holds its values,
/// each of which stands g times in a row in bit-reversed order. In the order of kernels.h that makes octets: up to 8
/// of the same side by side, which are stored once.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "ckks/transform.h"

namespace obscura::ckks {

/// Groups that are summed at a time: their sums, and where they are not kept their embeddings, are in memory together.
inline constexpr std::size_t kGroupsTogether = 8;

/// Times that an octet may be meant (DiagonalStore::repeat).
inline constexpr std::size_t kMostRepeats = 8;

class DiagonalStore {
 public:
  /// Embeddings of all groups are kept where they are at most place.memory together, and then residues in their place,
  /// group by group while the sum stays below it; embeddings of the first groups where not.
  DiagonalStore(std::shared_ptr<const Context> context, std::shared_ptr<const TransformShape> shape,
                DiagonalValues values, const TransformPlace& place, double scale);

  /// Times that each octet of a row is meant: rows have N / repeat() residues (kernels::inner_product_repeated).
  std::size_t repeat() const { return repeat_; }

  /// The diagonals of one group, ready for products as long as this lives.
  class Group {
   public:
    /// The residues of the term at an extended row: in limb `at` of scratch, taken, where they are not kept.
    /// cost    one NTT where they are not kept
    const double* row(std::size_t term, std::size_t row, ring::NttPoly& scratch, std::size_t at) const;

   private:
    friend class DiagonalStore;
    const DiagonalStore* store_ = nullptr;
    std::shared_ptr<const std::vector<ring::NttPoly>> residues_;  ///< of degree N / repeat()
    std::shared_ptr<const std::vector<Embedding>> embeddings_;    ///< where there are no residues
  };

  /// cost    an FFT for each term where nothing of the group is kept yet, and NTTs where its residues will be
  /// thread  concurrent; two that meet at a group which is not there both encode it
  Group open(std::size_t group) const;

  /// Memory of what is kept now.
  std::size_t bytes() const;

 private:
  std::vector<Embedding> embed(const TransformGroup& group) const;
  /// slots -= i times those of the diagonal that is paired with `first`.
  void subtract_imaginary(std::span<std::complex<double>> slots, Diagonal first) const;
  /// limb = the residues of a row, each octet once; limb has N residues, of which the last N/2 are worked in.
  void reduce(const Embedding& embedding, std::size_t row, double* limb) const;
  std::vector<ring::NttPoly> reduce_all(const std::vector<Embedding>& embeddings) const;
  std::shared_ptr<const Context> context_;
  std::shared_ptr<const TransformShape> shape_;
  DiagonalValues values_;
  TransformPlace place_;
  double scale_;
  std::size_t period_, repeat_;
  std::vector<std::uint32_t> octets_;  ///< where the NTT of degree 2 period() has what a row has; empty where it is one
  std::size_t residue_groups_ = 0;     ///< groups [0, residue_groups_) are kept as residues
  std::size_t embedding_groups_ = 0;   ///< and from there up to this one as embeddings
  mutable std::mutex mutex_;           ///< of kept_
  mutable std::vector<Group> kept_;
};

}  // namespace obscura::ckks
