// SPDX-License-Identifier: Apache-2.0
/// Which evaluation keys a plan needs, one after the other: what a client makes, a file holds and a server checks.
/// Arrow: secret, wire, server -> ckks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ckks/bootstrap.h"
#include "ckks/context.h"
#include "ckks/values.h"

namespace obscura::ckks {

struct KeyNeeds {
  bool relinearization = false;
  /// By the power of X (Context::galois_element): the most chain limbs of a ciphertext that the key is used at.
  std::map<std::uint64_t, std::size_t> galois = {};
  /// Its own keys are needed too; its Galois keys are in `galois` (add_bootstrap).
  std::shared_ptr<const Bootstrapper> bootstrapper = {};

  void add_galois(std::uint64_t element, std::size_t limbs);
  /// All that Bootstrapper::run needs.
  void add_bootstrap(std::shared_ptr<const Bootstrapper> bootstrapper);
};

/// One of them.
struct NeededKey {
  enum class Sort { relinearization, galois, to_sparse, to_dense };
  Sort sort = Sort::relinearization;
  std::uint64_t element = 0;  ///< the power of X, of a Galois key and of those out of the sparse secret
  std::size_t limbs = 0;      ///< most chain limbs
};

/// In the order in which they are made and stored: relinearisation, Galois keys by ascending power, into the sparse
/// secret, back.
std::vector<NeededKey> list(const Context& context, const KeyNeeds& needs);

/// What a key is of: bootstrapping's own keys have other special primes.
const Context& context_of(const Context& context, const KeyNeeds& needs, const NeededKey& key);

/// Puts a key in its place.
void put(EvalKeys& keys, const NeededKey& place, SwitchKey key);

/// errors  missing_key: one that is absent or was made for fewer limbs, named
Result<void> check_keys(const Context& context, const KeyNeeds& needs, const EvalKeys& keys);

/// "the relinearisation key", "the key of rotations by 5": as it stands in sentences.
std::string describe(const Context& context, const NeededKey& key);

/// What a server holds of one key for ciphertexts of at most `limbs` limbs, once both halves are there.
std::size_t key_bytes(const ParamsLiteral& params, std::size_t limbs);
/// Of all of them.
std::size_t key_bytes(const Context& context, const KeyNeeds& needs);

}  // namespace obscura::ckks
