// SPDX-License-Identifier: Apache-2.0
/// Parameters with everything precomputed from them: the RNS basis with its NTT tables, conversions, the encoder.
#pragma once

#include <memory>

#include "ckks/encoder.h"
#include "ckks/params.h"
#include "ring/basis.h"

namespace obscura::ckks {

/// Immutable; shared by all threads. Chain primes are limbs 0 .. chain_limbs()-1 of the basis, special primes follow.
class Context {
 public:
  static std::shared_ptr<const Context> make(const Params& params);
  const Params& params() const { return params_; }
  const ring::Basis& basis() const { return basis_; }
  const Encoder& encoder() const { return encoder_; }
  std::size_t degree() const { return params_.degree(); }
  std::size_t chain_limbs() const { return params_.chain_limbs(); }
  std::size_t special_limbs() const { return params_.special_limbs(); }
  /// Key-switching digits of a polynomial of `limbs` limbs.
  std::size_t digits(std::size_t limbs) const;

 private:
  explicit Context(const Params& params);
  Params params_;
  ring::Basis basis_;
  Encoder encoder_;
};

}  // namespace obscura::ckks
