// SPDX-License-Identifier: Apache-2.0
#include "ring/convert.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace obscura::ring {

namespace {

/// Product of the primes but `skip`, mod p.
std::uint64_t product_mod(const Basis& basis, std::span<const std::size_t> indices, std::size_t skip, std::uint64_t p) {
  std::uint64_t product = 1 % p;
  for (std::size_t k = 0; k < indices.size(); ++k) {
    if (k != skip) product = multiply_mod(product, basis.prime(indices[k]) % p, p);
  }
  return product;
}

}  // namespace

Conversion::Conversion(const Basis& basis, std::vector<std::size_t> sources)
    : basis_(&basis),
      sources_(std::move(sources)),
      inverses_(basis.size()),
      products_(basis.size()),
      weights_(basis.size()) {
  const std::size_t count = sources_.size();
  OBSCURA_CHECK(count >= 1 && count < kernels::kMaxTerms, "base conversion from {} primes, 1 .. {} are allowed", count,
                kernels::kMaxTerms - 1);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t q = basis.prime(sources_[i]);
    factors_.push_back(to_reduced(inverse_mod(product_mod(basis, sources_, i, q), q), q));
    fractions_.push_back(1.0 / static_cast<double>(q));
    bound_ = std::max(bound_, 0.6 * static_cast<double>(q));
  }
  for (std::size_t t = 0; t < basis.size(); ++t) {
    if (std::find(sources_.begin(), sources_.end(), t) != sources_.end()) continue;
    const std::uint64_t p = basis.prime(t);
    for (std::size_t i = 0; i < count; ++i) weights_[t].push_back(to_reduced(product_mod(basis, sources_, i, p), p));
    const std::uint64_t whole = product_mod(basis, sources_, count, p);
    weights_[t].push_back(to_reduced(p - whole, p));
    products_[t] = to_reduced(whole, p);
    inverses_[t] = to_reduced(inverse_mod(whole, p), p);
  }
}

void Conversion::overflow(const double* const* y, double* out) const {
  basis_->kernels().rounded_sum(out, y, fractions_.data(), sources_.size(), basis_->degree());
}

void Conversion::convert(const double* const* y, bool with_overflow, std::span<const std::size_t> targets,
                         double* const* out) const {
  constexpr std::size_t kTile = 512;
  const std::size_t terms = sources_.size() + (with_overflow ? 1 : 0);
  for (const std::size_t t : targets) OBSCURA_CHECK(!weights_[t].empty(), "base conversion to its own source {}", t);
  std::array<const double*, kernels::kMaxTerms> tile{};
  const std::size_t step = targets.size() == 1 ? basis_->degree() : kTile;
  for (std::size_t first = 0; first < basis_->degree(); first += step) {
    for (std::size_t i = 0; i < terms; ++i) tile[i] = y[i] + first;
    for (std::size_t k = 0; k < targets.size(); ++k) {
      const std::size_t t = targets[k];
      basis_->kernels().weighted_sum(out[k] + first, tile.data(), bound_, weights_[t].data(), terms, step,
                                     basis_->modulus(t));
    }
  }
}

}  // namespace obscura::ring
