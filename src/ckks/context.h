// SPDX-License-Identifier: Apache-2.0
/// Parameters with everything precomputed from them: the RNS basis with its NTT tables, conversions, the encoder.
#pragma once

#include <memory>

#include "ckks/encoder.h"
#include "ckks/params.h"
#include "ring/automorphism.h"
#include "ring/basis.h"
#include "ring/convert.h"

namespace obscura::ckks {

using ring::Resources;

/// Immutable; shared by all threads. Chain primes are limbs 0 .. chain_limbs()-1 of the basis, special primes follow.
class Context {
 public:
  /// Contexts of the same resources share NTT tables and memory; on others they share nothing.
  static std::shared_ptr<const Context> make(const Params& params,
                                             std::shared_ptr<Resources> resources = Resources::make());
  const Params& params() const { return params_; }
  const ring::Basis& basis() const { return basis_; }
  const std::shared_ptr<Resources>& resources() const { return basis_.resources(); }
  const kernels::Kernels& kernels() const { return basis_.kernels(); }
  const Encoder& encoder() const { return encoder_; }
  const ring::Automorphisms& automorphisms() const { return automorphisms_; }
  std::size_t degree() const { return params_.degree(); }
  std::size_t chain_limbs() const { return params_.chain_limbs(); }
  std::size_t special_limbs() const { return params_.special_limbs(); }
  /// Key-switching digits of a polynomial of `limbs` limbs.
  std::size_t digits(std::size_t limbs) const;
  /// First limb of a digit, and one past its last at `limbs` limbs.
  std::size_t digit_begin(std::size_t digit) const;
  std::size_t digit_end(std::size_t digit, std::size_t limbs) const;
  /// Out of the limbs of a digit of a polynomial of `limbs` limbs.
  const ring::Conversion& digit_conversion(std::size_t digit, std::size_t limbs) const;
  /// Out of the last `rescale` of `limbs` chain limbs, and the special primes where `with_special`: what a division
  /// drops. rescale is at most kMaxRescale, and not 0 unless with_special.
  const ring::Conversion& drop_conversion(std::size_t limbs, std::size_t rescale, bool with_special) const;
  /// P mod q_i, reduced.
  double special_product(std::size_t i) const { return special_products_[i]; }
  /// 5^step mod 2N (4N in the conjugate-invariant ring), the power of X -> X^k that rotates slots left by `step`.
  std::uint64_t galois_element(std::int64_t step) const;

  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  Context(const Params& params, std::shared_ptr<Resources> resources);
  Params params_;
  ring::Basis basis_;
  Encoder encoder_;
  ring::Automorphisms automorphisms_;
  std::vector<double> special_products_;
  std::vector<std::vector<ring::Conversion>> digit_conversions_;              ///< [limbs - 1][digit]
  std::vector<std::vector<std::vector<ring::Conversion>>> drop_conversions_;  ///< [with_special][limbs - 1][rescale]
};

}  // namespace obscura::ckks
