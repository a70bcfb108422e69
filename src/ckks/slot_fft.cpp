// SPDX-License-Identifier: Apache-2.0
#include "ckks/slot_fft.h"

#include <algorithm>
#include <numbers>

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

}  // namespace

SlotMatrix compose(const SlotMatrix& a, const SlotMatrix& b) {
  SlotMatrix out;
  const std::size_t period = std::max(least_period(a), least_period(b));
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

namespace {

std::vector<SlotMatrix> factors(std::size_t slots, std::span<const int> levels, bool inverse) {
  std::vector<SlotMatrix> out;
  std::size_t half = inverse ? slots / 2 : 1;
  for (const int count : levels) {
    SlotMatrix& factor = out.emplace_back();
    for (int k = 0; k < count; ++k) {
      OBSCURA_CHECK(half >= 1 && half < slots, "more levels than an FFT of {} slots has", slots);
      SlotMatrix next = level(slots, half, inverse);
      factor = k == 0 ? std::move(next) : compose(next, factor);
      half = inverse ? half / 2 : half * 2;
    }
  }
  return out;
}

}  // namespace

std::vector<SlotMatrix> slots_to_coefficients(std::size_t slots, std::span<const int> levels) {
  return factors(slots, levels, true);
}

std::vector<SlotMatrix> coefficients_to_slots(std::size_t slots, std::span<const int> levels) {
  return factors(slots, levels, false);
}

std::size_t least_period(const SlotMatrix& matrix) {
  std::size_t period = 1;
  for (const auto& [step, values] : matrix) {
    std::size_t own = values.size();
    while (own > 1 && std::equal(values.begin() + static_cast<std::ptrdiff_t>(own / 2),
                                 values.begin() + static_cast<std::ptrdiff_t>(own), values.begin())) {
      own /= 2;
    }
    period = std::max(period, own);
  }
  return period;
}

}  // namespace obscura::ckks
