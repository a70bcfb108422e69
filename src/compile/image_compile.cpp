// SPDX-License-Identifier: Apache-2.0
#include "compile/image_compile.h"

#include <cmath>

#include "compile/quantize.h"
#include "plan/schedule.h"

namespace obscura::compile {
namespace {

using Kind = ImageStep::Kind;

/// Encoded diagonals that a server keeps between images (run::kEncodedBytes).
constexpr double kKeptBytes = 1.5e9;

/// Sums of ciphertexts as an integer map.
plan::Linear sum_of(const ImageStep& step, std::uint32_t inputs) {
  plan::Linear out;
  out.input = step.input;
  out.map.inputs = inputs;
  out.map.outputs = step.ciphertexts;
  for (std::uint32_t o = 0; o < step.add.size(); ++o) {
    const auto width = static_cast<std::uint32_t>(step.add[o].size());
    if (o == 0) out.map.matrices.push_back({1, width, std::vector<std::int32_t>(width, 1)});
    out.map.blocks.push_back({0, step.add[o], {o}});
  }
  out.bias.assign(step.ciphertexts, 0);
  return out;
}

plan::Operation operation(const ImageSelection& selection, std::size_t k) {
  const ImageStep& step = selection.network.steps[k];
  switch (step.kind) {
    case Kind::transform: {
      plan::Transform transform = *step.transform;
      transform.input = step.input;
      transform.split = selection.schedule.shapes[k]->split();
      transform.plain_scale = selection.schedule.plain_scales[k];
      transform.rescale = step.last ? 0 : 1;
      return transform;
    }
    case Kind::add: {
      const std::uint32_t inputs =
          step.input == 0 ? selection.network.input.ciphertexts() : selection.network.steps[step.input - 1].ciphertexts;
      return sum_of(step, inputs);
    }
    case Kind::fold: {
      plan::Fold fold = step.fold;
      fold.input = step.input;
      return fold;
    }
    case Kind::square:
      return plan::Multiply{step.input, step.input};
    case Kind::combine: {
      plan::Combine combine;
      combine.terms.push_back({step.input, {1}});
      if (!step.coefficient.empty()) combine.terms.push_back({step.other, step.coefficient});
      combine.constants = step.constant;
      return combine;
    }
    case Kind::relinearize:
      break;
  }
  return plan::Relinearize{step.input, 1};
}

plan::Plan emit(const MonicNetwork& network, const ImageSelection& selection) {
  const ImageSchedule& schedule = selection.schedule;
  plan::Plan plan;
  plan.name = network.name;
  plan.params = selection.literal;
  plan.input.channels = static_cast<std::uint32_t>(network.input[0]);
  plan.input.height = static_cast<std::uint32_t>(network.input[1]);
  plan.input.width = static_cast<std::uint32_t>(network.input[2]);
  plan.input.limbs = schedule.limbs;
  plan.input.scale = schedule.input_scale;
  plan.input.layout = selection.network.input;
  for (std::size_t k = 0; k < selection.network.steps.size(); ++k) {
    const ImageStep& step = selection.network.steps[k];
    plan.keys.relinearization |= step.kind == Kind::relinearize;
    plan.steps.push_back({operation(selection, k), schedule.values[k], step.origin, schedule.nanoseconds[k] * 1e-9});
  }
  plan.keys.rotations = schedule.rotations;
  const plan::ValueInfo& last = plan.steps.back().output;
  plan.output = {selection.network.output.elements(),
                 last.limbs,
                 last.scale,
                 last.error_std,
                 schedule.noise_std,
                 selection.network.output};
  plan.predicted_seconds = schedule.total_nanoseconds() * 1e-9;
  return plan;
}

double limb_bytes(const plan::Plan& plan) { return std::exp2(plan.params.log2_degree) * sizeof(double); }

/// Both halves of a key, as a server holds them once used.
double key_bytes(const plan::Plan& plan) {
  const auto alpha = static_cast<std::size_t>(plan.params.digit_limbs);
  const std::size_t primes = plan.params.chain.size() + plan.params.special.size();
  const std::size_t digits = (plan.params.chain.size() + alpha - 1) / alpha;
  return 2 * static_cast<double>(digits * primes) * limb_bytes(plan);
}

void explain(const ImageSetting& setting, const ImageSelection& selection, bool calibrated, plan::Plan& plan) {
  const ImageSchedule& schedule = selection.schedule;
  const ImageChoice& choice = schedule.choice;
  std::vector<std::string>& out = plan.reasons;
  out = setting.network->notes;
  std::size_t diagonals = 0;
  double encoded = 0;
  double working = 0;
  for (std::size_t k = 0; k < schedule.shapes.size(); ++k) {
    if (!schedule.shapes[k]) continue;
    const std::uint32_t limbs = plan.value(selection.network.steps[k].input).limbs;
    const std::size_t alpha = static_cast<std::size_t>(choice.digit_limbs);
    const ckks::TransformCost cost = schedule.shapes[k]->cost({limbs, alpha, (limbs + alpha - 1) / alpha}, 1);
    diagonals += cost.plaintexts;
    encoded += static_cast<double>(cost.encoded_limbs) * limb_bytes(plan);
    working = std::max(working, static_cast<double>(cost.working_limbs) * limb_bytes(plan));
  }
  const double keys =
      static_cast<double>(plan.keys.rotations.size() + (plan.keys.relinearization ? 1 : 0)) * key_bytes(plan);
  out.push_back(
      fmt::format("The fastest of {} sets of parameters (the most precise within 1 % of its time): N = 2^{}, {} limbs "
                  "of {} bits and "
                  "{} of {}, digits of {}: {:.2f} core-seconds for an image, logit error {:.2g}.",
                  selection.considered, choice.log2_degree, choice.final_limbs, choice.final_bits,
                  schedule.limbs - choice.final_limbs, choice.drop_bits, choice.digit_limbs, plan.predicted_seconds,
                  schedule.logit_error));
  out.push_back(fmt::format("{} diagonals and {} rotation keys; a value enters each linear layer at scale 2^{:.0f}.",
                            diagonals, plan.keys.rotations.size(), choice.log2_scale));
  out.push_back(fmt::format(
      "The predicted error of a logit is {:.2g} of {:.2g} allowed (logits spread by {:.3g}), measured on {} {} images.",
      schedule.logit_error, setting.max_error, setting.statistics->logit_deviation, setting.statistics->images,
      calibrated ? "calibration" : "synthetic"));
  const auto ciphertexts = static_cast<double>(plan::make_schedule(plan).peak_bytes);
  const double kept = std::min(encoded, kKeptBytes);
  out.push_back(fmt::format(
      "Memory: {:.0f} MB of keys, {:.0f} MB of encoded diagonals of {:.0f}, {:.0f} MB of ciphertexts and rotations.",
      keys / 1e6, kept / 1e6, encoded / 1e6, (ciphertexts + working) / 1e6));
  plan.predicted_bytes = static_cast<std::uint64_t>(keys + kept + ciphertexts + working);
}

}  // namespace

Result<plan::Plan> compile_image(const ImageSetting& setting, std::optional<int> log2_degree, bool calibrated) {
  OBSCURA_TRY(const ImageSelection selection, search_image(setting, log2_degree));
  plan::Plan plan = emit(*setting.network, selection);
  plan.batch = 1;
  explain(setting, selection, calibrated, plan);
  return plan;
}

}  // namespace obscura::compile
