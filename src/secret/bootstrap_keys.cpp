// SPDX-License-Identifier: Apache-2.0
#include "secret/bootstrap_keys.h"

#include <algorithm>

#include "base/random.h"
#include "secret/switch_key.h"

namespace obscura::secret {

namespace {

/// `weight` coefficients of +-1, the rest 0: positions by rejection, uniform.
std::vector<double> sample_sparse(std::size_t degree, int weight) {
  base::Stream stream(base::FreshSeed{});
  std::vector<double> out(degree);
  for (int placed = 0; placed < weight;) {
    const std::uint64_t word = stream.u64();
    double& x = out[(word >> 1) % degree];  // a power of two
    if (x != 0) continue;
    x = word % 2 == 0 ? 1 : -1;
    ++placed;
  }
  return out;
}

}  // namespace

ckks::BootstrapKeys make_bootstrap_keys(const ckks::Bootstrapper& bootstrapper, const SecretKey& secret) {
  // The secret has all primes of the one, and q_0 of the other.
  const ckks::Context &context = bootstrapper.raise_context(), &low = bootstrapper.sparse_context();
  std::vector<double> sparse = sample_sparse(context.degree(), bootstrapper.params().literal().weight);
  ring::NttPoly at_low = small_to_ntt(low, sparse, low.basis().size());
  ring::NttPoly at_all = small_to_ntt(context, sparse, context.basis().size());
  base::zeroize(sparse.data(), sparse.size() * sizeof(double));
  ckks::BootstrapKeys keys;
  keys.to_sparse = make_switch_key(low, secret.poly(), at_low, 1);
  for (const std::uint64_t element : bootstrapper.trace()) {
    ring::NttPoly from = ring::permute(context.basis(), at_all, context.automorphisms().permutation(element));
    keys.to_dense.push_back(make_switch_key(context, from, secret.poly(), context.chain_limbs()));
    from.zeroize();
  }
  at_low.zeroize();
  at_all.zeroize();
  return keys;
}

}  // namespace obscura::secret
