// SPDX-License-Identifier: Apache-2.0
#include "obscura/compiler.h"

#include <algorithm>
#include <utility>

#include "api/make_plan.h"
#include "api/shape.h"
#include "api/simulator.h"
#include "api/training.h"
#include "compile/front/approximation.h"
#include "compile/readiness.h"
#include "eval/network.h"
#include "nn/onnx.h"
#include "wire/plan_frame.h"

namespace obscura {

struct Network::Internal {
  nn::Graph graph;
  compile::Readiness readiness;
  const nn::Shape& shape() const { return graph.values[graph.input].shape; }
};

namespace {

api::Settings settings_of(std::span<const double> mean, std::span<const double> std) {
  api::Settings settings;
  settings.caller = api::Caller::program;
  settings.normalization.mean.assign(mean.begin(), mean.end());
  settings.normalization.std.assign(std.begin(), std.end());
  return settings;
}

compile::LayoutChoice layout_of(Layout layout) {
  switch (layout) {
    case Layout::image:
      return compile::LayoutChoice::image;
    case Layout::batch:
      return compile::LayoutChoice::batch;
    case Layout::automatic:
      break;
  }
  return compile::LayoutChoice::automatic;
}

/// The caller's polynomials by the nodes that they are for.
Result<compile::Approximations> own_activations(const nn::Graph& graph, const CompileOptions& options) {
  compile::Approximations own;
  for (const auto& one : options.activations) {
    const std::string& name = one.first;
    const OwnActivation& activation = one.second;
    const auto at =
        std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const nn::Node& n) { return n.name == name; });
    if (at == graph.nodes.end() || !eval::is_activation(*at)) {
      return error(Code::wrong_params, "CompileOptions::activations: {} has no node '{}' with a function to replace",
                   graph.name, name);
    }
    if (activation.coefficients.size() < 2 || !(activation.bound > 0)) {
      return error(Code::wrong_params,
                   "CompileOptions::activations: '{}': {} coefficients, bound {}; 2 or more, and a "
                   "bound above 0, are allowed",
                   name, activation.coefficients.size(), activation.bound);
    }
    own[static_cast<std::size_t>(at - graph.nodes.begin())] =
        compile::exact_form(activation.coefficients, activation.bound);
  }
  return own;
}

api::Settings settings_of(const CompileOptions& options) {
  api::Settings settings = settings_of(options.mean, options.std);
  settings.class_names = options.class_names;
  settings.headroom = options.headroom_bits;
  settings.max_error = options.max_error;
  return settings;
}

api::PlanJob job_of(const CompileOptions& options) {
  api::PlanJob job;
  job.options.batch = options.batch;
  job.options.layout = layout_of(options.layout);
  job.options.log2_degree = options.log2_degree;
  if (options.ring != Ring::automatic) {
    job.options.ring = options.ring == Ring::standard ? ckks::RingType::standard : ckks::RingType::conjugate_invariant;
  }
  job.options.memory = options.memory;
  job.options.max_key_bytes = options.max_key_bytes;
  job.options.report = options.progress;
  job.training = api::training_in(options.calibration);
  job.polynomials.alpha = options.alpha;
  job.polynomials.depth = options.depth;
  job.polynomials.products = options.products;
  return job;
}

Plan summary_of(const plan::Plan& plan, Bytes bytes) {
  return {std::move(bytes),      plan.name,   plan.images_at_once(), plan.predicted_seconds, plan.predicted_bytes,
          plan.output.error_std, plan.reasons};
}

}  // namespace

Result<Network> Network::read(const Source& onnx) {
  OBSCURA_TRY(nn::Graph graph,
              onnx.is_memory() ? nn::read_onnx(onnx.memory(), onnx.path().string()) : nn::read_onnx_file(onnx.path()));
  compile::Readiness readiness = compile::readiness(graph);
  return Network(std::make_shared<const Internal>(Internal{std::move(graph), std::move(readiness)}));
}

const std::string& Network::name() const { return internal_->graph.name; }
std::size_t Network::channels() const { return static_cast<std::size_t>(internal_->shape()[0]); }
std::size_t Network::height() const { return static_cast<std::size_t>(internal_->shape()[1]); }
std::size_t Network::width() const { return static_cast<std::size_t>(internal_->shape()[2]); }
std::size_t Network::outputs() const { return api::outputs_of(internal_->graph); }
bool Network::needs_calibration() const { return internal_->readiness.verdict == compile::Verdict::options; }
std::string Network::verdict() const { return internal_->readiness.sentence; }

Result<std::vector<float>> Network::run(std::span<const float> images, std::span<const double> mean,
                                        std::span<const double> std) const {
  const nn::Graph& graph = internal_->graph;
  const data::ImageShape shape = api::shape_of(graph);
  api::Settings settings = settings_of(mean, std);
  OBSCURA_TRY_VOID(api::take_normalization(settings, graph, graph.name));
  OBSCURA_TRY(const std::size_t count, api::count_images(images, shape));
  OBSCURA_TRY(const eval::Network network, eval::Network::make(graph, {}));
  OBSCURA_TRY(eval::Outcome outcome, network.run(api::normalise(images, shape, settings.normalization), count));
  return std::move(outcome.logits);
}

Result<Plan> Network::compile(const CompileOptions& options) const {
  const nn::Graph& graph = internal_->graph;
  api::Settings settings = settings_of(options);
  api::PlanJob job = job_of(options);
  if (needs_calibration() && !job.polynomials.precise()) job.polynomials.max_loss = options.max_loss;
  OBSCURA_TRY(job.own, own_activations(graph, options));
  OBSCURA_TRY_VOID(api::prepare(settings, graph, graph.name, job));
  OBSCURA_TRY(const plan::Plan plan, api::make_plan(settings, graph, graph.name, job));
  return summary_of(plan, wire::write_plan(plan));
}

Result<Plan> Plan::read(const Source& plan) {
  const std::string name = plan.path().string();
  Bytes bytes;
  if (plan.is_memory()) {
    bytes.assign(plan.memory().begin(), plan.memory().end());
  } else {
    OBSCURA_TRY(bytes, wire::read_frame_file(plan.path(), wire::Kind::plan, wire::kMaxPayload));
  }
  OBSCURA_TRY(const wire::NamedPlan named, wire::read_plan(bytes, name));
  return summary_of(named.plan, std::move(bytes));
}

Result<std::string> Plan::describe() const {
  OBSCURA_TRY(const wire::NamedPlan named, wire::read_plan(bytes, network));
  return plan::to_text(named.plan);
}

Result<std::vector<float>> Plan::simulate(std::span<const float> images, std::optional<std::uint64_t> noise_seed,
                                          const Progress& progress) const {
  OBSCURA_TRY(wire::NamedPlan named, wire::read_plan(bytes, network));
  OBSCURA_TRY_VOID(api::count_images(images, api::shape_of(named.plan.input)));
  OBSCURA_TRY(const api::Simulator simulator, api::Simulator::make(std::move(named.plan), 0, noise_seed.has_value()));
  return simulator.run(images, noise_seed, progress);
}

}  // namespace obscura
