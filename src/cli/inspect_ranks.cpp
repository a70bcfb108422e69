// SPDX-License-Identifier: Apache-2.0
#include "cli/inspect_ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli/support.h"
#include "plan/share.h"
#include "run/execute.h"

namespace obscura::cli {
namespace {

constexpr std::uint32_t kMostRanks = 1024;

/// A run as server::run has it: whole batches as long as there are enough, then ranks share what is left.
struct Prediction {
  std::uint32_t ranks = 1;
  std::uint64_t rounds = 0;    ///< of whole batches
  std::uint32_t together = 0;  ///< ranks that share one of the last batches; 0: none is shared
  double seconds = 0;
  double efficiency = 1;
  std::uint64_t memory = 0;  ///< of a rank
  std::uint64_t bytes = 0;   ///< sent by all, of one shared batch
  std::optional<plan::Distribution> shared = {};
};

Prediction predict(const plan::Plan& plan, std::uint64_t batches, std::uint32_t ranks, const plan::Link& link) {
  Prediction out;
  out.ranks = ranks;
  out.rounds = batches / ranks;
  const std::uint64_t left = batches % ranks;
  out.seconds = static_cast<double>(out.rounds) * plan.predicted_seconds;
  out.memory = plan.predicted_bytes;
  if (left > 0) {
    out.together = plan::is_batch(plan) ? static_cast<std::uint32_t>(ranks / left) : 1;
    if (out.together == 1) {
      out.seconds += plan.predicted_seconds;
    } else {
      out.shared.emplace(plan, out.together, link);
      out.seconds += out.shared->seconds();
      if (out.rounds == 0) out.memory = plan.predicted_bytes - plan.value_bytes + out.shared->peak_bytes();
      for (const auto& layer : out.shared->layers()) out.bytes += layer.bytes;
    }
  }
  out.efficiency = static_cast<double>(batches) * plan.predicted_seconds / (out.seconds * ranks);
  return out;
}

void add_layers(const plan::Plan& plan, const Prediction& prediction, Answer& answer) {
  answer.text += fmt::format("\n\nlayers of one batch on {} ranks", prediction.together);
  answer.text += fmt::format("\n{:>6} {:>10} {:>10} {:>12} {:>12}  {}", "steps", "busiest s", "mean s", "sent by all",
                             "most to one", "what");
  for (const auto& layer : prediction.shared->layers()) {
    const bool input = layer.end == 0;
    const std::string steps = input ? "" : fmt::format("{}-{}", layer.first + 1, layer.end);
    const std::string what = input ? "encrypted images"
                                   : fmt::format("{}: {}", run::operation_name(plan.steps[layer.first].operation),
                                                 plan.steps[layer.first].origin);
    answer.text += fmt::format("\n{:>6} {:10.3f} {:10.3f} {:>12} {:>12}  {}", steps, layer.seconds, layer.mean_seconds,
                               bytes_text(layer.bytes), bytes_text(layer.most_bytes), what);
    answer.json["layers"].push_back({{"first_step", layer.first},
                                     {"end_step", layer.end},
                                     {"busiest_seconds", layer.seconds},
                                     {"mean_seconds", layer.mean_seconds},
                                     {"bytes_sent", layer.bytes},
                                     {"most_bytes_received", layer.most_bytes}});
  }
}

}  // namespace

void add_ranks(CLI::App& command, RanksOptions& options) {
  command
      .add_option("--ranks", options.ranks,
                  "Of a plan: how long `obscura run --mpi` takes on 1, 2, 4 ... so many ranks of one core each")
      ->check(CLI::Range(1U, kMostRanks));
  command.add_option("--network", options.gigabits, "With --ranks: Gb/s from and to each rank (default: 25)")
      ->check(CLI::Range(0.001, 100000.0));
  command.add_option("--images", options.images, "With --ranks: how many (default: one batch)");
  command
      .add_option("--core-seconds", options.core_seconds,
                  "With --ranks: what a batch takes on one core here, as measured, in place of the plan's figure")
      ->check(CLI::PositiveNumber);
}

Result<Answer> inspect_ranks(const plan::Plan& given, const RanksOptions& options) {
  plan::Plan plan = given;
  if (!(plan.predicted_seconds > 0)) {
    return error(Code::wrong_params, "--ranks: plan {} predicts no times; `obscura compile` writes them", plan.name);
  }
  const double factor = options.core_seconds > 0 ? options.core_seconds / plan.predicted_seconds : 1;
  for (plan::Step& step : plan.steps) step.seconds *= factor;
  plan.predicted_seconds *= factor;
  const std::uint64_t at_once = plan.images_at_once();
  const std::uint64_t images = options.images > 0 ? options.images : at_once;
  const std::uint64_t batches = (images + at_once - 1) / at_once;
  const plan::Link link{options.gigabits * 1e9 / 8};
  Answer answer;
  answer.json = {{"kind", "ranks"},
                 {"images", images},
                 {"batches", batches},
                 {"core_seconds_per_batch", plan.predicted_seconds},
                 {"gigabits_per_second", options.gigabits}};
  answer.text = fmt::format(
      "{}: {} in {}, {:.2f} core-seconds each, ranks of one core, {} Gb/s between them\n{:>6} {:>10} {:>10} {:>12} "
      "{:>14} {:>12}",
      plan.name, api::plural(images, "image"), api::plural(batches, "batch"), plan.predicted_seconds, options.gigabits,
      "ranks", "seconds", "efficient", "memory each", "ranks a batch", "sent");
  std::vector<std::uint32_t> counts;
  for (std::uint32_t ranks = 1; ranks < options.ranks; ranks *= 2) counts.push_back(ranks);
  counts.push_back(options.ranks);
  for (const std::uint32_t ranks : counts) {
    const Prediction at = predict(plan, batches, ranks, link);
    answer.text += fmt::format("\n{:6} {:10.3f} {:>9.1f}% {:>12} {:>14} {:>12}", ranks, at.seconds, 100 * at.efficiency,
                               bytes_text(at.memory), std::max(at.together, 1U), bytes_text(at.bytes));
    answer.json["runs"].push_back({{"ranks", ranks},
                                   {"seconds", at.seconds},
                                   {"efficiency", at.efficiency},
                                   {"memory_bytes", at.memory},
                                   {"ranks_per_batch", std::max(at.together, 1U)},
                                   {"bytes_sent", at.bytes}});
    if (ranks == options.ranks && at.shared) add_layers(plan, at, answer);
  }
  return answer;
}

}  // namespace obscura::cli
