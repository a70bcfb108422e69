// SPDX-License-Identifier: Apache-2.0
#include "compile/predict.h"

#include <algorithm>
#include <cmath>

#include "ckks/evaluator.h"

namespace obscura::compile {
namespace {

/// What a linear map takes less than by multiply-adds of doubles, in nanoseconds for one coefficient of one limb of one
/// part.
double saved(const ckks::IntegerMap& map, std::uint64_t prime, const kernels::Kernels& kernels, const CostModel& cost) {
  std::vector<int> digits;
  for (const ckks::IntegerMatrix& matrix : map.matrices) {
    digits.push_back(ckks::digit_products(kernels, matrix, prime));
  }
  double sum = 0;
  for (const ckks::IntegerBlock& block : map.blocks) {
    const auto products = static_cast<double>(digits[block.matrix]);
    if (products == 0) continue;
    const double inputs = static_cast<double>(block.inputs.size());
    const double multiplications = inputs * static_cast<double>(block.outputs.size());
    sum += multiplications / cost.macs_per_ns;
    sum -= multiplications * products / cost.digit_products_per_ns + inputs * cost.pack_ns;
  }
  return sum;
}

}  // namespace

double seconds_here(const plan::Plan& plan, const kernels::Kernels& kernels, const CostModel& cost) {
  const double degree = std::exp2(plan.params.log2_degree);
  double nanoseconds = 0;
  for (const plan::Step& step : plan.steps) {
    const auto* linear = std::get_if<plan::Linear>(&step.operation);
    if (linear == nullptr) continue;
    const std::uint64_t largest =
        *std::max_element(plan.params.chain.begin(), plan.params.chain.begin() + step.output.limbs);
    nanoseconds += saved(linear->map, largest, kernels, cost) * degree * step.output.limbs * step.output.parts;
  }
  return plan.predicted_seconds - nanoseconds * 1e-9 / cost.threads;
}

}  // namespace obscura::compile
