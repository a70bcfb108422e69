// SPDX-License-Identifier: Apache-2.0
#include "ckks/params.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/integers.h"

namespace obscura::ckks {

namespace {

using kernels::multiply_mod;
using kernels::power_mod;

/// Toy rings start where the kernels do.
constexpr int kMinToyLog2Degree = 9;

}  // namespace

bool is_prime(std::uint64_t n) {
  if (n < 2 || n % 2 == 0) return n == 2;
  const int twos = std::countr_zero(n - 1);
  // These bases decide every n < 2^64 (Sorenson, Webster 2015).
  for (const std::uint64_t base : {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37}) {
    if (n % base == 0) return n == base;
    std::uint64_t x = power_mod(base, (n - 1) >> twos, n);
    bool witness = x != 1 && x != n - 1;
    for (int i = 1; i < twos && witness; ++i) {
      x = multiply_mod(x, x, n);
      witness = x != n - 1;
    }
    if (witness) return false;
  }
  return true;
}

double max_log2_qp(int log2_degree) {
  // Ternary secret, 128-bit classical: Bossuat et al., "Security Guidelines for Implementing Homomorphic Encryption"
  // (2024), after the HomomorphicEncryption.org standard (2018).
  switch (log2_degree) {
    case 12:
      return 106;
    case 13:
      return 214;
    case 14:
      return 430;
    case 15:
      return 868;
    case 16:
      return 1747;
    case 17:
      return 3523;
    default:
      return 0;
  }
}

double log2_qp(const ParamsLiteral& literal) {
  double bits = 0;
  for (const std::uint64_t q : literal.chain) bits += std::log2(static_cast<double>(q));
  for (const std::uint64_t q : literal.special) bits += std::log2(static_cast<double>(q));
  return bits;
}

Result<Params> Params::make(ParamsLiteral literal) {
  OBSCURA_TRY(Params params, validate(std::move(literal), kMinLog2Degree));
  const double limit = max_log2_qp(params.literal_.log2_degree);
  if (params.log2_qp() > limit) {
    return error(Code::wrong_params,
                 "parameters are not 128-bit secure: log2(QP) = {:.1f} at N = 2^{}, at most {} is allowed",
                 params.log2_qp(), params.literal_.log2_degree, limit);
  }
  return params;
}

Result<Params> Params::insecure_for_tests(ParamsLiteral literal) {
  return validate(std::move(literal), kMinToyLog2Degree);
}

Params Params::one_digit(std::size_t special) const {
  OBSCURA_CHECK(special >= 1 && special <= special_limbs(), "{} special primes of {}", special, special_limbs());
  ParamsLiteral literal = literal_;
  literal.special.resize(special);
  literal.digit_limbs = static_cast<int>(chain_limbs());
  return Params(std::move(literal));
}

Result<Params> Params::validate(ParamsLiteral literal, int min_log2_degree) {
  if (literal.log2_degree < min_log2_degree || literal.log2_degree > kMaxLog2Degree) {
    return error(Code::wrong_params, "ring degree 2^{}, 2^{} .. 2^{} are allowed", literal.log2_degree, min_log2_degree,
                 kMaxLog2Degree);
  }
  if (literal.ring != RingType::standard && literal.ring != RingType::conjugate_invariant) {
    return error(Code::wrong_params, "ring {}, 0 (standard) and 1 (conjugate-invariant) are allowed",
                 static_cast<int>(literal.ring));
  }
  if (literal.chain.empty() || literal.special.empty() || literal.chain.size() + literal.special.size() > kMaxPrimes) {
    return error(Code::wrong_params,
                 "{} chain and {} special primes, at least 1 each and at most {} in all are allowed",
                 literal.chain.size(), literal.special.size(), kMaxPrimes);
  }
  std::vector<std::uint64_t> all = literal.chain;
  all.insert(all.end(), literal.special.begin(), literal.special.end());
  for (const std::uint64_t q : all) {
    const int bits = static_cast<int>(std::bit_width(q));
    if (bits < kMinPrimeBits || bits > kMaxPrimeBits) {
      return error(Code::wrong_params, "modulus {} has {} bits, {} .. {} are allowed", q, bits, kMinPrimeBits,
                   kMaxPrimeBits);
    }
    if (q % (std::uint64_t{1} << literal.log2_root_order()) != 1 || !is_prime(q)) {
      return error(Code::wrong_params, "modulus {} is not a prime = 1 mod 2^{}", q, literal.log2_root_order());
    }
  }
  std::sort(all.begin(), all.end());
  if (std::adjacent_find(all.begin(), all.end()) != all.end()) {
    return error(Code::wrong_params, "a modulus stands twice in the parameters");
  }
  const auto alpha = static_cast<std::size_t>(std::max(literal.digit_limbs, 0));
  if (alpha < 1 || alpha > literal.chain.size() || alpha > literal.special.size()) {
    return error(Code::wrong_params, "digits of {} limbs, 1 .. {} are allowed here", literal.digit_limbs,
                 std::min(literal.chain.size(), literal.special.size()));
  }
  double special_bits = 0;
  for (const std::uint64_t q : literal.special) special_bits += std::log2(static_cast<double>(q));
  for (std::size_t first = 0; first < literal.chain.size(); first += alpha) {
    double digit_bits = 0;
    for (std::size_t i = first; i < std::min(first + alpha, literal.chain.size()); ++i) {
      digit_bits += std::log2(static_cast<double>(literal.chain[i]));
    }
    // A prime just below a power of two may stand on either side; half a bit only adds noise that the model counts.
    if (digit_bits > special_bits + 0.5) {
      return error(Code::wrong_params, "a digit of {:.1f} bits is larger than the special modulus of {:.1f} bits",
                   digit_bits, special_bits);
    }
  }
  return Params(std::move(literal));
}

std::string_view name_of(RingType ring) { return ring == RingType::standard ? "standard" : "conjugate-invariant"; }

Result<std::vector<std::uint64_t>> make_primes(int log2_degree, int bits, std::size_t count,
                                               const std::vector<std::uint64_t>& taken, RingType ring) {
  OBSCURA_CHECK(bits >= kMinPrimeBits && bits <= kMaxPrimeBits, "primes of {} bits", bits);
  const int log2_step = log2_degree + (ring == RingType::standard ? 1 : 2);
  const std::uint64_t step = std::uint64_t{1} << log2_step;
  std::vector<std::uint64_t> primes;
  for (std::uint64_t p = (std::uint64_t{1} << bits) - step + 1; primes.size() < count; p -= step) {
    if (p < (std::uint64_t{1} << (bits - 1))) {
      return error(Code::infeasible, "only {} of {} primes of {} bits exist that are 1 mod 2^{}", primes.size(), count,
                   bits, log2_step);
    }
    if (is_prime(p) && std::find(taken.begin(), taken.end(), p) == taken.end()) primes.push_back(p);
  }
  return primes;
}

}  // namespace obscura::ckks
