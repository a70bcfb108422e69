// SPDX-License-Identifier: Apache-2.0
#include "secret/keys.h"

#include "base/parallel.h"
#include "ring/sample.h"

namespace obscura::secret {

namespace {

/// Domains of the streams that a secret seed expands to.
constexpr std::uint64_t kSecretDomain = 1;

/// Small integers, the same in every limb, to NTT form over the whole basis.
ring::NttPoly small_to_ntt(const ckks::Context& context, std::span<const double> small, std::size_t limbs) {
  ring::NttPoly poly(context.degree(), limbs);
  for (std::size_t i = 0; i < limbs; ++i) {
    std::copy(small.begin(), small.end(), poly.limb(i));
    context.basis().forward(poly.limb(i), i);
  }
  return poly;
}

}  // namespace

SecretKey SecretKey::generate(const ckks::Context& context) { return from_seed(context, base::random_seed()); }

SecretKey SecretKey::from_seed(const ckks::Context& context, const base::Seed& seed) {
  SecretKey key;
  key.seed_ = seed;
  std::vector<double> ternary(context.degree());
  base::Stream stream(seed, kSecretDomain);
  ring::sample_ternary(stream, ternary);
  key.poly_ = small_to_ntt(context, ternary, context.basis().size());
  base::zeroize(ternary.data(), ternary.size() * sizeof(double));
  return key;
}

SecretKey::~SecretKey() {
  base::zeroize(seed_.data(), seed_.size());
  poly_.zeroize();
}

ckks::SwitchKey make_relinearization_key(const ckks::Context& context, const SecretKey& secret) {
  const std::size_t n = context.degree();
  const std::size_t limbs = context.basis().size();
  const std::size_t chain = context.chain_limbs();
  const std::size_t digits = context.digits(chain);
  const auto& kernels = kernels::active();
  ckks::SwitchKey key;
  key.seed = base::random_seed();
  for (std::size_t d = 0; d < digits; ++d) {
    key.body.emplace_back(n, limbs);
    key.uniform.emplace_back(n, limbs);
  }
  base::parallel_for(digits, [&](std::size_t d) {
    std::vector<double> small(n);
    base::Stream stream(base::random_seed(), 0);
    ring::sample_noise(stream, small);
    ring::NttPoly noise = small_to_ntt(context, small, limbs);
    base::zeroize(small.data(), n * sizeof(double));
    ring::NttPoly square(n, 1);
    for (std::size_t i = 0; i < limbs; ++i) {
      const auto& m = context.basis().modulus(i);
      ring::sample_uniform(key.seed, ckks::switch_key_domain(d, i), m.value, key.uniform[d].residues(i));
      double* body = key.body[d].limb(i);
      kernels.multiply(body, key.uniform[d].limb(i), secret.poly().limb(i), n, m);
      kernels.subtract(body, noise.limb(i), body, n, m);
      if (i < context.digit_begin(d) || i >= context.digit_end(d, chain)) continue;
      std::uint64_t product = 1;  // P mod q_i
      for (const std::uint64_t p : context.params().literal().special)
        product = ring::multiply_mod(product, p % m.value, m.value);
      kernels.multiply(square.limb(0), secret.poly().limb(i), secret.poly().limb(i), n, m);
      kernels.multiply_scalar_add(body, square.limb(0), ring::to_reduced(product, m.value), n, m);
    }
    noise.zeroize();
    square.zeroize();
  });
  return key;
}

}  // namespace obscura::secret
