// SPDX-License-Identifier: Apache-2.0
#include "secret/keys.h"

#include <algorithm>
#include <utility>

#include "base/parallel.h"
#include "base/signing.h"
#include "ring/automorphism.h"
#include "ring/sample.h"
#include "secret/switch_key.h"

namespace obscura::secret {

namespace {

/// Domains of the streams that a secret seed expands to.
constexpr std::uint64_t kSecretDomain = 1;
constexpr std::uint64_t kMarkDomain = 2;

}  // namespace

ring::NttPoly small_to_ntt(const ckks::Context& context, std::span<const double> small, std::size_t limbs) {
  ring::NttPoly poly(context.resources(), context.degree(), limbs);
  for (std::size_t i = 0; i < limbs; ++i) {
    std::copy(small.begin(), small.end(), poly.limb(i));
    context.basis().forward(poly.limb(i), i);
  }
  return poly;
}

SecretKey SecretKey::generate(const ckks::Context& context) {
  base::Locked<base::Seed> seed;
  base::fill_random(*seed);
  return from_seed(context, std::move(seed));
}

SecretKey SecretKey::from_seed(const ckks::Context& context, const base::Seed& seed) {
  base::Locked<base::Seed> own;
  *own = seed;
  return from_seed(context, std::move(own));
}

SecretKey SecretKey::from_seed(const ckks::Context& context, base::Locked<base::Seed> seed) {
  SecretKey key;
  key.seed_ = std::move(seed);
  std::vector<double> ternary(context.degree());
  base::lock_pages(ternary.data(), ternary.size() * sizeof(double));
  {
    base::Stream stream(*key.seed_, kSecretDomain);
    ring::sample_ternary(stream, ternary);
  }
  key.poly_ = ring::NttPoly(context.resources(), context.degree(), context.basis().size());
  for (std::size_t i = 0; i < key.poly_.limbs(); ++i) {
    base::lock_pages(key.poly_.limb(i), key.poly_.degree() * sizeof(double));
    std::copy(ternary.begin(), ternary.end(), key.poly_.limb(i));
    context.basis().forward(key.poly_.limb(i), i);
  }
  base::unlock_pages(ternary.data(), ternary.size() * sizeof(double));
  base::zeroize_stack();
  return key;
}

SecretKey::~SecretKey() {
  for (std::size_t i = 0; i < poly_.limbs(); ++i) base::unlock_pages(poly_.limb(i), poly_.degree() * sizeof(double));
}

std::array<std::uint8_t, 16> SecretKey::mark(std::span<const std::byte> message) const {
  base::Locked<base::Seed> key;
  base::Stream(*seed_, kMarkDomain).fill(*key);
  return base::keyed_digest(*key, message);
}

ckks::SwitchKey make_switch_key(const ckks::Context& context, const ring::NttPoly& from, const ring::NttPoly& to,
                                std::size_t limbs) {
  const std::size_t n = context.degree();
  const std::size_t chain = context.chain_limbs(), all = context.basis().size();
  OBSCURA_CHECK(limbs >= 1 && limbs <= chain, "switch key: {} limbs of {}", limbs, chain);
  const auto& kernels = context.kernels();
  ckks::SwitchKey key;
  key.seed = base::random_seed();
  for (std::size_t d = 0; d < context.digits(limbs); ++d)
    key.body.push_back(ring::NttPoly::absent(context.resources(), n, all));
  key.uniform = ckks::UniformHalf(context.basis(), key.seed, key.body.size());
  base::parallel_for(key.body.size(), [&](std::size_t d) {
    std::vector<double> small(n);
    base::Stream stream(base::FreshSeed{});
    ring::sample_noise(stream, small);
    ring::NttPoly noise(context.resources(), n, 1);
    for (std::size_t i = 0; i < all; ++i) {
      if (i >= limbs && i < chain) continue;
      const auto& m = context.basis().modulus(i);
      key.body[d].take(i);
      double* body = key.body[d].limb(i);
      std::copy(small.begin(), small.end(), noise.limb(0));
      context.basis().forward(noise.limb(0), i);
      kernels.multiply(body, key.uniform.limb(d, i), to.limb(i), n, m);
      kernels.subtract(body, noise.limb(0), body, n, m);
      if (i < context.digit_begin(d) || i >= context.digit_end(d, chain)) continue;
      kernels.multiply_scalar_add(body, from.limb(i), context.special_product(i), n, m);
    }
    noise.zeroize();
    base::zeroize(small.data(), n * sizeof(double));
  });
  return key;
}

ckks::SwitchKey make_relinearization_key(const ckks::Context& context, const SecretKey& secret) {
  ring::NttPoly square(context.resources(), context.degree(), context.basis().size());
  for (std::size_t i = 0; i < square.limbs(); ++i) {
    const double* s = secret.poly().limb(i);
    context.kernels().multiply(square.limb(i), s, s, context.degree(), context.basis().modulus(i));
  }
  ckks::SwitchKey key = make_switch_key(context, square, secret.poly(), context.chain_limbs());
  square.zeroize();
  return key;
}

ckks::SwitchKey make_galois_key(const ckks::Context& context, const SecretKey& secret, std::uint64_t element,
                                std::size_t limbs) {
  // The inverse of an odd number modulo a power of two: its power with a quarter of that, the group's exponent, less
  // one.
  const std::uint64_t order = context.basis().root_order();
  const std::uint64_t inverse = ring::power_mod(element, order / 4 - 1, order);
  ring::NttPoly target = ring::permute(context.basis(), secret.poly(), context.automorphisms().permutation(inverse));
  ckks::SwitchKey key = make_switch_key(context, secret.poly(), target, limbs);
  target.zeroize();
  return key;
}

ckks::SwitchKey make_galois_key(const ckks::Context& context, const SecretKey& secret, std::uint64_t element) {
  return make_galois_key(context, secret, element, context.chain_limbs());
}

std::map<std::uint64_t, ckks::SwitchKey> make_galois_keys(const ckks::Context& context, const SecretKey& secret,
                                                          std::span<const std::int64_t> steps) {
  std::map<std::uint64_t, ckks::SwitchKey> keys;
  for (const std::int64_t step : steps) {
    const std::uint64_t element = context.galois_element(step);
    if (element == 1 || keys.contains(element)) continue;
    keys.emplace(element, make_galois_key(context, secret, element));
  }
  return keys;
}

ckks::PublicKey make_public_key(const ckks::Context& context, const SecretKey& secret) {
  const std::size_t n = context.degree();
  ckks::PublicKey key;
  key.seed = base::random_seed();
  std::vector<double> small(n);
  base::Stream stream(base::FreshSeed{});
  ring::sample_noise(stream, small);
  key.body = small_to_ntt(context, small, context.chain_limbs());
  base::zeroize(small.data(), n * sizeof(double));
  key.uniform = ring::NttPoly(context.resources(), n, context.chain_limbs());
  ring::NttPoly product(context.resources(), n, 1);
  for (std::size_t i = 0; i < context.chain_limbs(); ++i) {
    const auto& m = context.basis().modulus(i);
    ring::sample_uniform(key.seed, i, m.value, key.uniform.residues(i));
    context.kernels().multiply(product.limb(0), key.uniform.limb(i), secret.poly().limb(i), n, m);
    context.kernels().subtract(key.body.limb(i), key.body.limb(i), product.limb(0), n, m);
  }
  product.zeroize();
  return key;
}

}  // namespace obscura::secret
