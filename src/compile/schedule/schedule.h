// SPDX-License-Identifier: Apache-2.0
/// Limbs, scales, predicted errors and times of an ImageNetwork for one choice of parameters.
///
/// A transform and a square are each followed by a division by one prime; the last transforms are not, and the logits
/// keep the limbs that are left. All that a sum adds comes to it at one scale: each of its branches ends in a
/// transform, whose diagonals lead there. Scales: what enters a transform has the scale s at which its largest number
/// is encoded as 2^log2_scale. Before the squares of an activation stands the scale that they bring there: with primes
/// q, q' it is sqrt(q s), or for two squares sqrt(q sqrt(q' s)). A transform's diagonals have the scale that leads
/// there exactly. Polynomials start from a scale near the primes that they drop. With bootstrapping all values that
/// transforms read are at most 1 and have one scale.
#pragma once

#include "compile/layout/circuit.h"
#include "compile/measure/amplification.h"

namespace obscura::compile {

struct ImageChoice {
  int log2_degree = 0;
  int digit_limbs = 1;
  int final_bits = 0;  ///< of the primes that stay to the end
  int drop_bits = 0;   ///< of the primes that are dropped
  std::uint32_t final_limbs = 1;
  double log2_scale = 0;
  std::optional<plan::BootstrapSpec> bootstrap = {};
  double bootstrap_error = 0;        ///< of a slot, standard deviation
  double bootstrap_nanoseconds = 0;  ///< of one ciphertext
};

/// What judging needs besides the choice.
struct ImageSetting {
  const MonicNetwork* network = nullptr;
  const Statistics* statistics = nullptr;
  const Gains* gains = nullptr;
  CostModel cost;
  int headroom_bits = 0;                            ///< between the largest logit seen and the modulus
  double max_input = 1;                             ///< largest |pixel| after normalisation
  double max_error = 0;                             ///< of a logit
  double spread = 0;                                ///< of logits, which the error stands beside
  std::optional<std::uint64_t> max_key_bytes = {};  ///< of evaluation keys in the server's memory
  std::uint64_t memory = 0;                         ///< of the server, for everything
  /// What the networks that are judged have in common.
  std::shared_ptr<ImageStore> store = {};
  Report report = {};
};

struct ImageSchedule {
  ImageChoice choice;
  double input_scale = 0;
  std::uint32_t limbs = 0;              ///< of the input
  std::vector<plan::ValueInfo> values;  ///< of each step
  std::vector<double> plain_scales;     ///< of each step that is a transform
  std::vector<double> nanoseconds;      ///< of each step
  std::vector<std::shared_ptr<const ckks::TransformShape>> shapes;
  plan::KeyRequest keys;  ///< Galois keys
  double logit_error = 0;
  double noise_std = 0;  ///< the part of it that depends on the key
  double total_nanoseconds() const;
};

/// Steps split at their limbs: what depends on the number of limbs and digits alone, and is costly.
struct ImageSplits {
  std::vector<std::uint32_t> limbs;  ///< by value
  std::vector<std::shared_ptr<const ckks::TransformShape>> shapes;
  std::vector<std::vector<ckks::TransformNoise>> noise;  ///< of each transform's outputs
  std::vector<double> nanoseconds;                       ///< of each transform
  plan::KeyRequest keys;                                 ///< Galois keys
};
ImageSplits split(const ImageNetwork& network, std::uint32_t input_limbs, int digit_limbs, const CostModel& cost);

/// The step of a plan for a polynomial step.
plan::Polynomial polynomial_of(const ImageStep& step, double output_scale);

/// Everything predicted; nothing where scales leave no room: a value that does not fit its modulus, or drowns in noise.
std::optional<ImageSchedule> judge(const ImageSetting& setting, const ImageNetwork& network, const ImageSplits& splits,
                                   const ImageChoice& choice, const ckks::Params& params);

}  // namespace obscura::compile
