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
  if (basis.ring() == ring::RingType::conjugate_invariant) prepare_invariant();
}

void Encoder::prepare_invariant() {
  per_value_ = 2;
  const std::size_t size = reversed_.size(), order = 8 * size;
  for (std::size_t j = 0; j < size; ++j) {
    for (const std::size_t power : {j, 3 * j}) {
      twists_.push_back(
          std::polar(1.0, 2 * std::numbers::pi * static_cast<double>(power) / static_cast<double>(order)));
    }
  }
  // Value t stands at the root of order 2N with the power 1 + 4 m = 5^t, and holds the slots at the powers 1 + 8 m and
  // 5 + 8 m of zeta.
  std::vector<std::uint32_t> slot_of(order);
  for (std::size_t j = 0, power = 1; j < 2 * size; ++j, power = power * 5 % order) {
    slot_of[power] = static_cast<std::uint32_t>(j);
  }
  for (std::size_t t = 0, power = 1; t < size; ++t, power = power * 5 % (order / 2)) {
    places_.push_back(slot_of[2 * power - 1]);
    places_.push_back(slot_of[(2 * power + 3) % order]);
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

void Encoder::unpack(std::span<const std::complex<double>> values, std::span<double> coefficients) const {
  // Values c at j and M - j of M = N/2 hold P = (c_j - i conj(c_(M - j))) / 2 and i Q = (c_j + i conj(c_(M - j))) / 2,
  // of which 2 (a_j - i a_(N - j)) = zeta^j P + zeta^(-3 j) Q. At j = 0 these are the real and imaginary part, and
  // 2 a_M = cos(pi / 4) (P - Q).
  const std::size_t size = values.size(), degree = 2 * size, stride = reversed_.size() / size;
  const auto shift = static_cast<unsigned>(std::countr_zero(stride));
  base::parallel_for(kPieces, [&](std::size_t piece) {
    for (std::size_t j = std::max<std::size_t>(1, piece * size / kPieces); j < (piece + 1) * size / kPieces; ++j) {
      const std::complex<double> c = values[reversed_[j] >> shift], d = values[reversed_[size - j] >> shift];
      const std::complex<double> p(c.real() - d.imag(), c.imag() - d.real());
      const std::complex<double> q(c.imag() + d.real(), -c.real() - d.imag());
      const std::complex<double> b =
          times(p, twists_[2 * stride * j]) + times(q, std::conj(twists_[2 * stride * j + 1]));
      coefficients[j] = b.real();
      coefficients[degree - j] = -b.imag();
    }
  });
  coefficients[0] = 2 * (values[0].real() + values[0].imag());
  coefficients[size] = std::numbers::sqrt2 * (values[0].real() - values[0].imag());
}

void Encoder::pack(std::span<const double> coefficients, std::span<std::complex<double>> values) const {
  // c_j = zeta^-j (b_j + w b_(j + M)) + i zeta^(3 j) (b_j - w b_(j + M)), b_j = a_j - i a_(N - j), w = exp(i pi / 4).
  const std::size_t size = values.size(), degree = coefficients.size();
  const std::complex<double> w = std::polar(1.0, std::numbers::pi / 4);
  base::parallel_for(kPieces, [&](std::size_t piece) {
    for (std::size_t j = piece * size / kPieces; j < (piece + 1) * size / kPieces; ++j) {
      const std::complex<double> low(coefficients[j], j == 0 ? 0 : -coefficients[degree - j]);
      const std::complex<double> high = times({coefficients[j + size], -coefficients[size - j]}, w);
      const std::complex<double> odd = times(low - high, twists_[2 * j + 1]);
      values[reversed_[j]] =
          times(low + high, std::conj(twists_[2 * j])) + std::complex<double>(-odd.imag(), odd.real());
    }
  });
}

template <class Slot>
void Encoder::place_slots(std::span<const Slot> slots, std::span<std::complex<double>> values) const {
  for (std::size_t j = 0; j < slots.size(); ++j) {
    const std::complex<double> slot = slots[j];
    OBSCURA_CHECK(std::isfinite(slot.real()) && std::isfinite(slot.imag()), "encode: slot {} is not finite", j);
    OBSCURA_CHECK(per_value_ == 1 || slot.imag() == 0, "encode: slot {} of a conjugate-invariant ring is not real", j);
  }
  if (per_value_ == 1) {
    std::copy(slots.begin(), slots.end(), values.begin());
    return;
  }
  const std::size_t mask = 2 * values.size() - 1;
  const auto at = [&](std::size_t place) {
    const std::size_t j = places_[place] & mask;
    return j < slots.size() ? std::complex<double>(slots[j]).real() : 0;
  };
  for (std::size_t t = 0; t < values.size(); ++t) values[t] = {at(2 * t), at(2 * t + 1)};
}

template <class Slot>
Embedding Encoder::round(std::span<const Slot> slots, std::size_t period, double scale) const {
  const std::size_t size = period / per_value_, degree = 2 * size;
  std::vector<std::complex<double>> values(size);
  place_slots(slots, std::span(values));
  inverse(values);
  Embedding out;
  out.coefficients = ring::CoeffPoly(basis_->resources(), degree, 1);
  double* coefficients = out.coefficients.limb(0);
  if (per_value_ == 1) {
    const auto shift = static_cast<unsigned>(std::countr_zero(reversed_.size() / size));
    base::parallel_for(kPieces, [&](std::size_t k) {
      for (std::size_t j = k * size / kPieces; j < (k + 1) * size / kPieces; ++j) {
        const std::complex<double> value = values[reversed_[j] >> shift];
        coefficients[j] = value.real();
        coefficients[j + size] = value.imag();
      }
    });
  } else {
    unpack(values, {coefficients, degree});
  }
  const double factor = scale / static_cast<double>(per_value_ == 1 ? size : 4 * size);
  std::array<double, kPieces> piece_largest{};
  base::parallel_for(kPieces, [&](std::size_t k) {
    double seen = 0;
    for (std::size_t j = k * degree / kPieces; j < (k + 1) * degree / kPieces; ++j) {
      coefficients[j] = std::nearbyint(coefficients[j] * factor);
      seen = std::max(seen, std::fabs(coefficients[j]));
    }
    piece_largest[k] = seen;
  });
  out.largest = *std::max_element(piece_largest.begin(), piece_largest.end());
  OBSCURA_CHECK(out.largest < 0x1p62, "encode: a coefficient of 2^{:.1f}, below 2^62 is allowed",
                std::log2(out.largest));
  return out;
}

Embedding Encoder::embed(std::span<const std::complex<double>> slots, double scale) const {
  OBSCURA_CHECK(slots.size() <= this->slots(), "encode: {} slots, at most {} are allowed", slots.size(), this->slots());
  return round(slots, this->slots(), scale);
}

Embedding Encoder::embed_repeated(std::span<const std::complex<double>> slots, double scale) const {
  OBSCURA_CHECK(std::has_single_bit(slots.size()) && slots.size() >= least_period() && slots.size() <= this->slots(),
                "encode: a period of {} in {} slots", slots.size(), this->slots());
  return round(slots, slots.size(), scale);
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
  OBSCURA_CHECK(slots.size() <= this->slots(), "encode: {} slots, at most {} are allowed", slots.size(), this->slots());
  return reduce_all(round(slots, this->slots(), scale), limbs);
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

std::vector<std::complex<double>> Encoder::values_of(const ring::NttPoly& poly, double scale) const {
  ring::CoeffPoly residues = basis_->to_coeff(poly);
  const std::size_t degree = basis_->degree();
  const Composer shared(*basis_, poly.limbs());
  std::vector<double> coefficients(degree);
  base::parallel_for(kPieces, [&](std::size_t k) {
    Composer composer = shared;
    for (std::size_t j = k * degree / kPieces; j < (k + 1) * degree / kPieces; ++j) {
      coefficients[j] = composer.compose(residues, j) / scale;
    }
  });
  residues.zeroize();  // of a decryption only its result stays
  std::vector<std::complex<double>> values(degree / 2);
  if (per_value_ == 2) {
    pack(coefficients, values);
  } else {
    for (std::size_t j = 0; j < degree / 2; ++j) values[reversed_[j]] = {coefficients[j], coefficients[j + degree / 2]};
  }
  base::zeroize(coefficients.data(), coefficients.size() * sizeof coefficients[0]);
  forward(values);
  return values;
}

std::vector<std::complex<double>> Encoder::decode_complex(const ring::NttPoly& poly, double scale) const {
  if (per_value_ == 1) return values_of(poly, scale);
  std::vector<double> slots = decode(poly, scale);
  std::vector<std::complex<double>> out(slots.begin(), slots.end());
  base::zeroize(slots.data(), slots.size() * sizeof slots[0]);
  return out;
}

std::vector<double> Encoder::decode(const ring::NttPoly& poly, double scale) const {
  std::vector<std::complex<double>> values = values_of(poly, scale);
  std::vector<double> slots(this->slots());
  for (std::size_t t = 0; t < values.size(); ++t) {
    slots[per_value_ == 1 ? t : places_[2 * t]] = values[t].real();
    if (per_value_ == 2) slots[places_[2 * t + 1]] = values[t].imag();
  }
  base::zeroize(values.data(), values.size() * sizeof values[0]);
  return slots;
}

}  // namespace obscura::ckks
