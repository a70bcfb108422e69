// SPDX-License-Identifier: Apache-2.0
#include "ckks/keyswitch.h"

#include <algorithm>

#include "base/parallel.h"

namespace obscura::ckks {

Decomposition::Decomposition(const Context& context, const ring::NttPoly& poly)
    : context_(&context),
      poly_(&poly),
      digits_(context.digits(poly.limbs())),
      coefficients_(context.resources(), context.degree(), poly.limbs()) {
  std::vector<double> factors(poly.limbs());
  for (std::size_t d = 0; d < digits_; ++d) {
    const ring::Conversion& conversion = context.digit_conversion(d, poly.limbs());
    for (std::size_t k = 0; k < conversion.sources().size(); ++k) {
      factors[conversion.sources()[k]] = conversion.factor(k);
    }
  }
  base::parallel_for(poly.limbs(), [&](std::size_t i) {
    std::copy_n(poly.limb(i), context.degree(), coefficients_.limb(i));
    context.kernels().ntt_inverse(coefficients_.limb(i), context.basis().table(i), factors[i]);
  });
}

std::vector<std::vector<const double*>> Decomposition::rows(std::span<const std::size_t> targets,
                                                            ring::NttPoly& scratch) const {
  std::vector<std::vector<const double*>> out(targets.size());
  std::vector<const double*> sources;
  std::vector<std::size_t> converted;
  std::vector<double*> to;
  for (std::size_t d = 0; d < digits_; ++d) {
    const std::size_t first = context_->digit_begin(d), last = context_->digit_end(d, limbs());
    converted.clear();
    to.clear();
    for (std::size_t k = 0; k < targets.size(); ++k) {
      const std::size_t t = targets[k];
      if (t >= first && t < last) {
        out[k].push_back(poly_->limb(t));
      } else if (!raised_.empty()) {
        out[k].push_back(raised_[t].limb(d));
      } else {
        converted.push_back(t);
        to.push_back(scratch.limb(k * digits_ + d));
        out[k].push_back(to.back());
      }
    }
    if (converted.empty()) continue;
    sources.clear();
    for (std::size_t i = first; i < last; ++i) sources.push_back(coefficients_.limb(i));
    context_->digit_conversion(d, limbs()).convert(sources.data(), false, converted, to.data());
    for (std::size_t k = 0; k < converted.size(); ++k) context_->basis().forward(to[k], converted[k]);
  }
  return out;
}

void Decomposition::raise_all() {
  std::vector<ring::NttPoly> raised(context_->basis().size());
  base::parallel_for(raised.size(), [&](std::size_t t) {
    if (t >= limbs() && t < context_->chain_limbs()) return;
    raised[t] = ring::NttPoly(context_->resources(), context_->degree(), digits_);
    rows(std::span(&t, 1), raised[t]);
  });
  raised_ = std::move(raised);
}

const SwitchKey& rotation_key(const Context& context, const EvalKeys& keys, std::int64_t step) {
  const std::uint64_t element = context.galois_element(step);
  const auto key = keys.galois.find(element);
  OBSCURA_CHECK(key != keys.galois.end(), "rotate: the Galois key of step {} (X -> X^{}) is absent", step, element);
  return key->second;
}

std::size_t extended_prime(const Context& context, std::size_t limbs, std::size_t row) {
  return row < limbs ? row : context.chain_limbs() + row - limbs;
}

ring::NttPoly divide_extended(const Context& context, ring::NttPoly x, std::size_t limbs, std::size_t rescale) {
  const std::size_t n = context.degree(), kept = limbs - rescale;
  const ring::Conversion& drop = context.drop_conversion(limbs, rescale, true);
  const std::size_t count = drop.sources().size();
  const auto& kernels = context.kernels();
  base::parallel_for(count, [&](std::size_t k) {
    kernels.ntt_inverse(x.limb(kept + k), context.basis().table(drop.sources()[k]), drop.factor(k));
  });
  ring::CoeffPoly overflow(context.resources(), n, 1);
  std::vector<const double*> dropped;
  for (std::size_t k = 0; k < count; ++k) dropped.push_back(x.limb(kept + k));
  drop.overflow(dropped.data(), overflow.limb(0));
  dropped.push_back(overflow.limb(0));
  base::parallel_for(kept, [&](std::size_t t) {
    ring::NttPoly converted(context.resources(), n, 1);
    double* to = converted.limb(0);
    drop.convert(dropped.data(), true, std::span(&t, 1), &to);
    context.basis().forward(to, t);
    kernels.subtract_multiply(x.limb(t), x.limb(t), to, drop.inverse(t), n, context.basis().modulus(t));
  });
  x.drop_to(kept);
  return x;
}

void require_limbs(const Context& context, const SwitchKey& key, std::size_t limbs, const char* who) {
  OBSCURA_CHECK(key.body.size() >= context.digits(limbs), "{}: a key of {} digits, {} are needed", who, key.body.size(),
                context.digits(limbs));
  OBSCURA_CHECK(key.body.front().limb(limbs - 1) != nullptr, "{}: the key was made for fewer than {} limbs", who,
                limbs);
}

std::size_t primes_together(std::size_t degree) { return std::clamp<std::size_t>(degree >> 14, 1, 4); }

namespace {

/// The state of one term: accumulators at the primes that the division drops, with their overflow behind them.
struct Dropped {
  ring::CoeffPoly parts[2];
  std::vector<const double*> rows[2];
};

class Switching {
 public:
  Switching(const Context& context, const SwitchKey& key, const std::vector<SwitchTerm>& terms, std::size_t rescale)
      : context_(context),
        kernels_(context.kernels()),
        key_(key),
        terms_(terms),
        n_(context.degree()),
        limbs_(terms.front().digits->limbs()),
        kept_(limbs_ - rescale),
        drop_(context.drop_conversion(limbs_, rescale, true)),
        dropped_(terms.size()) {
    for (const SwitchTerm& term : terms) {
      OBSCURA_CHECK(term.digits->limbs() == limbs_, "key switch: {} limbs vs {}", term.digits->limbs(), limbs_);
    }
    require_limbs(context, key, limbs_, "key switch");
    const std::size_t count = drop_.sources().size();
    for (Dropped& state : dropped_) {
      for (int part = 0; part < 2; ++part) {
        state.parts[part] = ring::CoeffPoly(context.resources(), n_, count + 1);
        for (std::size_t k = 0; k <= count; ++k) state.rows[part].push_back(state.parts[part].limb(k));
      }
    }
  }

  std::vector<std::vector<ring::NttPoly>> run() {
    const std::size_t count = drop_.sources().size();
    std::vector<std::vector<ring::NttPoly>> out(terms_.size());
    for (auto& parts : out) {
      for (int part = 0; part < 2; ++part) parts.emplace_back(context_.resources(), n_, kept_);
    }
    const std::size_t together = primes_together(n_);
    base::parallel_for((count + kept_ + together - 1) / together, [&](std::size_t task) {
      sum_primes(task * together, std::min(count + kept_, (task + 1) * together), out);
    });
    base::parallel_for(2 * terms_.size(), [&](std::size_t i) {
      Dropped& state = dropped_[i / 2];
      drop_.overflow(state.rows[i % 2].data(), state.parts[i % 2].limb(count));
    });
    base::parallel_for(2 * terms_.size() * kept_, [&](std::size_t task) {
      const std::size_t t = task / (2 * terms_.size()), i = task / 2 % terms_.size(), part = task % 2;
      divide(t, dropped_[i].rows[part], out[i][part].limb(t));
    });
    return out;
  }

 private:
  /// Both sums at the primes [first, last), counted from those that the division drops, which go to coefficients.
  void sum_primes(std::size_t first, std::size_t last, std::vector<std::vector<ring::NttPoly>>& out) {
    const std::size_t count = drop_.sources().size();
    std::vector<std::size_t> primes;
    for (std::size_t k = first; k < last; ++k) primes.push_back(k < count ? drop_.sources()[k] : k - count);
    ring::NttPoly scratch(context_.resources(), n_, primes.size() * key_.body.size());
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      const auto rows = terms_[i].digits->rows(primes, scratch);
      for (std::size_t k = first; k < last; ++k) {
        for (int part = 0; part < 2; ++part) {
          const std::size_t t = primes[k - first];
          double* sum = k < count ? dropped_[i].parts[part].limb(k) : out[i][static_cast<std::size_t>(part)].limb(t);
          accumulate(terms_[i], part, t, rows[k - first], sum);
          if (k < count) kernels_.ntt_inverse(sum, context_.basis().table(t), drop_.factor(k));
        }
      }
    }
  }

  /// sum <- (sum - dropped) / product of the dropped primes, at a prime that stays.
  void divide(std::size_t t, const std::vector<const double*>& dropped, double* sum) const {
    ring::NttPoly converted(context_.resources(), n_, 1);
    double* to = converted.limb(0);
    drop_.convert(dropped.data(), true, std::span(&t, 1), &to);
    context_.basis().forward(converted.limb(0), t);
    kernels_.subtract_multiply(sum, sum, converted.limb(0), drop_.inverse(t), n_, context_.basis().modulus(t));
  }

  /// out = <digits, key> + P * add mod basis prime t.
  void accumulate(const SwitchTerm& term, int part, std::size_t t, const std::vector<const double*>& rows,
                  double* out) const {
    std::vector<const double*> key_rows;
    for (std::size_t d = 0; d < rows.size(); ++d) {
      key_rows.push_back(part == 0 ? key_.body[d].limb(t) : key_.uniform.limb(d, t));
    }
    const auto& m = context_.basis().modulus(t);
    kernels_.inner_product(out, rows.data(), key_rows.data(), rows.size(), n_, m);
    if (t >= context_.chain_limbs() || term.add[part] == nullptr) return;
    kernels_.multiply_scalar_add(out, term.add[part]->limb(t), context_.special_product(t), n_, m);
  }

  const Context& context_;
  const kernels::Kernels& kernels_;
  const SwitchKey& key_;
  const std::vector<SwitchTerm>& terms_;
  std::size_t n_, limbs_, kept_;
  const ring::Conversion& drop_;
  std::vector<Dropped> dropped_;
};

}  // namespace

std::vector<std::vector<ring::NttPoly>> switch_many(const Context& context, const SwitchKey& key,
                                                    const std::vector<SwitchTerm>& terms, std::size_t rescale) {
  OBSCURA_CHECK(!terms.empty(), "key switch of nothing");
  return Switching(context, key, terms, rescale).run();
}

}  // namespace obscura::ckks
