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

Basis::Basis(std::size_t degree, std::vector<std::uint64_t> primes, std::shared_ptr<Resources> resources)
    : resources_(std::move(resources)), kernels_(&resources_->kernels()), degree_(degree), primes_(std::move(primes)) {
  for (const std::uint64_t p : primes_) {
    moduli_.push_back(kernels::make_modulus(p));
    tables_.push_back(resources_->table(degree, p));
  }
  const std::size_t all = static_cast<std::size_t>(std::countr_zero(degree / kernels::kMinDegree)) * primes_.size();
  smaller_ = std::make_unique<Smaller>(Smaller{std::vector<std::once_flag>(all), {}});
  smaller_->tables.resize(all);
}

const kernels::NttTable& Basis::table(std::size_t i, std::size_t degree) const {
  if (degree == degree_) return *tables_[i];
  OBSCURA_CHECK(std::has_single_bit(degree) && degree >= kernels::kMinDegree && degree < degree_,
                "an NTT of degree {} in a ring of {}", degree, degree_);
  const auto halvings = static_cast<std::size_t>(std::countr_zero(degree_ / degree));
  const auto degrees = static_cast<std::size_t>(std::countr_zero(degree_ / kernels::kMinDegree));
  const std::size_t index = i * degrees + halvings - 1;
  std::call_once(smaller_->made[index], [&] { smaller_->tables[index] = kernels::make_ntt_table(degree, primes_[i]); });
  return smaller_->tables[index];
}

void Basis::forward(double* limb, std::size_t i) const { kernels_->ntt_forward(limb, *tables_[i]); }
void Basis::inverse(double* limb, std::size_t i) const { kernels_->ntt_inverse(limb, *tables_[i], 1.0); }

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
