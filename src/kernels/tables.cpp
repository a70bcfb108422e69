// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cmath>
#include <string_view>

#include "base/check.h"
#include "kernels/integers.h"
#include "kernels/kernels.h"
#include "kernels/portable.h"
#include "kernels/scalar.h"

namespace obscura::kernels {

namespace {

/// A primitive 2N-th root of unity: x^((p-1)/2N) for the least x for which its N-th power is -1.
std::uint64_t find_root(std::size_t degree, std::uint64_t p) {
  for (std::uint64_t x = 2;; ++x) {
    const std::uint64_t root = power_mod(x, (p - 1) / (2 * degree), p);
    if (power_mod(root, degree, p) == p - 1) return root;
  }
}

/// psi of order 2 degree.
std::vector<double> make_roots(std::size_t degree, std::uint64_t p, std::uint64_t psi) {
  const auto bits = static_cast<unsigned>(std::countr_zero(degree));
  std::vector<double> roots(degree);
  std::uint64_t power = 1;
  for (std::size_t i = 0; i < degree; ++i, power = multiply_mod(power, psi, p)) {
    roots[reverse_bits(i, bits)] = to_reduced(power, p);
  }
  return roots;
}

/// Those of the left half of twice the degree: its level of 2 m blocks is this one's of m.
std::vector<double> left_half(const std::vector<double>& twice) {
  std::vector<double> roots(twice.size() / 2);
  for (std::size_t m = 1; m < roots.size(); m *= 2) {
    for (std::size_t i = 0; i < m; ++i) roots[m + i] = twice[2 * m + i];
  }
  return roots;
}

/// The last three levels have N/8, N/4, N/2 blocks. In a transposed block of 64, lane r holds subblock r of eight
/// elements, so the k-th butterfly of a level needs the roots of its lanes side by side.
std::vector<Octet> make_tail(std::size_t degree, const std::vector<double>& roots) {
  std::vector<Octet> tail(degree / 64 * 7);
  Octet* out = tail.data();
  for (std::size_t block = 0; block < degree / 64; ++block) {
    for (std::size_t level = 0; level < 3; ++level) {
      const std::size_t per_lane = std::size_t{1} << level;
      for (std::size_t k = 0; k < per_lane; ++k, ++out) {
        for (std::size_t lane = 0; lane < 8; ++lane) {
          out->lane[lane] = roots[(degree / 8) * per_lane + (8 * block + lane) * per_lane + k];
        }
      }
    }
  }
  return tail;
}

/// Follows the largest |x| / p, `bound` at first, through the levels: x grows by the product's bound p/2 + |x|
/// 2^(bits-53), and no operand may pass 2^52. A pass starts at levels 0, leftover, leftover + 3, ...; where it could
/// overflow it reduces its inputs.
std::vector<bool> plan_reductions(std::size_t degree, int bits, double bound) {
  const int levels = std::countr_zero(degree);
  const double growth = std::ldexp(1.0, bits - 53);
  const double limit = std::ldexp(1.0, 52 - bits);
  std::vector<bool> reduce(static_cast<std::size_t>(levels), false);
  for (int level = 0; level < levels;) {
    const int pass = level == 0 && levels % 3 != 0 ? levels % 3 : 3;
    auto after = [&](double x) {
      for (int i = 0; i < pass; ++i) x = x + 0.5 + x * growth;
      return x;
    };
    if (after(bound) > limit) {
      reduce[static_cast<std::size_t>(level)] = true;
      bound = 0.5001;
    }
    bound = after(bound);
    OBSCURA_CHECK(bound <= limit, "NTT of a {}-bit prime leaves the exact range", bits);
    level += pass;
  }
  return reduce;
}

}  // namespace

Modulus make_modulus(std::uint64_t prime) {
  OBSCURA_CHECK(prime > (1U << 20) && prime < (std::uint64_t{1} << 50) && prime % 2 == 1,
                "modulus {} is outside of 2^20 .. 2^50", prime);
  const auto p = static_cast<double>(prime);
  return {prime, p, 1.0 / p, static_cast<int>(std::bit_width(prime))};
}

NttTable make_ntt_table(std::size_t degree, std::uint64_t prime, RingType ring) {
  OBSCURA_CHECK(std::has_single_bit(degree) && degree >= kMinDegree, "NTT degree {} is not a power of two from 512",
                degree);
  const bool invariant = ring == RingType::conjugate_invariant;
  const std::size_t order = invariant ? 4 * degree : 2 * degree;
  OBSCURA_CHECK(prime % order == 1, "prime {} is not 1 mod {}", prime, order);
  const std::uint64_t psi = find_root(order / 2, prime);
  NttTable table;
  table.degree = degree;
  table.modulus = make_modulus(prime);
  table.roots = make_roots(order / 2, prime, psi);
  table.inverse_roots = make_roots(order / 2, prime, power_mod(psi, order - 1, prime));
  if (invariant) {
    table.fold = to_reduced(power_mod(psi, degree, prime), prime);
    table.roots = left_half(table.roots);
    table.inverse_roots = left_half(table.inverse_roots);
  }
  table.tail = make_tail(degree, table.roots);
  table.inverse_tail = make_tail(degree, table.inverse_roots);
  // A fold adds a product, of at most 0.7 p, to inputs of 1.5 p.
  table.reduce_first = plan_reductions(degree, table.modulus.bits, invariant ? 2.2 : 1.5);
  return table;
}

std::vector<const Kernels*> available() {
  std::vector<const Kernels*> tables = simd_tables();
  tables.push_back(&scalar());
  tables.push_back(&portable());
  return tables;
}

const Kernels& best() { return *available().front(); }

const Kernels* named(std::string_view name) {
  for (const Kernels* kernels : available()) {
    if (kernels->name == name) return kernels;
  }
  return nullptr;
}

}  // namespace obscura::kernels
