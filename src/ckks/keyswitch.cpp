// SPDX-License-Identifier: Apache-2.0
/// relinearize: hybrid key switching with the rescale merged into its division. Target primes that the division drops
/// come first; then each remaining limb is finished while it is in the cache.
#include <algorithm>

#include "ckks/evaluator.h"

namespace obscura::ckks {

namespace {

class Relinearization {
 public:
  Relinearization(const Context& context, const SwitchKey& key, const Ciphertext& x, std::size_t rescale)
      : context_(context),
        kernels_(kernels::active()),
        key_(key),
        x_(x),
        n_(context.degree()),
        limbs_(x.limbs()),
        digits_(context.digits(limbs_)),
        drop_(context.drop_conversion(limbs_, rescale, true)),
        coefficients_(n_, limbs_),
        raised_(n_, digits_) {
    const std::size_t dropped = drop_.sources().size();
    for (ring::CoeffPoly& y : dropped_) {
      y = ring::CoeffPoly(n_, dropped + 1);  // then their overflow
    }
    for (std::size_t k = 0; k <= dropped; ++k) {
      for (int part = 0; part < 2; ++part) dropped_rows_[part].push_back(dropped_[part].limb(k));
    }
  }

  Ciphertext run(std::size_t rescale) {
    decompose();
    for (std::size_t k = 0; k < drop_.sources().size(); ++k) {
      const std::size_t t = drop_.sources()[k];
      for (int part = 0; part < 2; ++part) accumulate(part, t, dropped_[part].limb(k), part == 0);
      for (ring::CoeffPoly& y : dropped_) kernels_.ntt_inverse(y.limb(k), context_.basis().table(t), drop_.factor(k));
    }
    Ciphertext out;
    out.scale = x_.scale;
    for (std::size_t i = limbs_ - rescale; i < limbs_; ++i) out.scale /= static_cast<double>(context_.basis().prime(i));
    for (int part = 0; part < 2; ++part) {
      drop_.overflow(dropped_rows_[part].data(), dropped_[part].limb(drop_.sources().size()));
      out.parts.emplace_back(n_, limbs_ - rescale);
    }
    ring::NttPoly converted(n_, 1);
    for (std::size_t t = 0; t < limbs_ - rescale; ++t) {
      for (int part = 0; part < 2; ++part) {
        double* to = out.parts[static_cast<std::size_t>(part)].limb(t);
        accumulate(part, t, to, part == 0);
        drop_.convert(dropped_rows_[part].data(), true, t, converted.limb(0));
        context_.basis().forward(converted.limb(0), t);
        kernels_.subtract_multiply(to, to, converted.limb(0), drop_.inverse(t), n_, context_.basis().modulus(t));
      }
    }
    return out;
  }

 private:
  /// Coefficients of the part that is to be switched, with the factors of its digits' conversions.
  void decompose() {
    for (std::size_t d = 0; d < digits_; ++d) {
      const ring::Conversion& conversion = context_.digit_conversion(d, limbs_);
      for (std::size_t k = 0; k < conversion.sources().size(); ++k) {
        const std::size_t i = conversion.sources()[k];
        std::copy_n(x_.parts[2].limb(i), n_, coefficients_.limb(i));
        kernels_.ntt_inverse(coefficients_.limb(i), context_.basis().table(i), conversion.factor(k));
      }
    }
  }

  /// All digits modulo basis prime t, in NTT form. A digit that holds t is the part itself.
  void raise(std::size_t t) {
    rows_.clear();
    for (std::size_t d = 0; d < digits_; ++d) {
      const std::size_t first = context_.digit_begin(d), last = context_.digit_end(d, limbs_);
      if (t >= first && t < last) {
        rows_.push_back(x_.parts[2].limb(t));
        continue;
      }
      sources_.clear();
      for (std::size_t i = first; i < last; ++i) sources_.push_back(coefficients_.limb(i));
      context_.digit_conversion(d, limbs_).convert(sources_.data(), false, t, raised_.limb(d));
      context_.basis().forward(raised_.limb(d), t);
      rows_.push_back(raised_.limb(d));
    }
  }

  /// out = <digits, key> + P * x[part] mod basis prime t.
  void accumulate(int part, std::size_t t, double* out, bool raise_first) {
    if (raise_first) raise(t);
    const std::vector<ring::NttPoly>& polys = part == 0 ? key_.body : key_.uniform;
    key_rows_.clear();
    for (std::size_t d = 0; d < digits_; ++d) key_rows_.push_back(polys[d].limb(t));
    const auto& m = context_.basis().modulus(t);
    kernels_.inner_product(out, rows_.data(), key_rows_.data(), digits_, n_, m);
    if (t >= context_.chain_limbs()) return;
    kernels_.multiply_scalar_add(out, x_.parts[static_cast<std::size_t>(part)].limb(t), special_product(t), n_, m);
  }

  /// P mod q_t.
  double special_product(std::size_t t) const {
    const std::uint64_t q = context_.basis().prime(t);
    std::uint64_t product = 1;
    for (const std::uint64_t p : context_.params().literal().special) product = ring::multiply_mod(product, p % q, q);
    return ring::to_reduced(product, q);
  }

  const Context& context_;
  const kernels::Kernels& kernels_;
  const SwitchKey& key_;
  const Ciphertext& x_;
  std::size_t n_, limbs_, digits_;
  const ring::Conversion& drop_;
  ring::CoeffPoly coefficients_;
  ring::NttPoly raised_;
  ring::CoeffPoly dropped_[2];
  std::vector<const double*> dropped_rows_[2];
  std::vector<const double*> rows_, sources_, key_rows_;
};

}  // namespace

Ciphertext relinearize(const Context& context, const EvalKeys& keys, const Ciphertext& x, std::size_t rescale) {
  OBSCURA_CHECK(x.parts.size() == 3, "relinearize: {} parts, 3 are needed", x.parts.size());
  OBSCURA_CHECK(!keys.relinearization.empty(), "relinearize: the relinearisation key is absent");
  const SwitchKey& key = keys.relinearization.front();
  OBSCURA_CHECK(key.body.size() >= context.digits(x.limbs()), "relinearize: a key of {} digits, {} are needed",
                key.body.size(), context.digits(x.limbs()));
  return Relinearization(context, key, x, rescale).run(rescale);
}

}  // namespace obscura::ckks
