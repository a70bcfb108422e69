// SPDX-License-Identifier: Apache-2.0
/// Limbs, scales, predicted errors and times of a circuit for one choice of parameters.
///
/// Transforms: each is followed by a division by one prime, as is a square; the last transforms are not, and the logits
/// keep the limbs that are left. What enters a transform has the scale s at which its largest number is encoded as
/// 2^log2_scale. Before the squares of an activation the scale is what they bring there: with primes q, q' it is
/// sqrt(q s), or for two squares sqrt(q sqrt(q' s)). A transform's diagonals have the scale that leads there exactly.
/// All that a sum adds comes to it at one scale. Polynomials start from a scale near the primes that they drop. With
/// bootstrapping all values that transforms read are at most 1 and have one scale.
///
/// Integer matrices between ciphertexts multiply the scale by that of their weights. Scales go from the last modulus
/// backwards, and of several readers the first that is on the path of first branches decides; then forwards, exactly.
#pragma once

#include <cmath>

#include "compile/layout/choice.h"
#include "compile/schedule/splits.h"

namespace obscura::compile {

struct Schedule {
  Choice choice;
  double input_scale = 0;
  std::uint32_t limbs = 0;              ///< of the input
  std::vector<plan::ValueInfo> values;  ///< of each operation
  WeightScales weight_scales;           ///< of integer matrices, with those that are matched
  std::vector<double> plain_scales;     ///< of each operation that is a transform
  /// Of each operation that is a polynomial, its work level by level.
  std::vector<std::vector<ckks::PolynomialLevelCost>> polynomials;
  std::vector<double> nanoseconds;  ///< of each operation, predicted
  std::vector<std::shared_ptr<const ckks::TransformShape>> shapes;
  plan::KeyRequest keys;  ///< Galois keys
  double logit_error = 0;
  double noise_std = 0;  ///< the part of it that depends on the key
  double total_nanoseconds() const;
};

/// Instead of the largest of values that are always 0.
inline constexpr double kSmallest = 0x1p-30;
/// Of slots that are encoded; the encoder's bound is 2^62.
inline constexpr double kMaxLog2Coefficient = 60;

/// Limbs and scales; nothing where a polynomial does not fit its limbs. Of a matched map `weights` has the largest
/// scale that it may have; where its sum's is higher still, its output is added several times.
std::optional<Schedule> solve_scales(const Trial& trial, const WeightScales& weights = {});

/// Whether everything that is encoded and every value fits its modulus, and none lies below its noise.
bool fits(const Trial& trial, const Schedule& schedule);

/// Predicted errors: encryption, key switching, rounding (ckks/noise.h), polynomials and bootstrapping through the
/// measured derivatives, and `rounding`, the mean squared effect of rounded weights at each point; or none. All but
/// what is rounded alone make noise_std.
void predict_errors(const Trial& trial, const std::vector<double>& rounding, Schedule& schedule);

/// Predicted times.
void predict_times(const Trial& trial, Schedule& schedule);

/// All of that, of a circuit without integer matrices; nothing where it does not fit, or takes more than this.
std::optional<Schedule> evaluate(const Trial& trial, double most_nanoseconds = HUGE_VAL);

/// Limbs and parts are those of the circuit, scales and errors are finite and above 0.
/// errors  bad_format, naming the operation
Result<void> verify(const Circuit& circuit, const Schedule& schedule);

/// One line for each operation: limbs, parts, scale, largest value, predicted error and time.
std::string to_text(const Circuit& circuit, const Schedule& schedule);

}  // namespace obscura::compile
