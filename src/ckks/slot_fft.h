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

/// a after b.
SlotMatrix compose(const SlotMatrix& a, const SlotMatrix& b);

/// The least power of two, up to n, after which all diagonals repeat: twice as far as a factor's butterflies reach.
std::size_t least_period(const SlotMatrix& matrix);

/// Slots to bit-reversed complex coefficients c_j + i c_(j + n): factors in the order of application, factor f taking
/// `levels[f]` levels of butterflies, which sum to log2 n. Each level halves.
std::vector<SlotMatrix> slots_to_coefficients(std::size_t slots, std::span<const int> levels);
/// The inverse.
std::vector<SlotMatrix> coefficients_to_slots(std::size_t slots, std::span<const int> levels);

}  // namespace obscura::ckks
