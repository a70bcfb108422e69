// SPDX-License-Identifier: Apache-2.0
#include "api/make_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/approximations.h"
#include "compile/readiness.h"
#include "eval/network.h"

namespace obscura::api {
namespace {

/// What stands for functions that are no polynomials, and what the plan says of them.
struct Approximated {
  compile::Approximations all;
  std::optional<std::string> reason = {};
};

/// Of an automatic choice.
std::optional<std::string> reason_of(const calibrate::Choice& choice, const PolynomialChoice& asked) {
  if (!choice.tried) return std::nullopt;
  const double allowed = asked.max_loss.value_or(calibrate::kDefaultMaxLoss), share = choice.tried->share();
  const std::string said = fmt::format("Polynomials change the answers of {:.2f} % of {} training images", 100 * share,
                                       choice.tried->images);
  if (share <= allowed) return fmt::format("{}; {:.2f} % are allowed (--max-loss).", said, 100 * allowed);
  return fmt::format(
      "{}, more than the {:.2f} % that were looked for (--max-loss): of those of at most {} levels an activation, "
      "which "
      "is what one bootstrapping leaves, none that were tried change fewer.",
      said, 100 * allowed, compile::most_activation_levels());
}

/// The caller's approximations, and chosen ones for the other functions.
Result<Approximated> approximate(const Settings& settings, const nn::Graph& graph, const std::string& network,
                                 const PlanJob& job) {
  const auto functions = std::count_if(graph.nodes.begin(), graph.nodes.end(), eval::is_activation);
  if (!job.own.empty() && std::cmp_equal(job.own.size(), functions)) return Approximated{job.own};
  if (!job.polynomials.precise() && compile::readiness(graph).verdict != compile::Verdict::options) {
    if (job.ranges.file.empty() && !job.polynomials.max_loss) return Approximated{job.own};
    return error(Code::wrong_params, "{}, {}: {} has no function that a polynomial would stand for",
                 option_name(settings.caller, "ranges"), option_name(settings.caller, "max-loss"), network);
  }
  if (job.training.none()) {
    return error(
        Code::wrong_params,
        "{} has functions that are no polynomials: {} gives the training images that polynomials are chosen by",
        network, option_name(settings.caller, "calibration"));
  }
  // Nobody asks what polynomials of one alpha do to the logits.
  const auto what = job.polynomials.alpha ? calibrate::Measured::extremes : calibrate::Measured::everything;
  OBSCURA_TRY(calibrate::Chooser chooser, make_chooser(graph, job.training, settings.normalization, job.ranges,
                                                       job.options.report, what, compile::most_activation_levels()));
  OBSCURA_TRY(const calibrate::Choice choice, choose(chooser, job.polynomials));
  Approximated out{approximations_of(graph, choice), reason_of(choice, job.polynomials)};
  for (const auto& [node, activation] : job.own) out.all[node] = activation;
  return out;
}

}  // namespace

Result<void> prepare(Settings& settings, const nn::Graph& graph, const std::string& network, const PlanJob& job) {
  OBSCURA_TRY_VOID(take_metadata(settings, graph, network));
  const PolynomialChoice& asked = job.polynomials;
  if (asked.alpha.has_value() + asked.depth.has_value() + asked.products.has_value() > 1) {
    return error(Code::wrong_params, "{}, {}, {}: more than one is given; one is allowed",
                 option_name(settings.caller, "alpha"), option_name(settings.caller, "depth"),
                 option_name(settings.caller, "products"));
  }
  const auto ready =
      compile::require_ready(graph, job.options.layout, asked.precise() || !job.own.empty() || !job.training.none());
  if (ready.ok()) return ready;
  const std::string more = settings.caller == Caller::command_line
                               ? fmt::format("; `obscura inspect {}` lists all nodes", network)
                               : std::string();
  return error(ready.error().code, "{}: {}{}", network, ready.error().message, more);
}

Result<plan::Plan> make_plan(const Settings& settings, const nn::Graph& graph, const std::string& network,
                             const PlanJob& job) {
  compile::Options how = job.options;
  apply(settings, how);
  std::vector<float> calibration;
  if (!job.training.none()) {
    OBSCURA_TRY(calibration, calibration_images(graph, job.training, settings.normalization, job.calibration_images,
                                                kCalibrationImages));
  }
  how.calibration = calibration;
  OBSCURA_TRY(Approximated approximated, approximate(settings, graph, network, job));
  how.approximations = std::move(approximated.all);
  auto plan = compile::compile(graph, how);
  if (plan) {
    if (approximated.reason) plan->reasons.push_back(std::move(*approximated.reason));
    OBSCURA_TRY_VOID(compile::tell(how.report, "plan", 1, 1));  // nothing is under way any more
    return plan;
  }
  return error(plan.error().code, "{}: {}", network, plan.error().message);
}

}  // namespace obscura::api
