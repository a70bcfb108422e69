// SPDX-License-Identifier: Apache-2.0
#include "compile/search/image_search.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "compile/search/bootstrapped.h"
#include "plan/work.h"

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

/// Memory that a step of the plan holds at work.
std::uint64_t work_bytes(const ImageSelection& selection, const plan::Plan& plan, std::size_t k) {
  const ImageStep& step = selection.network.steps[k];
  if (step.kind == Kind::bootstrap) return selection.bootstrapper->memory().working;
  if (step.kind != Kind::transform) return plan::working_bytes(plan, plan.steps[k]);
  const ckks::TransformCost cost =
      selection.schedule.shapes[k]->cost(switch_size(plan, step.input), step.drops(), step.diagonals->period());
  return cost.working_limbs * (std::uint64_t{sizeof(double)} << plan.params.log2_degree);
}

}  // namespace

ckks::SwitchSize switch_size(const plan::Plan& plan, plan::ValueId input) {
  const std::size_t limbs = plan.value(input).limbs, alpha = static_cast<std::size_t>(plan.params.digit_limbs);
  return {limbs, alpha, (limbs + alpha - 1) / alpha};
}

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
  for (std::size_t k = 0; k < plan.steps.size(); ++k) plan.steps[k].bytes = work_bytes(selection, plan, k);
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
  plan.predicted_bytes = selection.memory.total();
  plan.value_bytes = selection.memory.values;
  plan.kept_bytes = selection.memory.kept;
  return plan;
}

namespace {

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

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

/// What the memory is for, and what it was chosen under.
std::string describe_memory(const ImageSetting& setting, const ImageMemory& memory) {
  const std::string text = fmt::format("Memory: {:.0f} MB of {:.0f} allowed: {:.0f} MB of keys, ",
                                       megabytes(memory.total()), megabytes(setting.memory), megabytes(memory.keys));
  return text + fmt::format(
                    "{:.0f} MB of tables, {:.0f} MB of weights, {:.0f} MB of encoded diagonals of {:.0f}, {:.0f} MB of "
                    "ciphertexts and "
                    "steps at work (at the peak in '{}').",
                    megabytes(memory.tables), megabytes(memory.weights), megabytes(memory.kept),
                    megabytes(memory.encoded), megabytes(memory.values), memory.heaviest);
}

void explain(const ImageSetting& setting, const ImageSelection& selection, bool calibrated, plan::Plan& plan) {
  const ImageSchedule& schedule = selection.schedule;
  std::vector<std::string>& out = plan.reasons;
  out = setting.network->notes;
  std::size_t diagonals = 0;
  for (const auto& shape : schedule.shapes) diagonals += shape ? shape->plaintexts() : 0;
  out.push_back(describe_set(selection, plan));
  if (auto bootstraps = describe_bootstraps(selection)) out.push_back(std::move(*bootstraps));
  out.push_back(fmt::format(
      "{} encoded diagonals or pairs of them and {} rotation keys; a value enters each linear layer at scale 2^{:.0f}.",
      diagonals, plan.keys.rotations.size(), schedule.choice.log2_scale));
  out.push_back(fmt::format(
      "The predicted error of a logit is {:.2g} of {:.2g} allowed (logits spread by {:.3g}), measured on {} {} images.",
      schedule.logit_error, setting.max_error, setting.spread, setting.statistics->images,
      calibrated ? "calibration" : "synthetic"));
  out.push_back(describe_memory(setting, selection.memory));
}

/// Without bootstrapping where the network has few levels: above this bootstrapping is tried first, since every step
/// is cheaper at the few limbs that it needs.
constexpr std::uint32_t kShallowLevels = 24;

Result<ImageSelection> choose(const ImageSetting& setting, std::optional<int> log2_degree, std::uint32_t images,
                              Shortfall& shortfall) {
  const bool deep = !log2_degree || *log2_degree == 16;
  if (levels(*setting.network) <= kShallowLevels || !deep) {
    auto shallow = search_image(setting, log2_degree, images, shortfall);
    if (shallow.ok() || !deep || shallow.error().code != Code::infeasible) return shallow;
    auto selection = search_deep(setting, images, shortfall);
    return selection.ok() ? std::move(selection) : std::move(shallow);
  }
  auto selection = search_deep(setting, images, shortfall);
  if (selection.ok() || selection.error().code != Code::infeasible) return selection;
  auto shallow = search_image(setting, log2_degree, images, shortfall);
  return shallow.ok() ? std::move(shallow) : std::move(selection);
}

/// Why nothing was chosen: memory, or keys, where that was all that stood in the way of something.
Error refusal(const ImageSetting& setting, const Shortfall& shortfall, Error otherwise) {
  const auto gigabytes = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e9; };
  if (otherwise.code != Code::infeasible) return otherwise;
  if (const auto& least = shortfall.memory) {
    return error(
        Code::infeasible,
        "network '{}': {:.2f} GB of memory are too little for one image at a time: {:.2f} GB are needed at "
        "least, {:.2f} of them for keys, {:.2f} for weights and tables and {:.2f} for ciphertexts in '{}'; give "
        "more (--memory), or allow a larger error (--max-error), with which primes and keys are fewer",
        setting.network->name, gigabytes(setting.memory), gigabytes(least->least()), gigabytes(least->keys),
        gigabytes(least->weights + least->tables), gigabytes(least->values), least->heaviest);
  }
  if (shortfall.keys) {
    return error(Code::infeasible,
                 "network '{}': evaluation keys take {:.1f} MB at least in the image layout; {:.1f} MB are allowed "
                 "(--max-keys)",
                 setting.network->name, megabytes(*shortfall.keys), megabytes(*setting.max_key_bytes));
  }
  return otherwise;
}

/// The number of images at once that takes the least predicted time for a batch: from the most on down, as long as
/// fewer take less, since the time of an image falls with their number until what is kept of diagonals runs out.
struct Shared {
  ImageSelection selection;
  std::vector<std::string> others;  ///< what was compared, for people
};

Result<Shared> share(const ImageSetting& setting, std::optional<int> log2_degree, std::uint32_t batch) {
  Shortfall shortfall;
  std::optional<Shared> best;
  std::optional<Error> refused;
  double least = HUGE_VAL;
  std::vector<std::string> tried;
  const nn::Shape& image = setting.network->input;
  for (std::uint32_t images = std::bit_ceil(std::min(batch, std::uint32_t{1} << (ckks::kMaxLog2Degree - 1)));
       images > 0; images /= 2) {
    if (!make_grid(image, std::uint32_t{1} << (ckks::kMaxLog2Degree - 1), images)) continue;
    auto selection = choose(setting, log2_degree, images, shortfall);
    if (!selection.ok()) {
      if (selection.error().code != Code::infeasible) return selection.error();
      refused = selection.error();
      continue;
    }
    const std::uint32_t runs = (batch + images - 1) / images;
    const double seconds = selection->schedule.total_nanoseconds() * 1e-9 * runs;
    tried.push_back(fmt::format("{} at once {:.3g}", images, seconds / batch));
    if (seconds >= least) break;
    least = seconds;
    best = Shared{std::move(selection).value(), {}};
  }
  if (!best) return refusal(setting, shortfall, *refused);
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
  explain(setting, selection, calibrated, plan);
  if (batch > 1) {
    plan.reasons.push_back(fmt::format("{} images share ciphertexts; core-seconds for each of a batch of {}: {}.",
                                       plan.images_at_once(), batch, fmt::join(shared.others, ", ")));
  }
  return plan;
}

}  // namespace obscura::compile
