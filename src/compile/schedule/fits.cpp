// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "compile/schedule/schedule.h"

namespace obscura::compile {
namespace {

using Kind = Operation::Kind;

constexpr double kMaxLog2Constant = 100;  // what ckks::apply and combine can encode
constexpr double kRoundOff = 0.01;  // in bits: the largest logit has just the headroom that its scale was chosen for
constexpr double kLeastLog2Plain = 12;  // fewer bits would not tell weights apart

double scale_of(const Schedule& schedule, plan::ValueId id) {
  return id == 0 ? schedule.input_scale : schedule.values[id - 1].scale;
}

/// `noise`: of rounding, which no value may lie below.
bool fits_at(const Trial& trial, const Schedule& schedule, std::size_t k, double noise) {
  const Operation& operation = trial.circuit.operations[k];
  const plan::ValueInfo& value = schedule.values[k];
  const double bits = trial.log2_modulus[value.limbs] - 2;
  const double headroom = trial.circuit.batch ? trial.setting.headroom_bits - kRoundOff : 0;
  const double largest = std::max(value.max_abs, kSmallest) * value.scale;
  if (!(std::log2(largest) < bits - headroom) || largest < noise) return false;
  const auto small = [&](double number, double at, double limit) {
    return number == 0 || std::log2(number * at) < std::min(limit, bits);
  };
  switch (operation.kind) {
    case Kind::linear:
      return small(operation.largest_bias, value.scale, kMaxLog2Constant);
    case Kind::transform:
      return std::log2(schedule.plain_scales[k]) > kLeastLog2Plain &&
             small(operation.largest_weight, schedule.plain_scales[k], kMaxLog2Coefficient) &&
             small(operation.largest_bias, value.scale, kMaxLog2Coefficient);
    case Kind::combine:
      return small(operation.largest_constant, value.scale, kMaxLog2Constant) &&
             small(operation.largest_coefficient, value.scale / scale_of(schedule, operation.other), kMaxLog2Constant);
    case Kind::sum:
      return std::all_of(operation.addends.begin(), operation.addends.end(), [&](const Operation::Addend& addend) {
        return small(addend.largest, value.scale / scale_of(schedule, addend.value), kMaxLog2Constant);
      });
    default:
      return true;
  }
}

}  // namespace

bool fits(const Trial& trial, const Schedule& schedule) {
  const double input = std::log2(trial.setting.max_input * schedule.input_scale);
  if (!(input < std::min(kMaxLog2Coefficient, trial.log2_modulus[schedule.limbs] - 2))) return false;
  if (trial.circuit.batch && schedule.input_scale < 2) return false;
  const double noise = ckks::noise_of_rounding(trial.params, 2);
  for (std::size_t k = 0; k < schedule.values.size(); ++k) {
    if (!fits_at(trial, schedule, k, noise)) return false;
  }
  return true;
}

}  // namespace obscura::compile
