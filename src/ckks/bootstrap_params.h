// SPDX-License-Identifier: Apache-2.0
/// Parameters of bootstrapping: what the modulus is spent on, and what that gives. Arrow run -> ckks.
#pragma once

#include <string>
#include <vector>

#include "ckks/polyeval.h"

namespace obscura::ckks {

/// One prime after the other, from the lowest: base | slot_to_coeff | levels | angles | wide | coeff_to_slot. x is what
/// a coefficient of the raised polynomial is in units of q_0: a whole number I plus message / 2^log2_ratio.
struct BootstrapLiteral {
  int log2_degree = 0;
  /// n real slots, in a ring with N/2; fewer: cheaper transforms, and log2(N/2 / n) more key switches.
  int log2_slots = 0;

  // Depth that is left, and precision of the values that networks compute with.
  int base_bits = 50;   ///< q_0
  int levels = 8;       ///< rescales that are left for others, above those of the next SlotToCoeff
  int level_bits = 45;  ///< their primes

  // Failure. x is a sum of weight + 1 uniform numbers in +-1/2: beyond +-range nothing is promised.
  int weight = 32;  ///< non-zero coefficients of the sparse secret; security: max_log2_qp_sparse
  int range = 14;   ///< K; a higher one needs a higher cosine_degree or one more double angle

  // Precision. An error e of x is an error 2^log2_ratio e of a slot.
  /// q_0 over the scale of the message, whose slots are at most 1: the sine is x but for (2 pi / 2^log2_ratio)^2 / 6 of
  /// a slot's cube.
  int log2_ratio = 12;
  int cosine_degree = 30;  ///< even: cos(2 pi (x - 1/4) / 2^double_angles); ceil(log2(degree + 1)) levels
  int double_angles = 3;   ///< one level each; an error of the cosine grows 4 times at most with each
  int wide_angles = 1;     ///< the first so many of them have two primes a level, as the cosine
  int wide_bits = 30;      ///< of each of the two primes of a level
  int angle_bits = 50;     ///< of the other double angles' primes

  // Transforms: levels of the FFT that one factor takes, in the order of application; one prime each. A factor of k has
  // 2^(k+1) - 1 diagonals.
  std::vector<int> slot_to_coeff;
  int slot_to_coeff_bits = 45;
  std::vector<int> coeff_to_slot;
  int coeff_to_slot_bits = 50;

  // Key switching: as many special primes as limbs in a digit.
  int special = 10;
  int special_bits = 46;
  bool operator==(const BootstrapLiteral&) const = default;
};

/// Scales that bootstrapping starts from and ends at.
inline constexpr double kMinBootstrapScale = 0x1p20;
inline constexpr double kMaxBootstrapScale = 0x1p60;

/// Chain limbs at which each step starts.
struct BootstrapLimbs {
  std::size_t input = 0;     ///< what SlotToCoeff takes, down to 1
  std::size_t raised = 0;    ///< after ModRaise
  std::size_t eval_mod = 0;  ///< after CoeffToSlot
  std::size_t output = 0;    ///< input + levels
};

/// Largest log2(QP) at 128-bit security of a key under a ternary secret of `weight` non-zero coefficients; 0 where
/// nobody has said. Only the lowest prime and one special prime may ever meet such a secret. The 128-bit sets of
/// Bossuat, Troncoso-Pastoriza, Hubaux (ePrint 2022/024) have 121 bits at N = 2^16 and weight 32; the limit here is
/// below that.
double max_log2_qp_sparse(int log2_degree, int weight);

/// log2 of a bound on the chance that any of `count` coefficients leaves +-range: Chernoff's bound of a sum of weight +
/// 1 uniform numbers in +-1/2.
double log2_failure(int weight, int range, std::size_t count);

/// A validated set: the ring's parameters, and the small ones of the sparse secret.
class BootstrapParams {
 public:
  /// Sets that a test runs at full size; make() accepts these and no others.
  static const std::vector<BootstrapLiteral>& demonstrated();
  /// errors  wrong_params: a literal that is not one of demonstrated(), or what insecure_for_tests refuses, or a secret
  ///         below 128 bits; infeasible: too few primes.
  static Result<BootstrapParams> make(const BootstrapLiteral& literal);
  /// Any literal that can be evaluated; no gates. Only tests may call it.
  static Result<BootstrapParams> insecure_for_tests(const BootstrapLiteral& literal);

  const BootstrapLiteral& literal() const { return literal_; }
  const Params& params() const { return params_; }
  /// q_0 and one special prime: all that keys under the sparse secret are made of.
  const Params& sparse_params() const { return sparse_params_; }
  /// Of ModRaise's keys: what is raised is smaller than q_0, so that one digit and few special primes are enough.
  const Params& raise_params() const { return raise_params_; }
  const BootstrapLimbs& limbs() const { return limbs_; }
  std::size_t slots() const { return std::size_t{1} << literal_.log2_slots; }
  /// N/2 / n: how often the slots are repeated.
  std::size_t gap() const { return params_.slots() / slots(); }
  /// log2 of the chance that one bootstrapping gives garbage in some slot, at most.
  double log2_failure() const { return ckks::log2_failure(literal_.weight, literal_.range, slots()); }

 private:
  BootstrapParams(BootstrapLiteral literal, Params params, Params sparse_params, BootstrapLimbs limbs);
  static Result<BootstrapParams> build(const BootstrapLiteral& literal, Result<Params> (*gate)(ParamsLiteral));
  BootstrapLiteral literal_;
  Params params_, sparse_params_, raise_params_;
  BootstrapLimbs limbs_;
};

}  // namespace obscura::ckks
