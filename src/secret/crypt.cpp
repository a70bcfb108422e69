// SPDX-License-Identifier: Apache-2.0
#include "secret/crypt.h"

#include <algorithm>

#include "base/check.h"
#include "base/parallel.h"
#include "ring/sample.h"

namespace obscura::secret {

namespace {

/// Fills `out` in blocks on all cores, each block from a stream of its own.
template <class Sample>
void sample_blocks(std::span<double> out, Sample sample) {
  constexpr std::size_t kBlock = 4096;
  base::Seed seed = base::random_seed();
  base::parallel_for((out.size() + kBlock - 1) / kBlock, [&](std::size_t block) {
    base::Stream stream(seed, block);
    const std::size_t first = block * kBlock;
    sample(stream, out.subspan(first, std::min(kBlock, out.size() - first)));
  });
  base::zeroize(seed.data(), seed.size());
}

}  // namespace

ckks::SeededCiphertext encrypt(const ckks::Context& context, const SecretKey& secret, std::span<const double> slots,
                               double scale, std::size_t limbs) {
  OBSCURA_CHECK(limbs >= 1 && limbs <= context.chain_limbs(), "encrypt: {} limbs, 1 .. {} are allowed", limbs,
                context.chain_limbs());
  const std::size_t n = context.degree();
  const auto& kernels = context.kernels();
  ckks::SeededCiphertext out;
  out.seed = base::random_seed();
  out.scale = scale;
  out.body = context.encoder().encode(slots, scale, limbs);
  std::vector<double> small(n);
  sample_blocks(small, ring::sample_noise);
  base::parallel_for(limbs, [&](std::size_t i) {
    ring::NttPoly scratch(context.resources(), n, 2);
    const auto& m = context.basis().modulus(i);
    std::copy(small.begin(), small.end(), scratch.limb(0));
    context.basis().forward(scratch.limb(0), i);
    kernels.add(out.body.limb(i), out.body.limb(i), scratch.limb(0), n, m);
    ring::sample_uniform(out.seed, i, m.value, scratch.residues(1));
    kernels.multiply(scratch.limb(1), scratch.limb(1), secret.poly().limb(i), n, m);
    kernels.subtract(out.body.limb(i), out.body.limb(i), scratch.limb(1), n, m);
    scratch.zeroize();
  });
  base::zeroize(small.data(), n * sizeof(double));
  return out;
}

ckks::Ciphertext encrypt_public(const ckks::Context& context, const ckks::PublicKey& key, std::span<const double> slots,
                                double scale, std::size_t limbs) {
  OBSCURA_CHECK(limbs >= 1 && limbs <= context.chain_limbs(), "encrypt: {} limbs, 1 .. {} are allowed", limbs,
                context.chain_limbs());
  const std::size_t n = context.degree();
  const auto& kernels = context.kernels();
  std::vector<double> small(3 * n);  // v, e0, e1
  sample_blocks(std::span(small).first(n), ring::sample_ternary);
  sample_blocks(std::span(small).subspan(n), ring::sample_noise);
  ckks::Ciphertext out;
  out.scale = scale;
  out.parts.push_back(context.encoder().encode(slots, scale, limbs));
  out.parts.emplace_back(context.resources(), n, limbs);
  out.parts[1].set_zero();
  base::parallel_for(limbs, [&](std::size_t i) {
    ring::NttPoly scratch(context.resources(), n, 2);
    const auto& m = context.basis().modulus(i);
    for (std::size_t part = 0; part < 2; ++part) {
      double* to = out.parts[part].limb(i);
      const ring::NttPoly& half = part == 0 ? key.body : key.uniform;
      std::copy_n(small.data(), n, scratch.limb(0));
      context.basis().forward(scratch.limb(0), i);
      std::copy_n(small.data() + (part + 1) * n, n, scratch.limb(1));
      context.basis().forward(scratch.limb(1), i);
      kernels.add(to, to, scratch.limb(1), n, m);
      kernels.multiply(scratch.limb(0), scratch.limb(0), half.limb(i), n, m);
      kernels.add(to, to, scratch.limb(0), n, m);
    }
    scratch.zeroize();
  });
  base::zeroize(small.data(), small.size() * sizeof(double));
  return out;
}

std::vector<double> decrypt(const ckks::Context& context, const SecretKey& secret, const ckks::Ciphertext& x) {
  OBSCURA_CHECK(x.parts.size() == 2 || x.parts.size() == 3, "decrypt: {} parts, 2 or 3 are allowed", x.parts.size());
  const std::size_t n = context.degree();
  const auto& kernels = context.kernels();
  ring::NttPoly message = x.parts.back();
  base::parallel_for(message.limbs(), [&](std::size_t i) {
    const auto& m = context.basis().modulus(i);
    for (std::size_t part = x.parts.size() - 1; part-- > 0;) {  // Horner in s
      kernels.multiply(message.limb(i), message.limb(i), secret.poly().limb(i), n, m);
      kernels.add(message.limb(i), message.limb(i), x.parts[part].limb(i), n, m);
    }
  });
  std::vector<double> slots = context.encoder().decode(message, x.scale);
  message.zeroize();
  return slots;
}

}  // namespace obscura::secret
