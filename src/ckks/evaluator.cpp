// SPDX-License-Identifier: Apache-2.0
#include "ckks/evaluator.h"

#include <algorithm>
#include <cmath>

#include "ring/sample.h"

namespace obscura::ckks {

namespace {

double prime_product(const Context& context, std::size_t first, std::size_t last) {
  double product = 1;
  for (std::size_t i = first; i < last; ++i) product *= static_cast<double>(context.basis().prime(i));
  return product;
}

}  // namespace

Ciphertext multiply(const Context& context, const Ciphertext& a, const Ciphertext& b) {
  OBSCURA_CHECK(a.parts.size() == 2 && b.parts.size() == 2, "multiply: {} and {} parts, 2 are needed", a.parts.size(),
                b.parts.size());
  OBSCURA_CHECK(a.limbs() == b.limbs(), "multiply: {} limbs vs {}", a.limbs(), b.limbs());
  const std::size_t n = context.degree();
  const std::size_t limbs = a.limbs();
  Ciphertext out;
  out.scale = a.scale * b.scale;
  for (int part = 0; part < 3; ++part) out.parts.emplace_back(n, limbs);
  const auto& kernels = kernels::active();
  for (std::size_t i = 0; i < limbs; ++i) {
    const auto& m = context.basis().modulus(i);
    const double *a0 = a.parts[0].limb(i), *a1 = a.parts[1].limb(i), *b0 = b.parts[0].limb(i), *b1 = b.parts[1].limb(i);
    kernels.multiply(out.parts[0].limb(i), a0, b0, n, m);
    kernels.multiply_pair(out.parts[1].limb(i), a0, b1, a1, b0, n, m);
    kernels.multiply(out.parts[2].limb(i), a1, b1, n, m);
  }
  return out;
}

Ciphertext rescale(const Context& context, const Ciphertext& x, std::size_t count) {
  const std::size_t n = context.degree();
  const std::size_t limbs = x.limbs();
  const ring::Conversion& drop = context.drop_conversion(limbs, count, false);
  const auto& kernels = kernels::active();
  Ciphertext out;
  out.scale = x.scale / prime_product(context, limbs - count, limbs);
  ring::CoeffPoly dropped(n, count + 1);  // the y_i, then their overflow
  ring::NttPoly converted(n, 1);
  std::vector<const double*> y;
  for (std::size_t k = 0; k <= count; ++k) y.push_back(dropped.limb(k));
  for (const ring::NttPoly& part : x.parts) {
    for (std::size_t k = 0; k < count; ++k) {
      const std::size_t i = drop.sources()[k];
      std::copy_n(part.limb(i), n, dropped.limb(k));
      kernels.ntt_inverse(dropped.limb(k), context.basis().table(i), drop.factor(k));
    }
    drop.overflow(y.data(), dropped.limb(count));
    ring::NttPoly& result = out.parts.emplace_back(n, limbs - count);
    for (std::size_t i = 0; i < limbs - count; ++i) {
      drop.convert(y.data(), true, i, converted.limb(0));
      context.basis().forward(converted.limb(0), i);
      kernels.subtract_multiply(result.limb(i), part.limb(i), converted.limb(0), drop.inverse(i), n,
                                context.basis().modulus(i));
    }
  }
  return out;
}

Ciphertext combine(const Context& context, std::span<const CombineTerm> terms, double constant) {
  OBSCURA_CHECK(!terms.empty() && terms[0].factor == 1, "combine: the first term has factor 1");
  const std::size_t n = context.degree();
  const double scale = terms[0].x->scale;
  std::size_t limbs = terms[0].x->limbs();
  std::size_t parts = 0;
  for (const CombineTerm& term : terms) {
    limbs = std::min(limbs, term.x->limbs());
    parts = std::max(parts, term.x->parts.size());
  }
  const auto& kernels = kernels::active();
  Ciphertext out;
  out.scale = scale;
  for (std::size_t part = 0; part < parts; ++part) {
    ring::NttPoly& result = out.parts.emplace_back(n, limbs);
    for (std::size_t i = 0; i < limbs; ++i) {
      const auto& m = context.basis().modulus(i);
      double* to = result.limb(i);
      if (part < terms[0].x->parts.size()) {
        const double added = part == 0 ? ring::integer_residue(constant * scale, m.value) : 0.0;
        if (added == 0) {
          std::copy_n(terms[0].x->parts[part].limb(i), n, to);
        } else {
          kernels.multiply_scalar(to, terms[0].x->parts[part].limb(i), 1.0, added, n, m);
        }
      } else {
        std::fill_n(to, n, 0.0);
      }
      for (const CombineTerm& term : terms.subspan(1)) {
        if (part >= term.x->parts.size()) continue;
        const double factor = ring::integer_residue(std::nearbyint(term.factor * scale / term.x->scale), m.value);
        kernels.multiply_scalar_add(to, term.x->parts[part].limb(i), factor, n, m);
      }
    }
  }
  return out;
}

Ciphertext expand(const Context& context, SeededCiphertext x) {
  Ciphertext out;
  out.scale = x.scale;
  const std::size_t limbs = x.body.limbs();
  out.parts.push_back(std::move(x.body));
  ring::NttPoly& uniform = out.parts.emplace_back(context.degree(), limbs);
  for (std::size_t i = 0; i < uniform.limbs(); ++i) {
    ring::sample_uniform(x.seed, i, context.basis().prime(i), uniform.residues(i));
  }
  return out;
}

}  // namespace obscura::ckks
