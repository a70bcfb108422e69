// SPDX-License-Identifier: Apache-2.0
#include "compile/image_compile.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "compile/image_cost.h"
#include "compile/image_deep.h"
#include "plan/keys.h"
#include "plan/schedule.h"

namespace obscura::compile {
namespace {

using Kind = ImageStep::Kind;

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
    case Kind::product:
      return plan::Multiply{step.input, step.other};
    case Kind::combine: {
      plan::Combine combine;
      combine.terms.push_back({step.input, {1}});
      if (!step.coefficient.empty()) combine.terms.push_back({step.other, step.coefficient});
      combine.constants = step.constant;
      return combine;
    }
    case Kind::sum: {
      plan::Combine sum;
      sum.terms.push_back({step.input, {1}});
      for (const plan::ValueId id : step.others) sum.terms.push_back({id, {1}});
      return sum;
    }
    case Kind::polynomial:
      return polynomial_of(step, selection.schedule.values[k].scale);
    case Kind::bootstrap:
      return plan::Bootstrap{step.input};
    case Kind::relinearize:
      break;
  }
  return plan::Relinearize{step.input, 1};
}

}  // namespace

plan::Plan image_plan(const MonicNetwork& network, const ImageSelection& selection) {
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
  plan.keys = schedule.keys;
  for (std::size_t k = 0; k < selection.network.steps.size(); ++k) {
    const ImageStep& step = selection.network.steps[k];
    plan.keys.relinearization |=
        step.kind == Kind::relinearize || step.kind == Kind::polynomial || step.kind == Kind::bootstrap;
    plan.steps.push_back({operation(selection, k), schedule.values[k], step.origin, schedule.nanoseconds[k] * 1e-9});
  }
  const auto& steps = selection.network.steps;
  const bool deep =
      std::any_of(steps.begin(), steps.end(), [](const ImageStep& s) { return s.kind == Kind::bootstrap; });
  if (deep) plan.bootstrap = schedule.choice.bootstrap;
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

namespace {

double limb_bytes(const plan::Plan& plan) { return std::exp2(plan.params.log2_degree) * sizeof(double); }

std::string count(std::uint32_t images) { return images == 1 ? "an image" : fmt::format("{} images", images); }

std::string describe_set(const ImageSelection& selection, const plan::Plan& plan) {
  const ImageSchedule& schedule = selection.schedule;
  const ImageChoice& choice = schedule.choice;
  if (!choice.bootstrap) {
    return fmt::format(
        "The fastest of {} sets of parameters (the most precise within 1 % of its time): N = 2^{}, {} limbs of {} bits "
        "and {} of {}, digits of {}: {:.2f} core-seconds for {}, logit error {:.2g}.",
        selection.considered, choice.log2_degree, choice.final_limbs, choice.final_bits,
        schedule.limbs - choice.final_limbs, choice.drop_bits, choice.digit_limbs, plan.predicted_seconds,
        count(plan.images_at_once()), schedule.logit_error);
  }
  return fmt::format(
      "N = 2^{} with bootstrapping of 2^{} slots to {} levels of {} bits: {:.2f} core-seconds for {}, logit "
      "error {:.2g}.",
      choice.log2_degree, choice.bootstrap->literal.log2_slots, choice.bootstrap->literal.levels, choice.drop_bits,
      plan.predicted_seconds, count(plan.images_at_once()), schedule.logit_error);
}

/// Where values are bootstrapped; nothing where none is.
std::optional<std::string> describe_bootstraps(const ImageSelection& selection) {
  std::vector<std::string> places;
  std::size_t ciphertexts = 0;
  double seconds = 0;
  for (std::size_t k = 0; k < selection.network.steps.size(); ++k) {
    const ImageStep& step = selection.network.steps[k];
    if (step.kind != Kind::bootstrap) continue;
    const Kind before = selection.network.steps[step.input - 1].kind;
    const bool activated = before == Kind::polynomial || before == Kind::relinearize;
    places.push_back(fmt::format("{} '{}'", activated ? "after activation" : "before the activation of", step.origin));
    ciphertexts += step.ciphertexts;
    seconds += selection.schedule.nanoseconds[k] * 1e-9;
  }
  if (places.empty()) return std::nullopt;
  return fmt::format(
      "{} bootstrappings of {} ciphertexts take {:.1f} of the core-seconds, at the places of least predicted time for "
      "all steps (shortest path over the limbs of all values that are still read): {}.",
      places.size(), ciphertexts, seconds, fmt::join(places, ", "));
}

Result<void> explain(const ImageSetting& setting, const ImageSelection& selection, bool calibrated, plan::Plan& plan) {
  const ImageSchedule& schedule = selection.schedule;
  const ImageChoice& choice = schedule.choice;
  std::vector<std::string>& out = plan.reasons;
  out = setting.network->notes;
  std::size_t diagonals = 0;
  double encoded = 0, weights = 0;
  double working = 0;
  for (std::size_t k = 0; k < schedule.shapes.size(); ++k) {
    if (!schedule.shapes[k]) continue;
    const std::uint32_t limbs = plan.value(selection.network.steps[k].input).limbs;
    const std::size_t alpha = static_cast<std::size_t>(choice.digit_limbs);
    const ckks::TransformCost cost = schedule.shapes[k]->cost({limbs, alpha, (limbs + alpha - 1) / alpha}, 1,
                                                              selection.network.steps[k].diagonals->period());
    diagonals += cost.plaintexts;
    encoded += static_cast<double>(cost.encoded_limbs) * limb_bytes(plan);
    weights += static_cast<double>(selection.network.steps[k].diagonals->bytes());
    working = std::max(working, static_cast<double>(cost.working_limbs) * limb_bytes(plan));
  }
  OBSCURA_TRY(const auto bootstrapper, plan::make_bootstrapper(plan.bootstrap));
  const auto keys = static_cast<double>(plan::resident_bytes(plan, bootstrapper));
  out.push_back(describe_set(selection, plan));
  if (auto bootstraps = describe_bootstraps(selection)) out.push_back(std::move(*bootstraps));
  out.push_back(fmt::format(
      "{} encoded diagonals or pairs of them and {} rotation keys; a value enters each linear layer at scale 2^{:.0f}.",
      diagonals, plan.keys.rotations.size(), choice.log2_scale));
  out.push_back(fmt::format(
      "The predicted error of a logit is {:.2g} of {:.2g} allowed (logits spread by {:.3g}), measured on {} {} images.",
      schedule.logit_error, setting.max_error, setting.spread, setting.statistics->images,
      calibrated ? "calibration" : "synthetic"));
  const auto ciphertexts = static_cast<double>(plan::make_schedule(plan).peak_bytes);
  const double kept = std::min(encoded, kKeptBytes);
  out.push_back(fmt::format(
      "Memory: {:.0f} MB of keys{}, {:.0f} MB of weights, {:.0f} MB of encoded diagonals of {:.0f}, {:.0f} MB of "
      "ciphertexts and rotations.",
      keys / 1e6, bootstrapper ? " and of what bootstrapping keeps" : "", weights / 1e6, kept / 1e6, encoded / 1e6,
      (ciphertexts + working) / 1e6));
  plan.predicted_bytes = static_cast<std::uint64_t>(keys + weights + kept + ciphertexts + working);
  return {};
}

/// Without bootstrapping where the network has few levels: above this bootstrapping is tried first, since every step
/// is cheaper at the few limbs that it needs.
constexpr std::uint32_t kShallowLevels = 24;

Result<ImageSelection> choose(const ImageSetting& setting, std::optional<int> log2_degree, std::uint32_t images) {
  // Bootstrapping has keys of gigabytes: where their size is limited it is left out.
  const bool deep = (!log2_degree || *log2_degree == 16) && !setting.max_key_bytes;
  if (levels(*setting.network) <= kShallowLevels || !deep) {
    auto shallow = search_image(setting, log2_degree, images);
    if (shallow.ok() || !deep || shallow.error().code != Code::infeasible) return shallow;
    auto selection = search_deep(setting, images);
    return selection.ok() ? std::move(selection) : std::move(shallow);
  }
  auto selection = search_deep(setting, images);
  if (selection.ok() || selection.error().code != Code::infeasible) return selection;
  auto shallow = search_image(setting, log2_degree, images);
  return shallow.ok() ? std::move(shallow) : std::move(selection);
}

/// The number of images at once that takes the least predicted time for a batch: from the most on down, as long as
/// fewer take less, since the time of an image falls with their number until what is kept of diagonals runs out.
struct Shared {
  ImageSelection selection;
  std::vector<std::string> others;  ///< what was compared, for people
};

Result<Shared> share(const ImageSetting& setting, std::optional<int> log2_degree, std::uint32_t batch) {
  std::optional<Shared> best;
  std::optional<Error> refusal;
  double least = HUGE_VAL;
  std::vector<std::string> tried;
  const nn::Shape& image = setting.network->input;
  for (std::uint32_t images = std::bit_ceil(std::min(batch, std::uint32_t{1} << (ckks::kMaxLog2Degree - 1)));
       images > 0; images /= 2) {
    if (!make_grid(image, std::uint32_t{1} << (ckks::kMaxLog2Degree - 1), images)) continue;
    auto selection = choose(setting, log2_degree, images);
    if (!selection.ok()) {
      if (selection.error().code != Code::infeasible) return selection.error();
      refusal = selection.error();
      continue;
    }
    const std::uint32_t runs = (batch + images - 1) / images;
    const double seconds = selection->schedule.total_nanoseconds() * 1e-9 * runs;
    tried.push_back(fmt::format("{} at once {:.3g}", images, seconds / batch));
    if (seconds >= least) break;
    least = seconds;
    best = Shared{std::move(selection).value(), {}};
  }
  if (!best) return *refusal;
  best->others = std::move(tried);
  return std::move(*best);
}

}  // namespace

Result<plan::Plan> compile_image(const ImageSetting& setting, std::optional<int> log2_degree, std::uint32_t batch,
                                 bool calibrated) {
  OBSCURA_TRY(const Shared shared, share(setting, log2_degree, batch));
  const ImageSelection& selection = shared.selection;
  plan::Plan plan = image_plan(*setting.network, selection);
  plan.batch = batch;
  OBSCURA_TRY_VOID(explain(setting, selection, calibrated, plan));
  if (batch > 1) {
    plan.reasons.push_back(fmt::format("{} images share ciphertexts; core-seconds for each of a batch of {}: {}.",
                                       plan.images_at_once(), batch, fmt::join(shared.others, ", ")));
  }
  return plan;
}

}  // namespace obscura::compile
