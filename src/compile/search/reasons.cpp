// SPDX-License-Identifier: Apache-2.0
#include "compile/search/reasons.h"

#include <algorithm>
#include <cmath>

#include "compile/search/choices.h"

namespace obscura::compile {
namespace {

using Kind = Operation::Kind;

std::string primes(const Choice& c) {
  const std::uint32_t dropped = c.limbs() - c.final_limbs;
  if (dropped == 0 || c.final_bits == c.drop_bits) return fmt::format("{} limbs of {} bits", c.limbs(), c.final_bits);
  return fmt::format("{} limbs of {} bits and {} of {}", c.final_limbs, c.final_bits, dropped, c.drop_bits);
}

std::string ring(const Choice& c) {
  const bool standard = c.ring == ckks::RingType::standard;
  return fmt::format("{}N = 2^{}", standard ? "" : "the conjugate-invariant ring of ", c.log2_degree);
}

std::string in_short(const Candidate& c, std::uint32_t batch) {
  return fmt::format("{}, {}, digits of {}: {:.2f} core-seconds for the batch, logit error {:.2g}",
                     ring(c.schedule.choice), primes(c.schedule.choice), c.schedule.choice.digit_limbs,
                     c.schedule.total_nanoseconds() * runs_of(c.schedule.choice, batch) * 1e-9, c.schedule.logit_error);
}

std::string drops(const Choice& choice) {
  std::string text;
  for (const std::uint32_t d : choice.drops) text += fmt::format("{}{}", text.empty() ? "" : ", ", d);
  return text;
}

std::string weights(const Setting& setting, const Candidate& best) {
  if (setting.rounding->all_exact()) return "All weights are exact integers: nothing is rounded.";
  std::string bits;
  for (std::size_t s = 0; s < best.schedule.choice.weight_bits.size(); ++s) {
    for (std::size_t m = 0; m < best.schedule.choice.weight_bits[s].size(); ++m) {
      const MapRounding& map = setting.rounding->map(s, m);
      bits += bits.empty() ? "" : ", ";
      bits += map.exact           ? "exact"
              : map.scale_matched ? "as its sum"
                                  : std::to_string(best.schedule.choice.weight_bits[s][m]);
    }
  }
  return fmt::format(
      "Weight bits, map by map: {}. Rounding moves a logit by {:.2g}; fewer bits would round more, more bits would "
      "leave less "
      "scale against the noise.",
      bits, best.logit_rounding);
}

/// The error and what it was measured on.
std::string describe_error(const Setting& setting, const Schedule& schedule, bool calibrated) {
  return fmt::format(
      "The predicted error of a logit is {:.2g} of {:.2g} allowed (logits spread by {:.3g}), measured on {} {} images.",
      schedule.logit_error, setting.max_error, setting.spread, setting.statistics->images,
      calibrated ? "calibration" : "synthetic");
}

std::string count(std::uint32_t images) { return images == 1 ? "an image" : fmt::format("{} images", images); }

std::string describe_set(const Selection& selection, const plan::Plan& plan) {
  const Schedule& schedule = selection.best.schedule;
  const Choice& choice = schedule.choice;
  if (!choice.bootstrap) {
    return fmt::format(
        "The fastest of {} sets of parameters (the most precise within 1 % of its time): {}, {} limbs of {} bits "
        "and {} of {}, digits of {}: {:.2f} core-seconds for {}, logit error {:.2g}.",
        selection.considered, ring(choice), choice.final_limbs, choice.final_bits, schedule.limbs - choice.final_limbs,
        choice.drop_bits, choice.digit_limbs, plan.predicted_seconds, count(plan.images_at_once()),
        schedule.logit_error);
  }
  return fmt::format(
      "N = 2^{} with bootstrapping of 2^{} slots to {} levels of {} bits: {:.2f} core-seconds for {}, logit "
      "error {:.2g}.",
      choice.log2_degree, choice.bootstrap->literal.log2_slots, choice.bootstrap->literal.levels, choice.drop_bits,
      plan.predicted_seconds, count(plan.images_at_once()), schedule.logit_error);
}

/// Where values are bootstrapped; nothing where none is.
std::optional<std::string> describe_bootstraps(const Candidate& candidate) {
  const std::vector<Operation>& operations = candidate.circuit->operations;
  std::vector<std::string> places;
  std::size_t ciphertexts = 0;
  double seconds = 0;
  for (std::size_t k = 0; k < operations.size(); ++k) {
    const Operation& operation = operations[k];
    if (operation.kind != Kind::bootstrap) continue;
    const Kind before = operations[operation.input - 1].kind;
    const bool activated = before == Kind::polynomial || before == Kind::relinearize;
    places.push_back(
        fmt::format("{} '{}'", activated ? "after activation" : "before the activation of", operation.origin));
    ciphertexts += operation.ciphertexts;
    seconds += candidate.schedule.nanoseconds[k] * 1e-9;
  }
  if (places.empty()) return std::nullopt;
  return fmt::format(
      "{} bootstrappings of {} ciphertexts take {:.1f} of the core-seconds, at the places of least predicted time for "
      "all steps (shortest path over the limbs of all values that are still read): {}.",
      places.size(), ciphertexts, seconds, fmt::join(places, ", "));
}

/// What the memory is for, and what it was chosen under.
std::string describe_memory(const Setting& setting, const Memory& memory) {
  const std::string text = fmt::format("Memory: {:.0f} MB of {:.0f} allowed: {:.0f} MB of keys, ",
                                       megabytes(memory.total()), megabytes(setting.memory), megabytes(memory.keys));
  return text + fmt::format(
                    "{:.0f} MB of tables, {:.0f} MB of weights, {:.0f} MB of encoded diagonals of {:.0f}, {:.0f} MB of "
                    "ciphertexts and "
                    "steps at work (at the peak in '{}').",
                    megabytes(memory.tables), megabytes(memory.weights), megabytes(memory.kept),
                    megabytes(memory.encoded), megabytes(memory.values), memory.heaviest);
}

void explain_batch(const Setting& setting, const Selection& selection, bool calibrated, plan::Plan& plan) {
  const Candidate& best = selection.best;
  std::vector<std::string>& out = plan.reasons;
  out = setting.network->notes;
  out.push_back(fmt::format("The fastest of {} sets of parameters (the most precise within 1 % of its time): {}.",
                            selection.considered, in_short(best, plan.batch)));
  if (selection.runner_up) out.push_back(fmt::format("Next comes {}.", in_short(*selection.runner_up, plan.batch)));
  out.push_back(fmt::format(
      "The logits keep {} limb{}: their scale is 2^{:.1f}, with {} bits of headroom above the largest seen ({:.3g}).",
      best.schedule.choice.final_limbs, best.schedule.choice.final_limbs == 1 ? "" : "s", std::log2(plan.output.scale),
      setting.headroom_bits, setting.statistics->max_logit));
  if (is_approximated(*setting.network)) {
    out.push_back(fmt::format("Polynomials take {} levels of a limb each.", best.schedule.choice.drops.size()));
  } else if (!best.schedule.choice.drops.empty()) {
    out.push_back(fmt::format("Limbs dropped after each square: {}; each drop is part of a relinearization.",
                              drops(best.schedule.choice)));
  }
  out.push_back(weights(setting, best));
  out.push_back(describe_error(setting, best.schedule, calibrated));
  out.push_back(
      fmt::format("Memory: {:.0f} MB of {:.0f} allowed: {:.0f} MB of ciphertexts at the peak, "
                  "{:.0f} MB of keys, {:.1f} MB of weights.",
                  megabytes(best.memory.total()), megabytes(setting.memory), megabytes(best.memory.values),
                  megabytes(best.memory.keys), megabytes(best.memory.weights)));
}

void explain_image(const Setting& setting, const Selection& selection, bool calibrated, plan::Plan& plan) {
  const Candidate& best = selection.best;
  std::vector<std::string>& out = plan.reasons;
  out = setting.network->notes;
  std::size_t diagonals = 0;
  for (const auto& shape : best.schedule.shapes) diagonals += shape ? shape->plaintexts() : 0;
  out.push_back(describe_set(selection, plan));
  if (auto bootstraps = describe_bootstraps(best)) out.push_back(std::move(*bootstraps));
  out.push_back(fmt::format(
      "{} encoded diagonals or pairs of them and {} rotation keys; a value enters each linear layer at scale 2^{:.0f}.",
      diagonals, plan.keys.rotations.size(), best.schedule.choice.log2_scale));
  out.push_back(describe_error(setting, best.schedule, calibrated));
  out.push_back(describe_memory(setting, best.memory));
  if (plan.batch == 1) return;
  out.push_back(fmt::format("{} images share ciphertexts; core-seconds for each of a batch of {}: {}.",
                            plan.images_at_once(), plan.batch, fmt::join(selection.compared, ", ")));
}

}  // namespace

void explain(const Setting& setting, const Selection& selection, bool calibrated, plan::Plan& plan) {
  const bool batch = selection.best.circuit->batch;
  (batch ? explain_batch : explain_image)(setting, selection, calibrated, plan);
}

}  // namespace obscura::compile
