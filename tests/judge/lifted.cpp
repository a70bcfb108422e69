// SPDX-License-Identifier: Apache-2.0
#include "tests/judge/lifted.h"

#include <random>

#include "tests/judge/session.h"

namespace obscura::judge {

namespace {

std::shared_ptr<const ckks::Context> invariant_of(const ckks::Context& standard) {
  ckks::ParamsLiteral literal = standard.params().literal();
  literal.log2_degree -= 1;
  literal.ring = ckks::RingType::conjugate_invariant;
  // The gate of half the degree holds half the primes: the judge looks at arithmetic, not at security.
  return ckks::Context::make(ckks::Params::insecure_for_tests(literal).value());
}

}  // namespace

std::vector<double> uniform_slots(std::size_t count, unsigned seed) {
  std::mt19937_64 generator(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> out(count);
  for (double& x : out) x = uniform(generator);
  return out;
}

Lifted::Lifted(std::shared_ptr<const ckks::Context> standard)
    : standard_(std::move(standard)),
      context_(invariant_of(*standard_)),
      secret_(secret::SecretKey::generate(*context_)),
      a_(uniform_slots(context_->params().slots(), 3)),
      b_(uniform_slots(context_->params().slots(), 4)) {
  const ckks::Context& context = *context_;
  ckks::EvalKeys keys;
  keys.relinearization.push_back(secret::make_relinearization_key(context, secret_));
  const std::uint64_t element = context.galois_element(5);
  keys.galois.emplace(element, secret::make_galois_key(context, secret_, element));
  const std::size_t limbs = context.chain_limbs();
  const auto encrypt = [&](const std::vector<double>& slots, double scale) {
    return ckks::expand(context, secret::encrypt(context, secret_, slots, scale, limbs));
  };
  ours_["a"] = encrypt(a_, kScale);
  ours_["b"] = encrypt(b_, kScale);
  ours_["public"] = secret::encrypt_public(context, secret::make_public_key(context, secret_), b_, kScale, limbs);
  ours_["product"] = ckks::multiply(context, ours_["a"], ours_["b"]);
  ours_["rescaled"] = ckks::relinearize(context, keys, ours_["product"], 1);
  ours_["small_product"] = ckks::multiply(context, encrypt(a_, kSmallScale), encrypt(b_, kSmallScale));
  ours_["relinearized"] = ckks::relinearize(context, keys, ours_["small_product"], 0);
  ours_["rotated"] = ckks::rotate(context, keys, ours_["a"], 5);
}

ring::NttPoly Lifted::lift(const ring::NttPoly& poly) const {
  const ring::CoeffPoly from = context_->basis().to_coeff(poly);
  const std::size_t n = from.degree();
  ring::CoeffPoly to(standard_->resources(), 2 * n, from.limbs());
  to.set_zero();
  for (std::size_t i = 0; i < from.limbs(); ++i) {
    to.limb(i)[0] = from.limb(i)[0];
    for (std::size_t j = 1; j < n; ++j) {
      to.limb(i)[j] = from.limb(i)[j];
      to.limb(i)[2 * n - j] = -from.limb(i)[j];
    }
  }
  return standard_->basis().to_ntt(to);
}

ckks::Ciphertext Lifted::lift(const ckks::Ciphertext& x) const {
  ckks::Ciphertext out;
  out.scale = x.scale;
  for (const ring::NttPoly& part : x.parts) out.parts.push_back(lift(part));
  return out;
}

}  // namespace obscura::judge
