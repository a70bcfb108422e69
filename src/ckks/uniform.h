// SPDX-License-Identifier: Apache-2.0
/// The uniform half of a key: a seed at rest, residues only where they are used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/random.h"
#include "ring/basis.h"

namespace obscura::ckks {

/// Polynomials a_d of a switch key, one a digit, over all primes: limb i of digit d is the keystream of domain
/// switch_key_domain(d, i), drawn when it is first asked for and kept. A key that is used at few levels never holds
/// the limbs of the others. Copies share what is drawn.
/// threads  limb() may be called from several at once
class UniformHalf {
 public:
  UniformHalf() = default;
  UniformHalf(const ring::Basis& basis, const base::Seed& seed, std::size_t digits);
  /// Residues that no seed gives: keys of another library.
  explicit UniformHalf(std::vector<ring::NttPoly> polynomials);

  std::size_t digits() const;
  /// cost    the first time one limb of keystream
  const double* limb(std::size_t digit, std::size_t i) const;
  /// Memory of the limbs drawn so far.
  std::size_t bytes() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// The stream that limb i of digit d's uniform half is drawn from.
inline std::uint64_t switch_key_domain(std::size_t digit, std::size_t limb) { return digit << 16 | limb; }

}  // namespace obscura::ckks
