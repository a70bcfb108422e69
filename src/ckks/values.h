// SPDX-License-Identifier: Apache-2.0
/// The values of the scheme: ciphertexts, seeded ciphertexts, evaluation keys.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/random.h"
#include "ckks/uniform.h"
#include "ring/poly.h"

namespace obscura::ckks {

/// parts[0] + parts[1] s + parts[2] s^2 = scale * message + noise (mod q_0 .. q_{limbs-1}), in NTT form.
struct Ciphertext {
  std::vector<ring::NttPoly> parts;  ///< 2, or 3 before relinearisation; equal limbs
  double scale = 1;
  std::size_t limbs() const { return parts.empty() ? 0 : parts.front().limbs(); }
};

/// A fresh ciphertext whose second part is the expansion of a public seed: half the size.
struct SeededCiphertext {
  ring::NttPoly body;
  base::Seed seed{};
  double scale = 1;
};

/// Key switching from one secret to another: for digit d, body[d] + expand(seed, d) s = P * g_d * s' + e, over
/// chain and special primes.
struct SwitchKey {
  std::vector<ring::NttPoly> body;  ///< one per digit, over all chain limbs then all special limbs
  UniformHalf uniform;              ///< expanded from the seed as it is used
  base::Seed seed{};
};

/// body + uniform s = e, over the chain: an encryption of zero.
struct PublicKey {
  ring::NttPoly body;
  ring::NttPoly uniform;  ///< expanded from the seed
  base::Seed seed{};
};

/// Of bootstrapping: into the sparse secret, over BootstrapParams::sparse_params and nowhere else, and back, over
/// BootstrapParams::raise_params.
struct BootstrapKeys {
  SwitchKey to_sparse;
  std::vector<SwitchKey> to_dense;  ///< of the sparse secret under each automorphism of Bootstrapper::trace
};

/// All that a server needs, and nothing it could decrypt with.
struct EvalKeys {
  std::vector<SwitchKey> relinearization;  ///< one, or none where the plan needs none
  std::map<std::uint64_t, SwitchKey>
      galois;  ///< by the power k of X -> X^k (Context::galois_element, conjugation_element)
  std::optional<BootstrapKeys> bootstrap;  ///< where the plan bootstraps
};

/// X -> X^(2N-1) conjugates the slots.
inline std::uint64_t conjugation_element(std::size_t degree) { return 2 * degree - 1; }

}  // namespace obscura::ckks
