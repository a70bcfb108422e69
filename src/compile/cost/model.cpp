// SPDX-License-Identifier: Apache-2.0
#include "compile/cost/model.h"

#include <cmath>

namespace obscura::compile {
namespace {

double degree(int log2_degree) { return static_cast<double>(std::uint64_t{1} << log2_degree); }

}  // namespace

CostModel CostModel::of(ckks::RingType ring) const {
  CostModel out = *this;
  if (ring == ckks::RingType::conjugate_invariant) out.butterfly_ns *= invariant_factor;
  return out;
}

double CostModel::near(int log2_degree) const { return log2_degree <= 13 ? near_factor : 1.0; }

double CostModel::ntt(int log2_degree, int prime_bits) const {
  return butterfly_ns * degree(log2_degree) / 2 * log2_degree * (prime_bits > 48 ? large_prime_factor : 1.0) / threads;
}

double CostModel::square(int log2_degree, std::uint32_t limbs) const {
  // Two parts are read and three written: products are done before their residues are there.
  return 5 * sizeof(double) * degree(log2_degree) * limbs / stream_bytes_per_ns / threads;
}

double CostModel::combine(int log2_degree, std::uint32_t limbs, std::uint32_t parts) const {
  const double bytes = 2.0 * sizeof(double) * degree(log2_degree) * limbs * parts;
  return bytes / stream_bytes_per_ns / threads;
}

double CostModel::rescale(int log2_degree, int prime_bits, std::uint32_t limbs, std::uint32_t drop) const {
  const double left = 2.0 * (limbs - drop);
  const double elementwise = left * (product_ns + (drop + 1) * conversion_ns) * near(log2_degree) * degree(log2_degree);
  return 2.0 * limbs * ntt(log2_degree, prime_bits) + elementwise / threads;
}

double CostModel::relinearize(int log2_degree, int prime_bits, std::uint32_t limbs, std::uint32_t digit_limbs,
                              std::uint32_t rescale) const {
  const double l = limbs;
  const double special = digit_limbs;
  const std::uint32_t whole_digits = (limbs + digit_limbs - 1) / digit_limbs;
  const double digits = whole_digits;
  const double left = l - rescale;
  const double ntts = l + (digits * (l + special) - l) + 2 * (special + rescale) + 2 * left;
  // <digits, key>, P times what is added, and the subtraction of what is dropped; each digit goes to all primes but its
  // own, what is dropped and its overflow to all that are left.
  const double products = 2 * digits * (l + special) + 2 * l + 2 * left;
  const double last = l - (digits - 1) * special;
  const double conversions =
      l * (l + special) - (digits - 1) * special * special - last * last + 2 * (special + rescale + 1) * left;
  const double elementwise =
      (products * product_ns + conversions * conversion_ns) * near(log2_degree) * degree(log2_degree);
  return ntts * ntt(log2_degree, prime_bits) + elementwise / threads;
}

double CostModel::rotate(int log2_degree, int prime_bits, std::uint32_t limbs, std::uint32_t digit_limbs) const {
  const std::uint32_t digits = (limbs + digit_limbs - 1) / digit_limbs;
  const double from_key = 2.0 * digits * (limbs + digit_limbs);
  const double more = from_key * (key_ns - product_ns) + 2.0 * limbs * permute_ns;
  return relinearize(log2_degree, prime_bits, limbs, digit_limbs, 0) + more * degree(log2_degree) / threads;
}

double CostModel::polynomial(int log2_degree, int prime_bits, std::span<const ckks::PolynomialLevelCost> levels,
                             std::uint32_t digit_limbs) const {
  double sum = 0;
  for (const ckks::PolynomialLevelCost& level : levels) {
    const auto limbs = static_cast<std::uint32_t>(level.limbs);
    const auto drop = static_cast<std::uint32_t>(level.rescale);
    const auto count = [](std::size_t n) { return static_cast<double>(n); };
    sum += count(level.multiplications) * square(log2_degree, limbs);
    sum += count(level.relinearizations) * relinearize(log2_degree, prime_bits, limbs, digit_limbs, drop);
    sum += count(level.rescales) * rescale(log2_degree, prime_bits, limbs, drop);
    sum += count(level.terms) * combine(log2_degree, limbs, 2);
  }
  return sum;
}

double CostModel::linear(int log2_degree, std::uint32_t limbs, std::uint32_t parts, std::uint64_t multiplications,
                         std::uint64_t inputs, std::uint64_t outputs) const {
  const double residues = degree(log2_degree) * limbs * parts;
  const double compute = static_cast<double>(multiplications) * residues / macs_per_ns;
  const double memory = static_cast<double>(inputs + outputs) * residues * sizeof(double) / bytes_per_ns;
  return (compute + memory) / threads;
}

}  // namespace obscura::compile
