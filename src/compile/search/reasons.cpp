// SPDX-License-Identifier: Apache-2.0
#include "compile/search/reasons.h"

#include <algorithm>
#include <cmath>

#include "plan/schedule.h"

namespace obscura::compile {
namespace {

std::uint64_t key_bytes(const plan::Plan& plan) {
  if (!plan.keys.relinearization) return 0;
  const auto alpha = static_cast<std::uint64_t>(plan.params.digit_limbs);
  const std::uint64_t primes = plan.params.chain.size() + plan.params.special.size();
  const std::uint64_t digits = (plan.params.chain.size() + alpha - 1) / alpha;
  return 2 * digits * primes * (std::uint64_t{8} << plan.params.log2_degree);
}

/// Weights as the runtime holds them: integers and doubles.
std::uint64_t weight_bytes(const plan::Plan& plan) {
  std::uint64_t weights = 0;
  for (const auto& step : plan.steps) {
    const auto* linear = std::get_if<plan::Linear>(&step.operation);
    if (!linear) continue;
    for (const auto& matrix : linear->map.matrices) weights += matrix.data.size();
  }
  return weights * (sizeof(std::int32_t) + sizeof(double));
}

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

std::string primes(const Choice& c) {
  const std::uint32_t dropped = c.limbs() - c.final_limbs;
  if (dropped == 0 || c.final_bits == c.drop_bits) return fmt::format("{} limbs of {} bits", c.limbs(), c.final_bits);
  return fmt::format("{} limbs of {} bits and {} of {}", c.final_limbs, c.final_bits, dropped, c.drop_bits);
}

std::string in_short(const Candidate& c, std::uint32_t batch) {
  return fmt::format("N = 2^{}, {}, digits of {}: {:.2f} core-seconds for the batch, logit error {:.2g}",
                     c.choice.log2_degree, primes(c.choice), c.choice.digit_limbs, batch_nanoseconds(c, batch) * 1e-9,
                     c.logit_error);
}

std::string drops(const Choice& choice) {
  std::string text;
  for (const std::uint32_t d : choice.drops) text += fmt::format("{}{}", text.empty() ? "" : ", ", d);
  return text;
}

std::string weights(const Setting& setting, const Candidate& best) {
  if (setting.rounding->all_exact()) return "All weights are exact integers: nothing is rounded.";
  std::string bits;
  for (std::size_t s = 0; s < best.choice.weight_bits.size(); ++s) {
    for (std::size_t m = 0; m < best.choice.weight_bits[s].size(); ++m) {
      const MapRounding& map = setting.rounding->map(s, m);
      bits += bits.empty() ? "" : ", ";
      bits += map.exact ? "exact" : map.balanced ? "as its sum" : std::to_string(best.choice.weight_bits[s][m]);
    }
  }
  return fmt::format(
      "Weight bits, map by map: {}. Rounding moves a logit by {:.2g}; fewer bits would round more, more bits would "
      "leave less "
      "scale against the noise.",
      bits, best.logit_rounding);
}

}  // namespace

namespace {

/// Ciphertexts, keys and weights.
Result<void> plan_memory(std::uint64_t memory, plan::Plan& plan) {
  const std::uint64_t fixed = key_bytes(plan) + weight_bytes(plan);
  const auto schedule = plan::make_schedule_within(plan, memory - std::min(memory, fixed));
  if (!schedule) {
    return error(
        Code::infeasible,
        "network '{}': {:.2f} GB of memory are too little for {} images at a time: after {:.2f} GB of keys and "
        "weights, {}; give more (--memory), or take the image layout (--layout image --batch 1)",
        plan.name, megabytes(memory) / 1e3, plan.images_at_once(), megabytes(fixed) / 1e3, schedule.error().message);
  }
  plan.value_bytes = schedule->peak_bytes;
  plan.predicted_bytes = fixed + plan.value_bytes;
  plan.reasons.push_back(
      fmt::format("Memory: {:.0f} MB of {:.0f} allowed: {:.0f} MB of ciphertexts at the peak, "
                  "{:.0f} MB of keys, {:.1f} MB of weights.",
                  megabytes(plan.predicted_bytes), megabytes(memory), megabytes(plan.value_bytes),
                  megabytes(key_bytes(plan)), megabytes(weight_bytes(plan))));
  return {};
}

}  // namespace

Result<void> explain(const Setting& setting, const Selection& selection, bool calibrated, std::uint64_t memory,
                     plan::Plan& plan) {
  const Candidate& best = selection.best;
  const Statistics& statistics = *setting.statistics;
  std::vector<std::string>& out = plan.reasons;
  out = setting.network->notes;
  out.push_back(fmt::format("The fastest of {} sets of parameters (the most precise within 1 % of its time): {}.",
                            selection.considered, in_short(best, plan.batch)));
  if (selection.runner_up) out.push_back(fmt::format("Next comes {}.", in_short(*selection.runner_up, plan.batch)));
  out.push_back(fmt::format(
      "The logits keep {} limb{}: their scale is 2^{:.1f}, with {} bits of room above the largest seen ({:.3g}).",
      best.choice.final_limbs, best.choice.final_limbs == 1 ? "" : "s", std::log2(plan.output.scale),
      setting.headroom_bits, statistics.max_logit));
  if (!best.choice.drops.empty()) {
    out.push_back(fmt::format("Limbs dropped after each square: {}; each drop is part of a relinearization.",
                              drops(best.choice)));
  }
  out.push_back(weights(setting, best));
  out.push_back(fmt::format(
      "The predicted error of a logit is {:.2g} of {:.2g} allowed (logits spread by {:.3g}), measured on {} {} images.",
      best.logit_error, setting.max_error, setting.spread, statistics.images,
      calibrated ? "calibration" : "synthetic"));
  return plan_memory(memory, plan);
}

}  // namespace obscura::compile
