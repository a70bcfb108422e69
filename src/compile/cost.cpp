// SPDX-License-Identifier: Apache-2.0
#include "compile/cost.h"

#include <cmath>

namespace obscura::compile {
namespace {

double degree(int log2_degree) { return static_cast<double>(std::uint64_t{1} << log2_degree); }

}  // namespace

double CostModel::ntt(int log2_degree, int prime_bits) const {
  return butterfly_ns * degree(log2_degree) / 2 * log2_degree * (prime_bits > 48 ? large_prime_factor : 1.0) / threads;
}

double CostModel::square(int log2_degree, std::uint32_t limbs) const {
  return 3 * degree(log2_degree) * limbs * product_ns / threads;
}

double CostModel::combine(int log2_degree, std::uint32_t limbs, std::uint32_t parts) const {
  const double bytes = 2.0 * sizeof(double) * degree(log2_degree) * limbs * parts;
  return (bytes / bytes_per_ns + degree(log2_degree) * limbs * parts * product_ns) / threads;
}

double CostModel::relinearize(int log2_degree, int prime_bits, std::uint32_t limbs, std::uint32_t digit_limbs,
                              std::uint32_t rescale) const {
  const double l = limbs;
  const double special = digit_limbs;
  const std::uint32_t whole_digits = (limbs + digit_limbs - 1) / digit_limbs;
  const double digits = whole_digits;
  const double left = l - rescale;
  const double ntts = l + (digits * (l + special) - l) + 2 * (special + rescale) + 2 * left;
  const double products = 2 * digits * (l + special) + 2 * left;
  const double conversions = l * (l + special - digit_limbs) + 2 * (special + rescale) * left;
  const double elementwise = (products * product_ns + conversions * conversion_ns) * degree(log2_degree);
  return ntts * ntt(log2_degree, prime_bits) + elementwise / threads;
}

double CostModel::polynomial(int log2_degree, int prime_bits, std::span<const ckks::PolynomialLevelCost> levels,
                             std::uint32_t digit_limbs) const {
  double sum = 0;
  for (const ckks::PolynomialLevelCost& level : levels) {
    const auto limbs = static_cast<std::uint32_t>(level.limbs);
    const auto count = [](std::size_t n) { return static_cast<double>(n); };
    sum += count(level.multiplications) * square(log2_degree, limbs);
    sum += count(level.relinearizations) * relinearize(log2_degree, prime_bits, limbs, digit_limbs, 1);
    sum += count(level.rescales) * 4 * limbs * ntt(log2_degree, prime_bits);
    sum += count(level.terms) * combine(log2_degree, limbs, 2);
  }
  return sum;
}

double CostModel::bootstrap(const ckks::BootstrapLiteral& set) const {
  // A factor of r levels of the FFT has the diagonals -(2^r - 1) .. 2^r - 1, in units of its stride.
  const auto diagonals = [](const std::vector<int>& factors) {
    double sum = 0;
    for (const int levels : factors) sum += std::exp2(levels + 1) - 1;
    return sum;
  };
  return bootstrap_ns + coeff_to_slot_ns * diagonals(set.coeff_to_slot) +
         slot_to_coeff_ns * diagonals(set.slot_to_coeff);
}

double CostModel::linear(int log2_degree, std::uint32_t limbs, std::uint32_t parts, std::uint64_t multiplications,
                         std::uint64_t inputs, std::uint64_t outputs) const {
  const double residues = degree(log2_degree) * limbs * parts;
  const double compute = static_cast<double>(multiplications) * residues / macs_per_ns;
  const double memory = static_cast<double>(inputs + outputs) * residues * sizeof(double) / bytes_per_ns;
  return (compute + memory) / threads;
}

}  // namespace obscura::compile
