// SPDX-License-Identifier: Apache-2.0
#include "ckks/slot_fft.h"

#include <algorithm>
#include <numbers>
#include <set>
#include <utility>

#include "base/check.h"

namespace obscura::ckks {

namespace {

/// The butterflies of pairs (j, j + half) in blocks of 2 half slots: (a, b) -> (a + w b, a - w b), with
/// w = exp(2 pi i 5^j / 8 half); or the inverse.
SlotMatrix level(std::size_t slots, std::size_t half, bool inverse) {
  SlotMatrix out;
  const auto n = static_cast<std::int64_t>(slots), h = static_cast<std::int64_t>(half);
  for (const std::int64_t step : {std::int64_t{0}, h, n - h}) out[step].resize(slots);
  std::size_t power = 1;
  std::vector<std::complex<double>> roots(half);
  for (std::size_t j = 0; j < half; ++j, power = power * 5 % (8 * half)) {
    roots[j] = std::polar(1.0, 2 * std::numbers::pi * static_cast<double>(power) / static_cast<double>(8 * half));
  }
  for (std::size_t p = 0; p < slots; ++p) {
    const std::complex<double> w = roots[p % half];
    const bool upper = p / half % 2 == 1;
    // += since the two steps are one where half = n/2.
    if (!upper) {
      out[0][p] += inverse ? 0.5 : 1.0;
      out[h][p] += inverse ? 0.5 : w;
    } else {
      out[0][p] += inverse ? -0.5 * std::conj(w) : -w;
      out[n - h][p] += inverse ? 0.5 * std::conj(w) : 1.0;
    }
  }
  return out;
}

/// a after b, whose diagonals repeat after `period`.
SlotMatrix compose(const SlotMatrix& a, const SlotMatrix& b, std::size_t period) {
  SlotMatrix out;
  for (const auto& [k, left] : a) {
    for (const auto& [l, right] : b) {
      const std::size_t n = left.size();
      OBSCURA_CHECK(right.size() == n, "matrices of {} and {} slots", n, right.size());
      auto& sum = out[(k + l) % static_cast<std::int64_t>(n)];
      sum.resize(n);
      const auto add = [&left = left, &right = right, &sum](std::size_t first, std::size_t end, std::size_t from) {
        for (std::size_t j = first; j < end; ++j, ++from) {
          const std::complex<double> x = left[j], y = right[from];
          sum[j] += std::complex<double>(x.real() * y.real() - x.imag() * y.imag(),
                                         x.real() * y.imag() + x.imag() * y.real());
        }
      };
      const std::size_t turn = static_cast<std::size_t>(k) % period;
      add(0, period - turn, turn);
      add(period - turn, period, 0);
    }
  }
  for (auto& [_, sum] : out) {
    for (std::size_t j = period; j < sum.size(); ++j) sum[j] = sum[j - period];
  }
  return out;
}

/// Distances of the pairs, level by level.
std::vector<std::size_t> halves(const FftFactor& factor) {
  std::vector<std::size_t> out;
  std::size_t half = factor.half;
  for (int k = 0; k < factor.levels; ++k, half = factor.inverse ? half / 2 : half * 2) {
    OBSCURA_CHECK(half >= 1 && half < factor.slots, "more levels than an FFT of {} slots has", factor.slots);
    out.push_back(half);
  }
  return out;
}

std::vector<FftFactor> factors(std::size_t slots, std::span<const int> levels, bool inverse) {
  std::vector<FftFactor> out;
  std::size_t half = inverse ? slots / 2 : 1;
  for (const int count : levels) {
    out.push_back({slots, half, count, inverse});
    half = inverse ? half >> count : half << count;
  }
  return out;
}

}  // namespace

std::vector<std::int64_t> FftFactor::steps() const {
  std::set<std::int64_t> out{0};
  const auto n = static_cast<std::int64_t>(slots);
  for (const std::size_t distance : halves(*this)) {
    const auto h = static_cast<std::int64_t>(distance);
    const std::set<std::int64_t> before = out;
    for (const std::int64_t step : before) out.insert({(step + h) % n, (step + n - h) % n});
  }
  return {out.begin(), out.end()};
}

std::size_t FftFactor::period() const {
  const std::vector<std::size_t> distances = halves(*this);
  return 2 * *std::max_element(distances.begin(), distances.end());
}

SlotMatrix FftFactor::matrix() const {
  SlotMatrix out;
  for (const std::size_t distance : halves(*this)) {
    SlotMatrix next = level(slots, distance, inverse);
    out = out.empty() ? std::move(next) : compose(next, out, period());
  }
  return out;
}

std::vector<FftFactor> slots_to_coefficients(std::size_t slots, std::span<const int> levels) {
  return factors(slots, levels, true);
}

std::vector<FftFactor> coefficients_to_slots(std::size_t slots, std::span<const int> levels) {
  return factors(slots, levels, false);
}

}  // namespace obscura::ckks
