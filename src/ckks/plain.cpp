// SPDX-License-Identifier: Apache-2.0
#include "ckks/plain.h"

#include "base/parallel.h"

namespace obscura::ckks {

Plaintext make_plaintext(const Context& context, std::span<const double> slots, double scale, std::size_t limbs) {
  return {context.encoder().encode(slots, scale, limbs), scale};
}

Plaintext make_plaintext(const Context& context, std::span<const std::complex<double>> slots, double scale,
                         std::size_t limbs) {
  return {context.encoder().encode(slots, scale, limbs), scale};
}

Ciphertext multiply_plain(const Context& context, const Ciphertext& x, const Plaintext& p) {
  OBSCURA_CHECK(p.poly.limbs() >= x.limbs(), "multiply_plain: a plaintext of {} limbs, {} are needed", p.poly.limbs(),
                x.limbs());
  const std::size_t parts = x.parts.size();
  Ciphertext out;
  out.scale = x.scale * p.scale;
  for (std::size_t part = 0; part < parts; ++part)
    out.parts.emplace_back(context.resources(), context.degree(), x.limbs());
  base::parallel_for(x.limbs(), [&](std::size_t i) {
    for (std::size_t part = 0; part < parts; ++part) {
      context.kernels().multiply(out.parts[part].limb(i), x.parts[part].limb(i), p.poly.limb(i), context.degree(),
                                 context.basis().modulus(i));
    }
  });
  return out;
}

Ciphertext add_plain(const Context& context, const Ciphertext& x, const Plaintext& p) {
  OBSCURA_CHECK(p.poly.limbs() >= x.limbs(), "add_plain: a plaintext of {} limbs, {} are needed", p.poly.limbs(),
                x.limbs());
  OBSCURA_CHECK(p.scale == x.scale, "add_plain: a plaintext at scale {} to a ciphertext at {}", p.scale, x.scale);
  Ciphertext out = x;
  base::parallel_for(x.limbs(), [&](std::size_t i) {
    double* to = out.parts[0].limb(i);
    context.kernels().add(to, to, p.poly.limb(i), context.degree(), context.basis().modulus(i));
  });
  return out;
}

}  // namespace obscura::ckks
