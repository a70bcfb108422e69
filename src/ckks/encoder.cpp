// SPDX-License-Identifier: Apache-2.0
#include "ckks/encoder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>

#include "base/parallel.h"
#include "base/random.h"
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

namespace {

/// Pieces that a transform is cut into for the threads: all levels below size / kPieces run within one.
constexpr std::size_t kPieces = 8;

/// Complex numbers without the check for NaN that operator* makes.
std::complex<double> times(std::complex<double> b, std::complex<double> w) {
  return {b.real() * w.real() - b.imag() * w.imag(), b.real() * w.imag() + b.imag() * w.real()};
}

/// Butterflies [first, last) of the pairs (j, j + half) of one block.
void forward_range(std::complex<double>* block, const std::complex<double>* roots, std::size_t half, std::size_t first,
                   std::size_t last) {
  for (std::size_t j = first; j < last; ++j) {
    const std::complex<double> a = block[j], t = times(block[j + half], roots[half + j]);
    block[j] = a + t;
    block[j + half] = a - t;
  }
}

void inverse_range(std::complex<double>* block, const std::complex<double>* roots, std::size_t half, std::size_t first,
                   std::size_t last) {
  for (std::size_t j = first; j < last; ++j) {
    const std::complex<double> a = block[j], b = block[j + half];
    block[j] = a + b;
    block[j + half] = times(a - b, std::conj(roots[half + j]));
  }
}

/// One level of the whole, on all cores.
template <class Range>
void whole_level(std::span<std::complex<double>> values, std::size_t half, Range range) {
  const std::size_t piece = values.size() / 2 / kPieces;
  base::parallel_for(kPieces, [&](std::size_t k) {
    const std::size_t first = k * piece, block = first / half * half;
    range(values.data() + 2 * block, half, first - block, first - block + piece);
  });
}

}  // namespace

void Encoder::forward(std::span<std::complex<double>> values) const {
  const auto range = [this](std::complex<double>* block, std::size_t half, std::size_t first, std::size_t last) {
    forward_range(block, roots_.data(), half, first, last);
  };
  const std::size_t piece = values.size() / kPieces;
  base::parallel_for(kPieces, [&](std::size_t k) {
    for (std::size_t half = 1; half < piece; half *= 2) {
      for (std::size_t i = k * piece; i < (k + 1) * piece; i += 2 * half) range(values.data() + i, half, 0, half);
    }
  });
  for (std::size_t half = piece; half < values.size(); half *= 2) whole_level(values, half, range);
}

void Encoder::inverse(std::span<std::complex<double>> values) const {
  const auto range = [this](std::complex<double>* block, std::size_t half, std::size_t first, std::size_t last) {
    inverse_range(block, roots_.data(), half, first, last);
  };
  const std::size_t piece = values.size() / kPieces;
  for (std::size_t half = values.size() / 2; half >= piece; half /= 2) whole_level(values, half, range);
  base::parallel_for(kPieces, [&](std::size_t k) {
    for (std::size_t half = piece / 2; half >= 1; half /= 2) {
      for (std::size_t i = k * piece; i < (k + 1) * piece; i += 2 * half) range(values.data() + i, half, 0, half);
    }
  });
}

Embedding Encoder::round(std::vector<std::complex<double>> values, double scale) const {
  const std::size_t half = values.size();
  const auto shift = static_cast<unsigned>(std::countr_zero(basis_->degree() / 2 / half));
  inverse(values);
  const double factor = scale / static_cast<double>(half);
  Embedding out;
  out.coefficients = ring::CoeffPoly(basis_->resources(), 2 * half, 1);
  double* coefficients = out.coefficients.limb(0);
  std::array<double, kPieces> piece_largest{};
  base::parallel_for(kPieces, [&](std::size_t k) {
    double seen = 0;
    for (std::size_t j = k * half / kPieces; j < (k + 1) * half / kPieces; ++j) {
      const std::complex<double> value = values[reversed_[j] >> shift];
      const double low = std::nearbyint(value.real() * factor), high = std::nearbyint(value.imag() * factor);
      coefficients[j] = low;
      coefficients[j + half] = high;
      seen = std::max({seen, std::fabs(low), std::fabs(high)});
    }
    piece_largest[k] = seen;
  });
  out.largest = *std::max_element(piece_largest.begin(), piece_largest.end());
  OBSCURA_CHECK(out.largest < 0x1p62, "encode: a coefficient of 2^{:.1f}, below 2^62 is allowed",
                std::log2(out.largest));
  return out;
}

Embedding Encoder::embed(std::span<const std::complex<double>> slots, double scale) const {
  const std::size_t half = basis_->degree() / 2;
  OBSCURA_CHECK(slots.size() <= half, "encode: {} slots, at most {} are allowed", slots.size(), half);
  std::vector<std::complex<double>> values(half);
  for (std::size_t j = 0; j < slots.size(); ++j) {
    OBSCURA_CHECK(std::isfinite(slots[j].real()) && std::isfinite(slots[j].imag()), "encode: slot {} is not finite", j);
    values[j] = slots[j];
  }
  return round(std::move(values), scale);
}

Embedding Encoder::embed_repeated(std::span<const std::complex<double>> slots, double scale) const {
  OBSCURA_CHECK(std::has_single_bit(slots.size()) && slots.size() >= kLeastPeriod && slots.size() <= reversed_.size(),
                "encode: a period of {} in {} slots", slots.size(), reversed_.size());
  for (std::size_t j = 0; j < slots.size(); ++j) {
    OBSCURA_CHECK(std::isfinite(slots[j].real()) && std::isfinite(slots[j].imag()), "encode: slot {} is not finite", j);
  }
  return round({slots.begin(), slots.end()}, scale);
}

void Encoder::reduce(const Embedding& embedding, std::size_t prime, double* limb) const {
  const std::size_t degree = embedding.coefficients.degree();
  const double* coefficients = embedding.coefficients.limb(0);
  if (embedding.largest < 0x1p51) {
    basis_->kernels().reduce(limb, coefficients, degree, basis_->modulus(prime));
  } else {
    const auto p = static_cast<std::int64_t>(basis_->prime(prime));
    for (std::size_t j = 0; j < degree; ++j) {
      const std::int64_t r = static_cast<std::int64_t>(coefficients[j]) % p;
      limb[j] = static_cast<double>(r > p / 2 ? r - p : r < -(p / 2) ? r + p : r);
    }
  }
  basis_->kernels().ntt_forward(limb, basis_->table(prime, degree));
}

ring::NttPoly Encoder::reduce_all(const Embedding& embedding, std::size_t limbs) const {
  OBSCURA_CHECK(limbs >= 1 && limbs <= basis_->size(), "encode: {} limbs of {}", limbs, basis_->size());
  ring::NttPoly poly(basis_->resources(), basis_->degree(), limbs);
  base::parallel_for(limbs, [&](std::size_t i) { reduce(embedding, i, poly.limb(i)); });
  return poly;
}

ring::NttPoly Encoder::encode(std::span<const double> slots, double scale, std::size_t limbs) const {
  const std::size_t half = basis_->degree() / 2;
  OBSCURA_CHECK(slots.size() <= half, "encode: {} slots, at most {} are allowed", slots.size(), half);
  std::vector<std::complex<double>> values(half);
  for (std::size_t j = 0; j < slots.size(); ++j) {
    OBSCURA_CHECK(std::isfinite(slots[j]), "encode: slot {} is not finite", j);
    values[j] = slots[j];
  }
  return reduce_all(round(std::move(values), scale), limbs);
}

ring::NttPoly Encoder::encode(std::span<const std::complex<double>> slots, double scale, std::size_t limbs) const {
  return reduce_all(embed(slots, scale), limbs);
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

std::vector<std::complex<double>> Encoder::decode_complex(const ring::NttPoly& poly, double scale) const {
  ring::CoeffPoly coefficients = basis_->to_coeff(poly);
  const std::size_t half = basis_->degree() / 2;
  const Composer shared(*basis_, poly.limbs());
  std::vector<std::complex<double>> values(half);
  base::parallel_for(kPieces, [&](std::size_t k) {
    Composer composer = shared;
    for (std::size_t j = k * half / kPieces; j < (k + 1) * half / kPieces; ++j) {
      values[reversed_[j]] = {composer.compose(coefficients, j) / scale,
                              composer.compose(coefficients, j + half) / scale};
    }
  });
  coefficients.zeroize();  // of a decryption only its result stays
  forward(values);
  return values;
}

std::vector<double> Encoder::decode(const ring::NttPoly& poly, double scale) const {
  std::vector<std::complex<double>> values = decode_complex(poly, scale);
  std::vector<double> slots(values.size());
  for (std::size_t j = 0; j < slots.size(); ++j) slots[j] = values[j].real();
  base::zeroize(values.data(), values.size() * sizeof values[0]);
  return slots;
}

}  // namespace obscura::ckks
