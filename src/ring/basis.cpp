// SPDX-License-Identifier: Apache-2.0
#include "ring/basis.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"

namespace obscura::ring {

std::uint64_t inverse_mod(std::uint64_t a, std::uint64_t p) { return power_mod(a, p - 2, p); }

double integer_residue(double x, std::uint64_t p) {
  OBSCURA_CHECK(std::isfinite(x), "residue of a number that is not finite");
  int exponent = 0;
  const double fraction = std::frexp(std::fabs(x), &exponent);
  if (exponent <= 53) {
    const auto whole = static_cast<std::uint64_t>(std::nearbyint(std::fabs(x))) % p;
    return to_reduced(x < 0 && whole != 0 ? p - whole : whole, p);
  }
  const auto mantissa = static_cast<std::uint64_t>(std::ldexp(fraction, 53)) % p;
  const std::uint64_t r = multiply_mod(mantissa, power_mod(2, static_cast<std::uint64_t>(exponent - 53), p), p);
  return to_reduced(x < 0 && r != 0 ? p - r : r, p);
}

Basis::Basis(std::size_t degree, std::vector<std::uint64_t> primes, std::shared_ptr<Resources> resources, RingType ring)
    : resources_(std::move(resources)),
      kernels_(&resources_->kernels()),
      ring_(ring),
      degree_(degree),
      primes_(std::move(primes)) {
  OBSCURA_CHECK(std::has_single_bit(degree) && degree >= kernels::kMinDegree,
                "a ring of degree {}, powers of two from {} are allowed", degree, kernels::kMinDegree);
  moduli_.reserve(primes_.size());
  for (const std::uint64_t p : primes_) {
    OBSCURA_CHECK(p % root_order() == 1, "prime {} is not 1 mod {}", p, root_order());
    moduli_.push_back(kernels::make_modulus(p));
  }
  degrees_ = static_cast<std::size_t>(std::countr_zero(degree / kernels::kMinDegree)) + 1;
  tables_ = std::make_unique<Table[]>(primes_.size() * degrees_);
}

const kernels::NttTable& Basis::table_of(std::size_t i, std::size_t halvings) const {
  Table& table = tables_[i * degrees_ + halvings];
  std::call_once(table.made, [&] { table.table = resources_->table(degree_ >> halvings, primes_[i], ring_); });
  return *table.table;
}

const kernels::NttTable& Basis::table(std::size_t i, std::size_t degree) const {
  OBSCURA_CHECK(std::has_single_bit(degree) && degree >= kernels::kMinDegree && degree <= degree_,
                "an NTT of degree {} in a ring of {}", degree, degree_);
  return table_of(i, static_cast<std::size_t>(std::countr_zero(degree_ / degree)));
}

void Basis::forward(double* limb, std::size_t i) const { kernels_->ntt_forward(limb, table(i)); }
void Basis::inverse(double* limb, std::size_t i) const { kernels_->ntt_inverse(limb, table(i), 1.0); }

NttPoly Basis::to_ntt(const CoeffPoly& poly) const {
  NttPoly out(resources_, degree_, poly.limbs());
  base::parallel_for(poly.limbs(), [&](std::size_t i) {
    std::copy_n(poly.limb(i), degree_, out.limb(i));
    forward(out.limb(i), i);
  });
  return out;
}

CoeffPoly Basis::to_coeff(const NttPoly& poly) const {
  CoeffPoly out(resources_, degree_, poly.limbs());
  base::parallel_for(poly.limbs(), [&](std::size_t i) {
    std::copy_n(poly.limb(i), degree_, out.limb(i));
    inverse(out.limb(i), i);
  });
  return out;
}

void Basis::export_limb(std::span<const double> limb, std::size_t i, std::span<std::uint64_t> out) const {
  OBSCURA_CHECK(limb.size() == degree_ && out.size() == degree_, "export_limb: sizes {}, {}", limb.size(), out.size());
  const auto p = static_cast<std::int64_t>(primes_[i]);
  for (std::size_t j = 0; j < degree_; ++j) {
    const auto x = static_cast<std::int64_t>(limb[j]);
    out[j] = static_cast<std::uint64_t>(x < 0 ? x + p : x);
  }
}

bool Basis::import_limb(std::span<const std::uint64_t> in, std::size_t i, std::span<double> limb) const {
  OBSCURA_CHECK(limb.size() == degree_ && in.size() == degree_, "import_limb: sizes {}, {}", in.size(), limb.size());
  const std::uint64_t p = primes_[i];
  bool valid = true;
  for (std::size_t j = 0; j < degree_; ++j) {
    valid &= in[j] < p;
    limb[j] = to_reduced(in[j] < p ? in[j] : 0, p);
  }
  return valid;
}

}  // namespace obscura::ring
