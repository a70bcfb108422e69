// SPDX-License-Identifier: Apache-2.0
/// The weights of a transform's diagonals, each where it stands. Arrow: run -> ckks/transform.h.
#pragma once

#include <complex>
#include <span>
#include <vector>

#include "plan/diagonals.h"

namespace obscura::plan {

/// With B images a diagonal says the same of each image: it is kept once, by position.
class DiagonalWeights {
 public:
  /// An entry: the weight in the slots that the position has for each image.
  struct Weight {
    std::uint32_t position = 0;
    float weight = 0;  ///< an integer below 2^24 over the map's weight scale, to which it is exact
  };
  /// needs   its own diagonals
  /// cost    a pass over the weights at each position: 8 bytes for each
  DiagonalWeights(const MapBetween& of, const Diagonals& diagonals);

  /// Of a diagonal by its number.
  std::span<const Weight> of(std::size_t index) const {
    return std::span(weights_).subspan(start_[index], start_[index + 1] - start_[index]);
  }
  /// What ckks::DiagonalValues asks for: d[slot] += weight, in all of Diagonals::slots().
  /// errors  ContractError: a diagonal that is not there
  void fill(const ckks::Diagonal& place, std::span<std::complex<double>> slots) const;
  /// The bias in the slots of one output, 0 elsewhere.
  std::vector<double> bias(std::uint32_t output) const;

 private:
  std::uint64_t slots_;
  ImageSlots sharing_;
  double weight_scale_;
  std::vector<ckks::Diagonal> places_;
  std::vector<std::size_t> start_;
  std::vector<Weight> weights_;
  std::vector<std::pair<Place, double>> biases_;
};

}  // namespace obscura::plan
