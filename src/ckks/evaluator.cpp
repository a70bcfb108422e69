// SPDX-License-Identifier: Apache-2.0
#include "ckks/evaluator.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "ckks/keyswitch.h"
#include "ring/automorphism.h"
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
  const std::size_t n = context.degree();
  const std::size_t limbs = std::min(a.limbs(), b.limbs());
  Ciphertext out;
  out.scale = a.scale * b.scale;
  for (int part = 0; part < 3; ++part) out.parts.emplace_back(context.resources(), n, limbs);
  const auto& kernels = context.kernels();
  base::parallel_for(limbs, [&](std::size_t i) {
    const auto& m = context.basis().modulus(i);
    const double *a0 = a.parts[0].limb(i), *a1 = a.parts[1].limb(i), *b0 = b.parts[0].limb(i), *b1 = b.parts[1].limb(i);
    kernels.multiply(out.parts[0].limb(i), a0, b0, n, m);
    kernels.multiply_pair(out.parts[1].limb(i), a0, b1, a1, b0, n, m);
    kernels.multiply(out.parts[2].limb(i), a1, b1, n, m);
  });
  return out;
}

Ciphertext rescale(const Context& context, const Ciphertext& x, std::size_t count) {
  const std::size_t n = context.degree();
  const std::size_t limbs = x.limbs();
  const ring::Conversion& drop = context.drop_conversion(limbs, count, false);
  const auto& kernels = context.kernels();
  const std::size_t parts = x.parts.size();
  Ciphertext out;
  out.scale = x.scale / prime_product(context, limbs - count, limbs);
  std::vector<ring::CoeffPoly> dropped;  // of each part the y_i, then their overflow
  std::vector<std::vector<const double*>> y(parts);
  for (std::size_t part = 0; part < parts; ++part) {
    ring::CoeffPoly& rows = dropped.emplace_back(context.resources(), n, count + 1);
    for (std::size_t k = 0; k <= count; ++k) y[part].push_back(rows.limb(k));
    out.parts.emplace_back(context.resources(), n, limbs - count);
  }
  base::parallel_for(parts * count, [&](std::size_t task) {
    const std::size_t part = task / count, k = task % count, i = drop.sources()[k];
    std::copy_n(x.parts[part].limb(i), n, dropped[part].limb(k));
    kernels.ntt_inverse(dropped[part].limb(k), context.basis().table(i), drop.factor(k));
  });
  base::parallel_for(parts, [&](std::size_t part) { drop.overflow(y[part].data(), dropped[part].limb(count)); });
  base::parallel_for(parts * (limbs - count), [&](std::size_t task) {
    const std::size_t part = task % parts, i = task / parts;
    double* to = out.parts[part].limb(i);
    drop.convert(y[part].data(), true, std::span(&i, 1), &to);
    context.basis().forward(to, i);
    kernels.subtract_multiply(to, x.parts[part].limb(i), to, drop.inverse(i), n, context.basis().modulus(i));
  });
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
  const auto& kernels = context.kernels();
  Ciphertext out;
  out.scale = scale;
  for (std::size_t part = 0; part < parts; ++part) out.parts.emplace_back(context.resources(), n, limbs);
  base::parallel_for(parts * limbs, [&](std::size_t task) {
    const std::size_t part = task % parts, i = task / parts;
    const auto& m = context.basis().modulus(i);
    double* to = out.parts[part].limb(i);
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
  });
  return out;
}

Ciphertext add(const Context& context, const Ciphertext& a, const Ciphertext& b) {
  const CombineTerm terms[] = {{&a, 1}, {&b, 1}};
  return combine(context, terms, 0);
}

std::vector<Ciphertext> relinearize_many(const Context& context, const EvalKeys& keys, std::span<const Ciphertext> x,
                                         std::size_t rescale) {
  OBSCURA_CHECK(!keys.relinearization.empty(), "relinearize: the relinearisation key is absent");
  std::vector<Decomposition> decompositions;
  decompositions.reserve(x.size());
  std::vector<SwitchTerm> terms;
  for (const Ciphertext& term : x) {
    OBSCURA_CHECK(term.parts.size() == 3, "relinearize: {} parts, 3 are needed", term.parts.size());
    terms.push_back({&decompositions.emplace_back(context, term.parts[2]), {&term.parts[0], &term.parts[1]}});
  }
  auto switched = switch_many(context, keys.relinearization.front(), terms, rescale);
  std::vector<Ciphertext> out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    out[i].parts = std::move(switched[i]);
    out[i].scale = x[i].scale / prime_product(context, x[i].limbs() - rescale, x[i].limbs());
  }
  return out;
}

Ciphertext relinearize(const Context& context, const EvalKeys& keys, const Ciphertext& x, std::size_t rescale) {
  return std::move(relinearize_many(context, keys, std::span(&x, 1), rescale).front());
}

namespace {

/// One automorphism of a ciphertext whose second part is decomposed.
Ciphertext apply_galois(const Context& context, const SwitchKey& key, const Ciphertext& x, const Decomposition& digits,
                        std::uint64_t element) {
  const auto switched = switch_many(context, key, {{&digits, {&x.parts[0], nullptr}}}, 0);
  const std::vector<std::uint32_t> permutation = context.automorphisms().permutation(element);
  Ciphertext out;
  out.scale = x.scale;
  for (const ring::NttPoly& part : switched.front())
    out.parts.push_back(ring::permute(context.basis(), part, permutation));
  return out;
}

}  // namespace

std::vector<Ciphertext> rotate_many(const Context& context, const EvalKeys& keys, const Ciphertext& x,
                                    std::span<const std::int64_t> steps) {
  OBSCURA_CHECK(x.parts.size() == 2, "rotate: {} parts, 2 are needed", x.parts.size());
  Decomposition digits(context, x.parts[1]);
  if (steps.size() > 1) digits.raise_all();
  std::vector<Ciphertext> out;
  for (const std::int64_t step : steps) {
    const std::uint64_t element = context.galois_element(step);
    out.push_back(element == 1 ? x : apply_galois(context, rotation_key(context, keys, step), x, digits, element));
  }
  return out;
}

Ciphertext rotate(const Context& context, const EvalKeys& keys, const Ciphertext& x, std::int64_t step) {
  return std::move(rotate_many(context, keys, x, std::span(&step, 1)).front());
}

Ciphertext conjugate(const Context& context, const EvalKeys& keys, const Ciphertext& x) {
  OBSCURA_CHECK(x.parts.size() == 2, "conjugate: {} parts, 2 are needed", x.parts.size());
  OBSCURA_CHECK(context.params().ring() == RingType::standard, "conjugate: slots of this ring are real");
  const std::uint64_t element = conjugation_element(context.degree());
  const auto key = keys.galois.find(element);
  OBSCURA_CHECK(key != keys.galois.end(), "conjugate: the Galois key of conjugation (X -> X^{}) is absent", element);
  return apply_galois(context, key->second, x, Decomposition(context, x.parts[1]), element);
}

Ciphertext multiply_by_i(const Context& context, const Ciphertext& x) {
  OBSCURA_CHECK(context.params().ring() == RingType::standard, "multiply_by_i: slots of this ring are real");
  const std::size_t n = context.degree(), limbs = x.limbs();
  Ciphertext out;
  out.scale = x.scale;
  for (std::size_t part = 0; part < x.parts.size(); ++part) out.parts.emplace_back(context.resources(), n, limbs);
  base::parallel_for(limbs, [&](std::size_t k) {
    ring::NttPoly monomial(context.resources(), n, 1);
    monomial.set_zero();
    monomial.limb(0)[n / 2] = 1;
    context.basis().forward(monomial.limb(0), k);
    for (std::size_t part = 0; part < x.parts.size(); ++part) {
      context.kernels().multiply(out.parts[part].limb(k), x.parts[part].limb(k), monomial.limb(0), n,
                                 context.basis().modulus(k));
    }
  });
  return out;
}

Ciphertext expand(const Context& context, SeededCiphertext x) {
  Ciphertext out;
  out.scale = x.scale;
  const std::size_t limbs = x.body.limbs();
  out.parts.push_back(std::move(x.body));
  ring::NttPoly& uniform = out.parts.emplace_back(context.resources(), context.degree(), limbs);
  base::parallel_for(
      limbs, [&](std::size_t i) { ring::sample_uniform(x.seed, i, context.basis().prime(i), uniform.residues(i)); });
  return out;
}

}  // namespace obscura::ckks
