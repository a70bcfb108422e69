// SPDX-License-Identifier: Apache-2.0
#include "obscura/compiler.h"

#include <algorithm>
#include <utility>

#include "api/approximations.h"
#include "api/streams.h"
#include "base/normalise.h"
#include "calibrate/chooser.h"
#include "compile/compile.h"
#include "compile/front/approximation.h"
#include "compile/readiness.h"
#include "eval/network.h"
#include "nn/onnx.h"
#include "run/clear_backend.h"
#include "server/server.h"
#include "wire/plan_frame.h"

namespace obscura {

struct Network::Internal {
  nn::Graph graph;
  compile::Readiness readiness;
  const nn::Shape& shape() const { return graph.values[graph.input].shape; }
};

namespace {

/// Images in units of pixel / 255 as the network takes them.
Result<std::vector<float>> fed(const Network& network, std::span<const float> images, std::span<const double> mean,
                               std::span<const double> deviation) {
  const std::size_t size = network.image_size();
  if (images.empty() || images.size() % size != 0) {
    return error(Code::wrong_params, "{} values are not one or more images of {}", images.size(), size);
  }
  for (const auto& [values, what] : {std::pair{mean, "means"}, std::pair{deviation, "deviations"}}) {
    if (!values.empty() && values.size() != network.channels()) {
      return error(Code::wrong_params, "{} {}; {} has {} channels", values.size(), what, network.name(),
                   network.channels());
    }
  }
  return base::normalise(images, network.channels(), network.height() * network.width(), mean, deviation);
}

/// What was given, else what the file says.
const std::vector<double>& or_file(const std::vector<double>& given, const std::vector<double>& file) {
  return given.empty() ? file : given;
}

Result<compile::Approximations> chosen(const nn::Graph& graph, const CompileOptions& options,
                                       std::span<const float> calibration) {
  if (calibration.empty()) {
    return error(Code::wrong_params,
                 "{} has functions that are no polynomials: CompileOptions::calibration gives the training images that "
                 "polynomials are chosen by",
                 graph.name);
  }
  OBSCURA_TRY(calibrate::Chooser chooser,
              calibrate::Chooser::make(graph, calibration, calibrate::kDefaultMargin, {}, options.progress));
  OBSCURA_TRY(const calibrate::Choice choice,
              options.alpha ? chooser.alike(*options.alpha) : chooser.automatic(options.max_loss));
  return api::approximations_of(graph, choice);
}

/// The caller's polynomials, and where they are not for all functions, chosen ones for the others.
Result<compile::Approximations> approximate(const nn::Graph& graph, const CompileOptions& options,
                                            std::span<const float> calibration) {
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
  const auto functions = std::count_if(graph.nodes.begin(), graph.nodes.end(), eval::is_activation);
  if (!own.empty() && std::cmp_equal(own.size(), functions)) return own;
  OBSCURA_TRY(compile::Approximations all, chosen(graph, options, calibration));
  for (auto& [node, activation] : own) all[node] = std::move(activation);
  return all;
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
std::size_t Network::outputs() const {
  const nn::Graph& graph = internal_->graph;
  return static_cast<std::size_t>(nn::element_count(graph.values[graph.output].shape));
}
bool Network::needs_calibration() const { return internal_->readiness.verdict == compile::Verdict::options; }
std::string Network::verdict() const { return internal_->readiness.sentence; }

Result<std::vector<float>> Network::run(std::span<const float> images, std::span<const double> mean,
                                        std::span<const double> deviation) const {
  const nn::Metadata& file = internal_->graph.metadata;
  OBSCURA_TRY(const std::vector<float> values, fed(*this, images, mean.empty() ? std::span(file.mean) : mean,
                                                   deviation.empty() ? std::span(file.deviation) : deviation));
  OBSCURA_TRY(const eval::Network network, eval::Network::make(internal_->graph, {}));
  OBSCURA_TRY(eval::Outcome outcome, network.run(values, values.size() / image_size()));
  return std::move(outcome.logits);
}

Result<Plan> Network::compile(const CompileOptions& options) const {
  const nn::Graph& graph = internal_->graph;
  const nn::Metadata& file = graph.metadata;
  compile::Options how;
  how.batch = options.batch;
  how.mean = or_file(options.mean, file.mean);
  how.deviation = or_file(options.deviation, file.deviation);
  how.class_names = file.class_names;
  how.headroom_bits = file.headroom_bits;
  how.max_error_std = file.max_error.value_or(0);
  how.memory = options.memory;
  how.max_key_bytes = options.max_key_bytes;
  how.report = options.progress;
  OBSCURA_TRY_VOID(compile::require_ready(
      graph, how.layout, options.alpha || !options.activations.empty() || !options.calibration.empty()));
  std::vector<float> calibration;
  if (!options.calibration.empty()) {
    OBSCURA_TRY(calibration, fed(*this, options.calibration, how.mean, how.deviation));
  }
  if (needs_calibration() || options.alpha || !options.activations.empty()) {
    OBSCURA_TRY(how.approximations, approximate(graph, options, calibration));
  }
  constexpr std::size_t kCalibrationImages = 256;
  how.calibration = std::span(calibration).first(std::min(calibration.size(), kCalibrationImages * image_size()));
  OBSCURA_TRY(const plan::Plan plan, compile::compile(graph, how));
  return Plan{wire::write_plan(plan), plan.name,   plan.images_at_once(), plan.predicted_seconds, plan.predicted_bytes,
              plan.output.error_std,  plan.reasons};
}

Result<std::vector<float>> Plan::simulate(std::span<const float> images,
                                          std::optional<std::uint64_t> noise_seed) const {
  OBSCURA_TRY(wire::NamedPlan named, wire::read_plan(bytes, network));
  const plan::InputSpec& input = named.plan.input;
  const std::size_t size = input.elements();
  if (images.empty() || images.size() % size != 0) {
    return error(Code::wrong_params, "{} values are not one or more images of {}", images.size(), size);
  }
  const std::vector<float> values =
      base::normalise(images, input.channels, std::size_t{input.height} * input.width, input.mean, input.deviation);
  OBSCURA_TRY(server::Allotment allotment, server::allot(named.plan, 0));
  std::shared_ptr<const ckks::Bootstrapper> bootstrapper;  // predicts noise
  if (noise_seed) {
    OBSCURA_TRY(bootstrapper, plan::make_bootstrapper(named.plan.bootstrap));
  }
  const run::EncodedModel model(std::move(named.plan), std::move(allotment.schedule), std::move(bootstrapper));
  return run::run_clear(model, values, values.size() / size, noise_seed);
}

}  // namespace obscura
