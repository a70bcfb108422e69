// SPDX-License-Identifier: Apache-2.0
/// A hand-made plan with bootstrapping: 1x4x4 image -> transform -> bootstrap -> relu of a polynomial -> each row
/// plus the one above it -> transform to 16 classes.
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include "ckks/bootstrap_params.h"
#include "plan/diagonals.h"
#include "plan/plan.h"
#include "plan/polynomial.h"

namespace obscura::testing {

/// Of every value of the plan.
inline double boot_scale(const ckks::BootstrapParams& set) { return std::exp2(set.literal().level_bits); }

inline constexpr std::uint32_t kBootSide = 4;
inline constexpr std::uint32_t kBootElements = kBootSide * kBootSide;

/// (8 x[i] + 4 x[i + 1]) / 16, around the image.
inline ckks::IntegerMap neighbour_map() {
  ckks::IntegerMap map;
  map.inputs = map.outputs = kBootElements;
  ckks::IntegerMatrix matrix{kBootElements, kBootElements, std::vector<std::int32_t>(kBootElements * kBootElements)};
  ckks::IntegerBlock block;
  for (std::uint32_t i = 0; i < kBootElements; ++i) {
    matrix.data[i * kBootElements + i] = 8;
    matrix.data[i * kBootElements + (i + 1) % kBootElements] = 4;
    block.inputs.push_back(i);
    block.outputs.push_back(i);
  }
  map.matrices.push_back(std::move(matrix));
  map.blocks.push_back(std::move(block));
  return map;
}

/// An image in rows of slots, or as many classes one after the other.
inline plan::Layout boot_layout(std::uint64_t slots, bool image) {
  plan::Layout layout;
  layout.channels = image ? 1 : kBootElements;
  layout.height = layout.width = image ? kBootSide : 1;
  layout.row = image ? kBootSide : 0;
  layout.column = image ? 1 : 0;
  layout.period = static_cast<std::uint32_t>(slots);
  for (std::uint32_t unit = 0; unit < layout.channels; ++unit) layout.units.push_back({0, unit});
  return layout;
}

/// `predicted`: the error of each value that the plan states. `limbs_out`: what is kept of bootstrapping; 0: all.
inline plan::Plan boot_plan(const ckks::BootstrapParams& set, double predicted = 0x1p-12, std::uint32_t limbs_out = 0) {
  plan::Plan plan;
  plan.name = "tiny-boot";
  plan.batch = 1;
  plan.params = set.params().literal();
  const double scale = boot_scale(set);
  plan.bootstrap = {set.literal(), scale, scale};
  const std::uint64_t slots = plan::slots(plan);
  plan.input = {1, kBootSide, kBootSide, {0.5}, {0.5}, static_cast<std::uint32_t>(set.limbs().input + 1), scale};
  plan.input.layout = boot_layout(slots, true);
  const auto add = [&](plan::Operation operation, std::uint32_t limbs, const char* origin) {
    plan.steps.push_back({std::move(operation), {1, limbs, 2, scale, 1, predicted}, origin});
  };
  const auto transform = [&](plan::ValueId input, bool last) {
    plan::Transform step;
    step.input = input;
    step.map = neighbour_map();
    step.weight_scale = 16;
    step.bias.assign(kBootElements, 0.0625);
    step.from = boot_layout(slots, true);
    step.to = boot_layout(slots, !last);
    step.rescale = 1;
    const std::uint32_t limbs = plan.value(input).limbs;
    step.plain_scale = static_cast<double>(plan.params.chain[limbs - 1]);
    add(std::move(step), limbs - 1, last ? "dense" : "conv");
  };
  transform(0, false);
  add(plan::Bootstrap{1}, limbs_out == 0 ? static_cast<std::uint32_t>(set.limbs().output) : limbs_out, "relu");
  plan::Polynomial relu;
  relu.input = 2;
  relu.stages.push_back({-1, 1, ckks::PolynomialBasis::chebyshev, {0, 1.1, 0, -0.3, 0, 0.15, 0, -0.05}});
  relu.relu = true;
  relu.output_scale = scale;
  const auto composite = plan::composite_of(relu, plan.params, plan.value(2).limbs, scale).value();
  add(std::move(relu), static_cast<std::uint32_t>(composite.output_limbs()), "relu");
  const std::uint32_t limbs = plan.value(3).limbs;
  add(plan::Fold{3, {{static_cast<std::uint32_t>(slots - kBootSide), 2}}}, limbs, "pool");
  transform(4, true);
  const plan::ValueInfo& last = plan.steps.back().output;
  plan.output = {kBootElements, last.limbs, last.scale, last.error_std, last.error_std / 2, boot_layout(slots, false)};
  plan.keys = plan::transform_shapes(plan, plan::diagonals_of(plan)).keys;
  plan.keys.relinearization = true;
  plan.reasons = {"made by hand for a test"};
  return plan;
}

}  // namespace obscura::testing
