// SPDX-License-Identifier: Apache-2.0
/// CKKS parameters: written by anyone as a ParamsLiteral, usable only as a validated Params.
#pragma once

#include <cstdint>
#include <vector>

#include "base/check.h"

namespace obscura::ckks {

inline constexpr int kMinLog2Degree = 12;
inline constexpr int kMaxLog2Degree = 17;
/// Primes are below 2^50, so that residues held as doubles multiply exactly (kernels/kernels.h).
inline constexpr int kMaxPrimeBits = 50;
inline constexpr int kMinPrimeBits = 30;
inline constexpr std::size_t kMaxPrimes = 96;
/// Limbs that one division may drop.
inline constexpr std::size_t kMaxRescale = 3;

/// What a parameter set is, before anyone checked it.
struct ParamsLiteral {
  int log2_degree = 0;                 ///< N = 2^log2_degree
  std::vector<std::uint64_t> chain;    ///< q_0 .. q_L: q_0 stays to the end, the last is rescaled away first
  std::vector<std::uint64_t> special;  ///< P: the primes of key switching
  int digit_limbs = 1;                 ///< alpha: limbs in a key-switching digit; product of a digit <= product of P
  bool operator==(const ParamsLiteral&) const = default;
};

/// Largest log2(QP) at 128-bit classical security, uniform ternary secret, sigma = 3.2:
/// 2^12: 106, 2^13: 214, 2^14: 430, 2^15: 868, 2^16: 1747, 2^17: 3523 (Bossuat et al., Security Guidelines for
/// Implementing Homomorphic Encryption, 2024).
double max_log2_qp(int log2_degree);

/// sum of log2 of all primes, chain and special.
double log2_qp(const ParamsLiteral& literal);

/// A validated parameter set. The only ways in are make(), which always enforces the 128-bit gate, and
/// insecure_for_tests(), which only tests may call (tools/check_layers.py holds src/ to that).
class Params {
 public:
  /// errors (wrong_params): degree outside 2^12 .. 2^17; a modulus that is not a prime = 1 mod 2N, repeated, or
  /// outside 30 .. 50 bits; no chain or no special prime; a digit larger than P; log2(QP) above the gate.
  static Result<Params> make(ParamsLiteral literal);
  /// Any power-of-two degree from 2^4; no gate.
  static Result<Params> insecure_for_tests(ParamsLiteral literal);

  /// The same chain with the first `special` of the special primes, and one digit of all limbs: for switching
  /// polynomials that are smaller than those special primes' product, whatever their limbs. QP is smaller: as secure.
  Params one_digit(std::size_t special) const;

  const ParamsLiteral& literal() const { return literal_; }
  std::size_t degree() const { return std::size_t{1} << literal_.log2_degree; }
  std::size_t slots() const { return degree() / 2; }
  std::size_t chain_limbs() const { return literal_.chain.size(); }
  std::size_t special_limbs() const { return literal_.special.size(); }
  double log2_qp() const { return ckks::log2_qp(literal_); }
  bool operator==(const Params&) const = default;

 private:
  explicit Params(ParamsLiteral literal) : literal_(std::move(literal)) {}
  static Result<Params> validate(ParamsLiteral literal, int min_log2_degree);
  ParamsLiteral literal_;
};

/// The `count` largest primes p = 1 (mod 2N) below 2^bits that are not in `taken`, descending; deterministic.
/// errors (infeasible): fewer exist above 2^(bits-1).
Result<std::vector<std::uint64_t>> make_primes(int log2_degree, int bits, std::size_t count,
                                               const std::vector<std::uint64_t>& taken);
bool is_prime(std::uint64_t n);

}  // namespace obscura::ckks
