// SPDX-License-Identifier: Apache-2.0
/// Hybrid key switching (Han, Ki: ePrint 2019/688, section 3), for ckks/evaluator.cpp: a polynomial is cut into digits,
/// the digits are raised to all primes, multiplied with a key, and the sum is divided by P and by what a rescale drops.
#pragma once

#include <span>
#include <vector>

#include "ckks/context.h"
#include "ckks/values.h"

namespace obscura::ckks {

/// The digits of one polynomial, as coefficients ready for conversion.
/// cost    one inverse NTT for each limb
class Decomposition {
 public:
  Decomposition(const Context& context, const ring::NttPoly& poly);

  std::size_t limbs() const { return poly_->limbs(); }
  std::size_t digits() const { return digits_; }

  /// Pointers to all digits modulo each of the basis primes `targets`, NTT form, [target][digit]: written to `scratch`
  /// (targets * digits limbs), or the polynomial's own limb where a digit holds the prime; stored rows where raise_all
  /// ran.
  /// cost    for a target digits - 1 or digits conversions and NTTs
  std::vector<std::vector<const double*>> rows(std::span<const std::size_t> targets, ring::NttPoly& scratch) const;
  /// Keeps the raised digits, for several keys (hoisting: Halevi, Shoup: ePrint 2018/244, section 5).
  /// cost    digits * (limbs + special) limbs of memory
  void raise_all();

 private:
  const Context* context_;
  const ring::NttPoly* poly_;
  std::size_t digits_;
  ring::CoeffPoly coefficients_;
  std::vector<ring::NttPoly> raised_;  ///< [basis prime], digits limbs each; empty where not raised
};

/// Consecutive primes whose conversions share one reading of their sources: more where limbs outgrow the cache.
std::size_t primes_together(std::size_t degree);

/// The Galois key of a rotation; ContractError names the step where it is absent.
const SwitchKey& rotation_key(const Context& context, const EvalKeys& keys, std::int64_t step);

/// An extended polynomial has `limbs` chain limbs and then all special primes as rows: the basis prime of a row.
std::size_t extended_prime(const Context& context, std::size_t limbs, std::size_t row);

/// An extended polynomial divided by P and by the product of its last `rescale` chain primes, rounded; limbs - rescale
/// limbs.
/// cost    special + rescale inverse and limbs - rescale forward NTTs; all cores
ring::NttPoly divide_extended(const Context& context, ring::NttPoly x, std::size_t limbs, std::size_t rescale);

/// ContractError where a key was made for fewer limbs; `who` begins the sentence.
void require_limbs(const Context& context, const SwitchKey& key, std::size_t limbs, const char* who);

/// One polynomial to switch, with what is added to the result: parts 0 and 1 of a ciphertext, or none.
struct SwitchTerm {
  const Decomposition* digits = nullptr;
  const ring::NttPoly* add[2] = {nullptr, nullptr};
};

/// For each term: the two parts (<digits, key> / P + add) / (product of the last `rescale` chain primes), rounded once.
/// Terms have equal limbs. For each prime the key's rows are read once for all terms.
/// threads  all cores, over primes
std::vector<std::vector<ring::NttPoly>> switch_many(const Context& context, const SwitchKey& key,
                                                    const std::vector<SwitchTerm>& terms, std::size_t rescale);

}  // namespace obscura::ckks
