// SPDX-License-Identifier: Apache-2.0
/// The RNS basis: primes in order, each with its modulus and NTT tables. Tables are made when they are first used: who
/// only predicts what a plan takes transforms nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "kernels/integers.h"
#include "kernels/kernels.h"
#include "ring/poly.h"
#include "ring/resources.h"

namespace obscura::ring {

using kernels::multiply_mod;
using kernels::power_mod;
using kernels::to_reduced;

/// 2N in the standard ring, 4N in the conjugate-invariant one (kernels/kernels.h).
constexpr std::size_t root_order(RingType ring, std::size_t degree) {
  return (ring == RingType::conjugate_invariant ? 4 : 2) * degree;
}

class Basis {
 public:
  /// primes = 1 (mod root_order()), below 2^50, distinct (ckks::Params checked them).
  Basis(std::size_t degree, std::vector<std::uint64_t> primes, std::shared_ptr<Resources> resources = Resources::make(),
        RingType ring = RingType::standard);

  /// What its polynomials are made with.
  const std::shared_ptr<Resources>& resources() const { return resources_; }
  const kernels::Kernels& kernels() const { return *kernels_; }

  RingType ring() const { return ring_; }
  std::size_t degree() const { return degree_; }
  /// Of the roots of unity at which an NTT takes values.
  std::size_t root_order() const { return ring::root_order(ring_, degree_); }
  std::size_t size() const { return primes_.size(); }
  std::uint64_t prime(std::size_t i) const { return primes_[i]; }
  const kernels::Modulus& modulus(std::size_t i) const { return moduli_[i]; }
  const kernels::NttTable& table(std::size_t i) const { return table_of(i, 0); }
  /// Of polynomials in X^(N / degree), as polynomials of that degree: its roots are the (N / degree)-th powers of
  /// table(i)'s. degree: a power of two, kernels::kMinDegree .. N.
  const kernels::NttTable& table(std::size_t i, std::size_t degree) const;

  /// In place, one limb of basis prime i.
  void forward(double* limb, std::size_t i) const;
  void inverse(double* limb, std::size_t i) const;

  /// Limb j of the polynomial belongs to basis prime j.
  NttPoly to_ntt(const CoeffPoly& poly) const;
  CoeffPoly to_coeff(const NttPoly& poly) const;

  /// Residues in [0, p), in the order of the limb: what frames store.
  void export_limb(std::span<const double> limb, std::size_t i, std::span<std::uint64_t> out) const;
  /// False where a residue is >= p; the limb is then unspecified.
  [[nodiscard]] bool import_limb(std::span<const std::uint64_t> in, std::size_t i, std::span<double> limb) const;

 private:
  std::shared_ptr<Resources> resources_;
  const kernels::Kernels* kernels_;  ///< those of the resources
  RingType ring_;
  std::size_t degree_;
  std::vector<std::uint64_t> primes_;
  std::vector<kernels::Modulus> moduli_;
  std::size_t degrees_ = 0;  ///< from kernels::kMinDegree to degree_
  /// A table, shared with other bases of the resources. Concurrent transforms may each be the first.
  struct Table {
    std::once_flag made;
    std::shared_ptr<const kernels::NttTable> table;
  };
  std::unique_ptr<Table[]> tables_;  ///< [prime * degrees_ + halvings of the degree]
  const kernels::NttTable& table_of(std::size_t i, std::size_t halvings) const;
};

/// round(x) mod p, reduced, for any finite x: above 2^53 its exact binary value.
double integer_residue(double x, std::uint64_t p);
/// a^-1 mod the prime p.
std::uint64_t inverse_mod(std::uint64_t a, std::uint64_t p);

}  // namespace obscura::ring
