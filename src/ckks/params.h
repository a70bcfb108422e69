// SPDX-License-Identifier: Apache-2.0
/// CKKS parameters: written by anyone as a ParamsLiteral, usable only as a validated Params.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "ring/basis.h"

namespace obscura::ckks {

using ring::RingType;

inline constexpr int kMinLog2Degree = 12;
inline constexpr int kMaxLog2Degree = 17;
/// Primes are below 2^50, so that residues held as doubles multiply exactly (kernels/kernels.h).
inline constexpr int kMaxPrimeBits = 50;
inline constexpr int kMinPrimeBits = 30;
inline constexpr std::size_t kMaxPrimes = 96;
/// Limbs that one division may drop.
inline constexpr std::size_t kMaxRescale = 3;

/// Of a ciphertext: N/2 complex ones, or in the conjugate-invariant ring N real ones.
constexpr std::size_t slots_of(int log2_degree, RingType ring) {
  return std::size_t{1} << (log2_degree - (ring == RingType::standard ? 1 : 0));
}

/// What a parameter set is, before anyone checked it.
struct ParamsLiteral {
  int log2_degree = 0;                 ///< N = 2^log2_degree
  std::vector<std::uint64_t> chain;    ///< q_0 .. q_L: q_0 stays to the end, the last is rescaled away first
  std::vector<std::uint64_t> special;  ///< P: the primes of key switching
  int digit_limbs = 1;                 ///< alpha: limbs in a key-switching digit; product of a digit <= product of P
  RingType ring = RingType::standard;
  bool operator==(const ParamsLiteral&) const = default;

  std::size_t slots() const { return slots_of(log2_degree, ring); }
  /// Log2 of what primes are 1 modulo: 2N, or 4N.
  int log2_root_order() const { return log2_degree + (ring == RingType::standard ? 1 : 2); }
};

/// Largest log2(QP) at 128-bit classical security, uniform ternary secret, sigma = 3.2:
/// 2^12: 106, 2^13: 214, 2^14: 430, 2^15: 868, 2^16: 1747, 2^17: 3523 (Bossuat et al., Security Guidelines for
/// Implementing Homomorphic Encryption, 2024). The same for both rings of degree N (docs/SECURITY.md says why).
double max_log2_qp(int log2_degree);

/// sum of log2 of all primes, chain and special.
double log2_qp(const ParamsLiteral& literal);

/// A validated parameter set. The only ways in are make(), which always enforces the 128-bit gate, and
/// insecure_for_tests(), which only tests may call (tools/check_layers.py holds src/ to that).
class Params {
 public:
  /// errors (wrong_params): degree outside 2^12 .. 2^17; a modulus that is not a prime = 1 mod 2N (4N), repeated, or
  /// outside 30 .. 50 bits; no chain or no special prime; a digit larger than P; log2(QP) above the gate.
  static Result<Params> make(ParamsLiteral literal);
  /// Any power-of-two degree from 2^4; no gate.
  static Result<Params> insecure_for_tests(ParamsLiteral literal);

  /// The same chain with the first `special` of the special primes, and one digit of all limbs: for switching
  /// polynomials that are smaller than those special primes' product, whatever their limbs. QP is smaller: as secure.
  Params one_digit(std::size_t special) const;

  const ParamsLiteral& literal() const { return literal_; }
  std::size_t degree() const { return std::size_t{1} << literal_.log2_degree; }
  RingType ring() const { return literal_.ring; }
  std::size_t slots() const { return literal_.slots(); }
  std::size_t chain_limbs() const { return literal_.chain.size(); }
  std::size_t special_limbs() const { return literal_.special.size(); }
  double log2_qp() const { return ckks::log2_qp(literal_); }
  bool operator==(const Params&) const = default;

 private:
  explicit Params(ParamsLiteral literal) : literal_(std::move(literal)) {}
  static Result<Params> validate(ParamsLiteral literal, int min_log2_degree);
  ParamsLiteral literal_;
};

/// "standard", "conjugate-invariant".
std::string_view name_of(RingType ring);

/// The `count` largest primes p = 1 (mod root order) below 2^bits that are not in `taken`, descending; deterministic.
/// errors (infeasible): fewer exist above 2^(bits-1).
Result<std::vector<std::uint64_t>> make_primes(int log2_degree, int bits, std::size_t count,
                                               const std::vector<std::uint64_t>& taken,
                                               RingType ring = RingType::standard);
bool is_prime(std::uint64_t n);

}  // namespace obscura::ckks
