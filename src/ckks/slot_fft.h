// SPDX-License-Identifier: Apache-2.0
/// The FFT between coefficients and slots (ckks/encoder.h) as a few sparse factors, each given by its diagonals: levels
/// of butterflies multiplied together (Chen, Chillotti, Song: ePrint 2018/1043; Bossuat et al.: ePrint 2020/1203).
#pragma once

#include <complex>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace obscura::ckks {

/// A matrix on n slots: y[j] = sum over steps k of diagonals[k][j] * x[(j + k) mod n], 0 <= k < n.
using SlotMatrix = std::map<std::int64_t, std::vector<std::complex<double>>>;

/// Consecutive levels of butterflies as one matrix. What has to be known of it before anything is computed, its steps
/// and its period, follows from the levels alone; the numbers are made on demand.
struct FftFactor {
  std::size_t slots = 0;  ///< n
  std::size_t half = 0;   ///< the distance of the first level's pairs; of the next twice that, or half where inverse
  int levels = 0;
  bool inverse = false;

  /// Of the diagonals that are not zero, ascending: at most 2^(levels + 1) - 1.
  std::vector<std::int64_t> steps() const;
  /// The least power of two, up to n, after which all diagonals repeat: twice as far as the butterflies reach.
  std::size_t period() const;
  /// cost    (steps of all levels but one, times 3) * period complex products
  SlotMatrix matrix() const;
};

/// Slots to bit-reversed complex coefficients c_j + i c_(j + n): factors in the order of application, factor f taking
/// `levels[f]` levels of butterflies, which sum to log2 n. Each level halves.
std::vector<FftFactor> slots_to_coefficients(std::size_t slots, std::span<const int> levels);
/// The inverse.
std::vector<FftFactor> coefficients_to_slots(std::size_t slots, std::span<const int> levels);

}  // namespace obscura::ckks
