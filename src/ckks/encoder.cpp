// SPDX-License-Identifier: Apache-2.0
#include "ckks/encoder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "kernels/integers.h"

namespace obscura::ckks {

Encoder::Encoder(const ring::Basis& basis) : basis_(&basis) {
  const std::size_t slots = basis.degree() / 2;
  roots_.resize(slots);
  reversed_.resize(slots);
  for (std::size_t half = 1; half < slots; half *= 2) {
    std::size_t power = 1;  // 5^j mod 8 half: the slots of a subring of degree 4 half
    for (std::size_t j = 0; j < half; ++j, power = power * 5 % (8 * half)) {
      const double angle = 2 * std::numbers::pi * static_cast<double>(power) / static_cast<double>(8 * half);
      roots_[half + j] = std::polar(1.0, angle);
    }
  }
  const auto bits = static_cast<unsigned>(std::countr_zero(slots));
  for (std::size_t i = 0; i < slots; ++i) {
    reversed_[i] = static_cast<std::uint32_t>(kernels::reverse_bits(i, bits));
  }
}

void Encoder::forward(std::span<std::complex<double>> values) const {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i < reversed_[i]) std::swap(values[i], values[reversed_[i]]);
  }
  for (std::size_t half = 1; half < values.size(); half *= 2) {
    for (std::size_t i = 0; i < values.size(); i += 2 * half) {
      for (std::size_t j = 0; j < half; ++j) {
        // Spelt out: operator* of complex checks for NaN.
        const std::complex<double> w = roots_[half + j], b = values[i + j + half], a = values[i + j];
        const std::complex<double> t{b.real() * w.real() - b.imag() * w.imag(),
                                     b.real() * w.imag() + b.imag() * w.real()};
        values[i + j] = a + t;
        values[i + j + half] = a - t;
      }
    }
  }
}

void Encoder::inverse(std::span<std::complex<double>> values) const {
  for (std::size_t half = values.size() / 2; half >= 1; half /= 2) {
    for (std::size_t i = 0; i < values.size(); i += 2 * half) {
      for (std::size_t j = 0; j < half; ++j) {
        const std::complex<double> w = roots_[half + j], a = values[i + j], b = values[i + j + half];
        const std::complex<double> d = a - b;
        values[i + j] = a + b;
        values[i + j + half] = {d.real() * w.real() + d.imag() * w.imag(), d.imag() * w.real() - d.real() * w.imag()};
      }
    }
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i < reversed_[i]) std::swap(values[i], values[reversed_[i]]);
  }
}

ring::NttPoly Encoder::encode(std::span<const double> slots, double scale, std::size_t limbs) const {
  const std::size_t degree = basis_->degree();
  const std::size_t half = degree / 2;
  OBSCURA_CHECK(slots.size() <= half, "encode: {} slots, at most {} are allowed", slots.size(), half);
  OBSCURA_CHECK(limbs >= 1 && limbs <= basis_->size(), "encode: {} limbs of {}", limbs, basis_->size());
  std::vector<std::complex<double>> values(half);
  for (std::size_t j = 0; j < slots.size(); ++j) {
    OBSCURA_CHECK(std::isfinite(slots[j]), "encode: slot {} is not finite", j);
    values[j] = slots[j];
  }
  inverse(values);
  const double factor = scale / static_cast<double>(half);
  std::vector<double> coefficients(degree);
  double largest = 0;
  for (std::size_t j = 0; j < half; ++j) {
    coefficients[j] = std::nearbyint(values[j].real() * factor);
    coefficients[j + half] = std::nearbyint(values[j].imag() * factor);
    largest = std::max({largest, std::fabs(coefficients[j]), std::fabs(coefficients[j + half])});
  }
  OBSCURA_CHECK(largest < 0x1p62, "encode: a coefficient of 2^{:.1f}, below 2^62 is allowed", std::log2(largest));
  ring::NttPoly poly(degree, limbs);
  for (std::size_t i = 0; i < limbs; ++i) {
    double* out = poly.limb(i);
    const auto p = static_cast<std::int64_t>(basis_->prime(i));
    if (largest < 0x1p51) {
      std::copy(coefficients.begin(), coefficients.end(), out);
      kernels::active().reduce(out, out, degree, basis_->modulus(i));
    } else {
      for (std::size_t j = 0; j < degree; ++j) {
        const std::int64_t r = static_cast<std::int64_t>(coefficients[j]) % p;
        out[j] = static_cast<double>(r > p / 2 ? r - p : r < -(p / 2) ? r + p : r);
      }
    }
    basis_->forward(out, i);
  }
  return poly;
}

namespace {

/// The integer of least magnitude with the given residues: centred mixed-radix digits, the highest first. Values far
/// below the modulus have zero high digits, so long double loses nothing that matters.
class Composer {
 public:
  Composer(const ring::Basis& basis, std::size_t limbs) : limbs_(limbs) {
    for (std::size_t i = 0; i < limbs; ++i) {
      const std::uint64_t p = basis.prime(i);
      primes_.push_back(static_cast<std::int64_t>(p));
      std::uint64_t product = 1;
      for (std::size_t j = 0; j < i; ++j) product = ring::multiply_mod(product, basis.prime(j) % p, p);
      inverses_.push_back(static_cast<std::int64_t>(ring::inverse_mod(product, p)));
    }
  }

  double compose(const ring::CoeffPoly& poly, std::size_t coefficient) {
    digits_.resize(limbs_);
    for (std::size_t i = 0; i < limbs_; ++i) {
      const std::int64_t p = primes_[i];
      __int128 known = 0;
      for (std::size_t j = i; j-- > 0;) known = (known * primes_[j] + digits_[j]) % p;
      const auto residue = static_cast<std::int64_t>(poly.limb(i)[coefficient]);
      auto digit = static_cast<std::int64_t>((residue - known) % p * inverses_[i] % p);
      if (digit > p / 2) digit -= p;
      if (digit < -(p / 2)) digit += p;
      digits_[i] = digit;
    }
    long double value = 0;
    for (std::size_t i = limbs_; i-- > 0;) {
      value = value * static_cast<long double>(primes_[i]) + static_cast<long double>(digits_[i]);
    }
    return static_cast<double>(value);
  }

 private:
  std::size_t limbs_;
  std::vector<std::int64_t> primes_, inverses_, digits_;
};

}  // namespace

std::vector<double> Encoder::decode(const ring::NttPoly& poly, double scale) const {
  const ring::CoeffPoly coefficients = basis_->to_coeff(poly);
  const std::size_t half = basis_->degree() / 2;
  Composer composer(*basis_, poly.limbs());
  std::vector<std::complex<double>> values(half);
  for (std::size_t j = 0; j < half; ++j) {
    values[j] = {composer.compose(coefficients, j) / scale, composer.compose(coefficients, j + half) / scale};
  }
  forward(values);
  std::vector<double> slots(half);
  for (std::size_t j = 0; j < half; ++j) slots[j] = values[j].real();
  return slots;
}

}  // namespace obscura::ckks
