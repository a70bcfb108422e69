// SPDX-License-Identifier: Apache-2.0
/// A plan with every kind of step, small enough to follow by hand.
#pragma once

#include "plan/plan.h"

namespace obscura::plan {

template <class T>
T& step(Plan& plan, std::size_t index) {
  return std::get<T>(plan.steps[index].operation);
}

/// 1x2x2 image -> linear 4 -> 3 -> square, + 0.5 x, + 1, relinearize and drop a limb -> linear 3 -> 2 -> rescale.
inline Plan sample_plan(ckks::RingType ring = ckks::RingType::standard) {
  Plan plan;
  plan.name = "sample";
  plan.batch = 10;
  auto primes = ckks::make_primes(13, 40, 4, {}, ring).value();
  plan.params.log2_degree = 13;
  plan.params.ring = ring;
  plan.params.special = {primes[0]};
  plan.params.chain = {primes[1], primes[2], primes[3]};
  plan.input = {1, 2, 2, {0.5}, {0.25}, 3, 0x1p20, batch_layout(4, slots(plan))};
  plan.keys.relinearization = true;
  const auto q1 = static_cast<double>(plan.params.chain[1]);
  const auto q2 = static_cast<double>(plan.params.chain[2]);

  Linear first;
  first.map = {
      4, 3, {{1, 2, {3, -5}}, {1, 4, {1, 2, 3, 4}}}, {{0, {0, 1}, {0}}, {0, {2, 3}, {2}}, {1, {0, 1, 2, 3}, {1}}}};
  first.weight_scale = 16;
  first.bias = {0.25, 0, -1};
  plan.steps.push_back({first, {3, 3, 2, 0x1p24, 2.0, 0x1p-12}, "conv"});
  plan.steps.push_back({Multiply{1, 1}, {3, 3, 3, 0x1p48, 4.0, 0x1p-10}, "square"});
  plan.steps.push_back({Combine{{{2, {1}}, {1, {0.5}}}, {1}}, {3, 3, 3, 0x1p48, 6.0, 0x1p-10}, "square"});
  plan.steps.push_back({Relinearize{3, 1}, {3, 2, 2, 0x1p48 / q2, 6.0, 0x1p-9}, ""});
  Linear last;
  last.input = 4;
  last.map = {3, 2, {{2, 3, {7, 0, -7, 1, 1, 1}}}, {{0, {0, 1, 2}, {0, 1}}}};
  last.weight_scale = 0x1p40;
  last.bias = {0, 3};
  plan.steps.push_back({last, {2, 2, 2, 0x1p88 / q2, 9.0, 0x1p-8}, "dense"});
  plan.steps.push_back({Rescale{5, 1}, {2, 1, 2, 0x1p88 / q2 / q1, 9.0, 0x1p-7}, ""});
  plan.output = {2, 1, 0x1p88 / q2 / q1, 0x1p-7, 0x1p-8, batch_layout(2, slots(plan))};
  plan.reasons = {"Because it is small."};
  return plan;
}

}  // namespace obscura::plan
