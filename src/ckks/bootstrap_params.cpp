// SPDX-License-Identifier: Apache-2.0
#include "ckks/bootstrap_params.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

namespace obscura::ckks {

double max_log2_qp_sparse(int log2_degree, int weight) { return log2_degree == 16 && weight >= 32 ? 116 : 0; }

double log2_failure(int weight, int range, std::size_t count) {
  // P(|sum| >= K) <= 2 min_t exp(-K t) (sinh(t / 2) / (t / 2))^(weight + 1).
  double least = 0;
  for (double t = 0.25; t < 200; t += 0.25) {
    const double log_sinh = t / 2 + std::log1p(-std::exp(-t)) - std::log(2.0);
    least = std::min(least, (weight + 1) * (log_sinh - std::log(t / 2)) - range * t);
  }
  return 1 + least / std::log(2.0) + std::log2(static_cast<double>(count));
}

namespace {

/// ModRaise has a key for each repetition of the slots, and sums them at once (kernels::kMaxTerms).
constexpr int kMaxLog2Gap = 4;

std::size_t cosine_levels(const BootstrapLiteral& literal) {
  return std::bit_width(static_cast<unsigned>(literal.cosine_degree));
}

bool factors_are_whole(const std::vector<int>& factors, int layers) {
  return !factors.empty() && std::all_of(factors.begin(), factors.end(), [](int k) { return k >= 1 && k <= 8; }) &&
         std::accumulate(factors.begin(), factors.end(), 0) == layers;
}

Result<void> check(const BootstrapLiteral& literal) {
  if (literal.log2_slots < std::max(1, literal.log2_degree - 1 - kMaxLog2Gap) ||
      literal.log2_slots >= literal.log2_degree) {
    return error(Code::wrong_params, "bootstrapping of 2^{} slots at N = 2^{}, N/{} .. N/2 are allowed",
                 literal.log2_slots, literal.log2_degree, 2 << kMaxLog2Gap);
  }
  if (!factors_are_whole(literal.coeff_to_slot, literal.log2_slots) ||
      !factors_are_whole(literal.slot_to_coeff, literal.log2_slots)) {
    return error(Code::wrong_params, "bootstrapping: factors of 1 .. 8 levels each that sum to {} are needed",
                 literal.log2_slots);
  }
  if (literal.cosine_degree < 4 || literal.cosine_degree % 2 != 0 ||
      literal.cosine_degree > static_cast<int>(kMaxPolynomialDegree)) {
    return error(Code::wrong_params, "bootstrapping: a cosine of degree {}, even ones from 4 to {} are allowed",
                 literal.cosine_degree, kMaxPolynomialDegree - 1);
  }
  if (literal.double_angles < 0 || literal.double_angles > 8 || literal.wide_angles < 0 ||
      literal.wide_angles > literal.double_angles || literal.range < 2 || literal.range > 1024 || literal.levels < 1 ||
      literal.levels > 64 || literal.special < 1 || literal.special > 32 || literal.log2_ratio < 2 ||
      literal.log2_ratio >= literal.base_bits - 20 || literal.weight < 1) {
    return error(Code::wrong_params, "bootstrapping: a field is out of its range");
  }
  for (const int bits : {literal.base_bits, literal.level_bits, literal.wide_bits, literal.angle_bits,
                         literal.coeff_to_slot_bits, literal.slot_to_coeff_bits, literal.special_bits}) {
    if (bits < kMinPrimeBits || bits > kMaxPrimeBits) {
      return error(Code::wrong_params, "bootstrapping: primes of {} bits, {} .. {} are allowed", bits, kMinPrimeBits,
                   kMaxPrimeBits);
    }
  }
  return {};
}

/// So many factors that take all levels of the FFT, the longer ones first.
std::vector<int> factors(int layers, int count) {
  std::vector<int> out;
  for (; count > 0; --count) {
    out.push_back((layers + count - 1) / count);
    layers -= out.back();
  }
  return out;
}

/// Takes primes, each once.
class Primes {
 public:
  explicit Primes(int log2_degree) : log2_degree_(log2_degree) {}
  Result<void> take(int bits, std::size_t count, std::vector<std::uint64_t>& into) {
    OBSCURA_TRY(const auto primes, make_primes(log2_degree_, bits, count, taken_));
    taken_.insert(taken_.end(), primes.begin(), primes.end());
    into.insert(into.end(), primes.begin(), primes.end());
    return {};
  }

 private:
  int log2_degree_;
  std::vector<std::uint64_t> taken_;
};

/// Bits that the special primes of ModRaise's keys have more than q_0: their noise is then far below rounding's.
constexpr double kRaiseBits = 16;

Params raise_params(const Params& params) {
  double bits = -std::log2(static_cast<double>(params.literal().chain.front()));
  std::size_t special = 0;
  while (bits < kRaiseBits && special < params.special_limbs()) {
    bits += std::log2(static_cast<double>(params.literal().special[special++]));
  }
  return params.one_digit(special);
}

}  // namespace

BootstrapParams::BootstrapParams(BootstrapLiteral literal, Params params, Params sparse_params, BootstrapLimbs limbs)
    : literal_(std::move(literal)),
      params_(std::move(params)),
      sparse_params_(std::move(sparse_params)),
      raise_params_(ckks::raise_params(params_)),
      limbs_(limbs) {}

const std::vector<BootstrapLiteral>& BootstrapParams::demonstrated() {
  static const std::vector<BootstrapLiteral> sets = [] {
    std::vector<BootstrapLiteral> all;
    for (const bool deep : {false, true}) {
      for (const int log2_slots : {15, 14, 13, 12}) {
        BootstrapLiteral set;
        set.log2_degree = 16;
        set.log2_slots = log2_slots;
        set.coeff_to_slot = factors(log2_slots, 4);
        set.slot_to_coeff = factors(log2_slots, 3);
        std::reverse(set.slot_to_coeff.begin(), set.slot_to_coeff.end());
        if (deep) {  // levels at the price of two bits of precision
          set.levels = 14;
          set.level_bits = 34;
          set.slot_to_coeff_bits = 38;
          set.special = 12;
          set.special_bits = 37;
        }
        all.push_back(std::move(set));
      }
    }
    return all;
  }();
  return sets;
}

Result<BootstrapParams> BootstrapParams::make(const BootstrapLiteral& literal) {
  const auto& sets = demonstrated();
  if (std::find(sets.begin(), sets.end(), literal) == sets.end()) {
    return error(Code::wrong_params,
                 "bootstrapping: no test has shown this parameter set to be right; {} sets have been shown",
                 sets.size());
  }
  OBSCURA_TRY(BootstrapParams params, build(literal, Params::make));
  const double limit = max_log2_qp_sparse(literal.log2_degree, literal.weight);
  if (params.sparse_params_.log2_qp() > limit) {
    return error(Code::wrong_params,
                 "bootstrapping: keys under a secret of weight {} have log2(QP) = {:.1f}, at most {} is allowed",
                 literal.weight, params.sparse_params_.log2_qp(), limit);
  }
  return params;
}

Result<BootstrapParams> BootstrapParams::insecure_for_tests(const BootstrapLiteral& literal) {
  return build(literal, Params::insecure_for_tests);
}

Result<BootstrapParams> BootstrapParams::build(const BootstrapLiteral& literal, Result<Params> (*gate)(ParamsLiteral)) {
  OBSCURA_TRY_VOID(check(literal));
  Primes primes(literal.log2_degree);
  const auto count = [](int n) { return static_cast<std::size_t>(n); };
  const std::size_t wide = 2 * (cosine_levels(literal) + count(literal.wide_angles));
  ParamsLiteral ring, sparse;
  ring.log2_degree = sparse.log2_degree = literal.log2_degree;
  ring.digit_limbs = literal.special;
  BootstrapLimbs limbs;
  OBSCURA_TRY_VOID(primes.take(literal.base_bits, 1, ring.chain));
  OBSCURA_TRY_VOID(primes.take(literal.slot_to_coeff_bits, literal.slot_to_coeff.size(), ring.chain));
  limbs.input = ring.chain.size();
  OBSCURA_TRY_VOID(primes.take(literal.level_bits, count(literal.levels), ring.chain));
  limbs.output = ring.chain.size();
  OBSCURA_TRY_VOID(primes.take(literal.angle_bits, count(literal.double_angles - literal.wide_angles), ring.chain));
  OBSCURA_TRY_VOID(primes.take(literal.wide_bits, wide, ring.chain));
  limbs.eval_mod = ring.chain.size();
  OBSCURA_TRY_VOID(primes.take(literal.coeff_to_slot_bits, literal.coeff_to_slot.size(), ring.chain));
  limbs.raised = ring.chain.size();
  OBSCURA_TRY_VOID(primes.take(literal.special_bits, count(literal.special), ring.special));
  OBSCURA_TRY(Params params, gate(ring));
  sparse.chain.push_back(ring.chain.front());
  OBSCURA_TRY_VOID(primes.take(literal.base_bits, 1, sparse.special));
  OBSCURA_TRY(Params sparse_params, gate(sparse));
  return BootstrapParams(literal, std::move(params), std::move(sparse_params), limbs);
}

}  // namespace obscura::ckks
