// SPDX-License-Identifier: Apache-2.0
/// A network in the batch layout with one choice of parameters, for tests of schedules.
#pragma once

#include <cmath>

#include "compile/layout/batch.h"
#include "compile/schedule/schedule.h"

namespace obscura::compile {

inline Choice batch_choice(std::vector<std::uint32_t> drops) {
  Choice c;
  c.log2_degree = 14;
  c.final_bits = 48;
  c.drop_bits = 48;
  c.final_limbs = 2;
  c.drops = std::move(drops);
  return c;
}

class BatchTrial {
 public:
  BatchTrial(const MonicNetwork& network, std::vector<std::uint32_t> drops)
      : choice_(batch_choice(std::move(drops))),
        circuit_(BatchLowering(network, setting_.cost).circuit(choice_)),
        splits_(split(circuit_, choice_.limbs(), choice_.digit_limbs, setting_.cost)),
        params_(params_of(choice_.limbs())),
        trial_{setting_, circuit_, splits_, choice_, params_} {
    setting_.network = &network;
    statistics_.max_abs.assign(Points(network).count(), 0);
  }
  BatchTrial(const BatchTrial&) = delete;
  BatchTrial& operator=(const BatchTrial&) = delete;

  const std::vector<Operation>& operations() const { return circuit_.operations; }
  std::vector<Operation::Kind> kinds() const {
    std::vector<Operation::Kind> out;
    for (const Operation& operation : circuit_.operations) out.push_back(operation.kind);
    return out;
  }
  std::uint32_t limbs(plan::ValueId id) const { return splits_.limbs[id]; }
  std::uint32_t parts(plan::ValueId id) const { return splits_.parts[id]; }
  const ckks::Params& params() const { return params_; }

  /// The logits get `final_scale`.
  Schedule solve(const WeightScales& weights, double final_scale) {
    statistics_.max_logit = std::exp2(trial_.log2_modulus[splits_.limbs.back()] - 2) / final_scale;
    setting_.statistics = &statistics_;
    return solve_scales(trial_, weights).value();
  }
  void predict(const Statistics& statistics, const ErrorAmplification& amplification,
               const std::vector<double>& rounding, Schedule& schedule) {
    setting_.statistics = &statistics;
    setting_.amplification = &amplification;
    predict_errors(trial_, rounding, schedule);
  }

 private:
  static ckks::Params params_of(std::uint32_t limbs) {
    ckks::ParamsLiteral literal;
    literal.log2_degree = 14;
    const auto primes = ckks::make_primes(14, 48, limbs + 1, {}).value();
    literal.special = {primes[0]};
    literal.chain.assign(primes.begin() + 1, primes.end());
    return ckks::Params::make(literal).value();
  }

  Setting setting_;
  Statistics statistics_;
  Choice choice_;
  Circuit circuit_;
  Splits splits_;
  ckks::Params params_;
  Trial trial_;
};

}  // namespace obscura::compile
