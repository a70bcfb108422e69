// SPDX-License-Identifier: Apache-2.0
#include "api/evaluation.h"

#include <algorithm>
#include <utility>

#include "compile/answer.h"

namespace obscura::api {
namespace {

constexpr std::size_t kDefaultBatch = 16384;

/// What messages call it.
const std::string& subject_of(const EvaluationJob& job) { return job.plan.empty() ? job.network : job.plan; }

Result<void> open_plan(const EvaluationJob& job, Evaluation& out) {
  OBSCURA_TRY(out.plan, wire::read_plan_file(job.plan));
  const plan::InputSpec& input = out.plan->plan.input;
  out.settings.normalization = {input.mean, input.std, false, input.standardise};
  out.answer = out.plan->plan.output.answer;
  if (job.network.empty()) return {};
  OBSCURA_TRY(out.graph, nn::read_onnx_file(job.network, job.read));
  if (shape_of(*out.graph) == shape_of(input)) return {};
  return error(Code::wrong_params, "{}: takes images of {}, but {} those of {}", job.network,
               to_string(shape_of(*out.graph)), job.plan, to_string(shape_of(input)));
}

Result<void> open_network(const EvaluationJob& job, Evaluation& out) {
  out.settings = job.settings;
  OBSCURA_TRY(out.graph, nn::read_onnx_file(job.network, job.read));
  const auto take = takes_plan(job.backend) ? take_metadata : take_normalization;
  OBSCURA_TRY_VOID(take(out.settings, *out.graph, job.network));
  OBSCURA_TRY(out.answer, compile::answer_of(*out.graph, out.settings.answer, out.settings.class_names));
  if (!takes_plan(job.backend)) return {};
  OBSCURA_TRY_VOID(refuse_bgr(out.settings.normalization));
  return prepare(out.settings, *out.graph, job.network, {});
}

Result<void> find_images(const EvaluationJob& job, Evaluation& out) {
  const std::size_t outputs = out.plan ? out.plan->plan.output.classes : outputs_of(*out.graph);
  const data::ImageShape shape = out.plan ? shape_of(out.plan->plan.input) : shape_of(*out.graph);
  OBSCURA_TRY(out.images, images_to_mark(job.selection, shape, outputs, out.answer, subject_of(job)));
  return {};
}

Result<void> compile_network(const EvaluationJob& job, Evaluation& out) {
  PlanJob making = job.making;
  if (making.options.batch == 0) {
    making.options.batch = static_cast<std::uint32_t>(std::min(out.images.count(), kDefaultBatch));
  }
  OBSCURA_TRY(plan::Plan plan, make_plan(out.settings, *out.graph, job.network, making));
  const wire::Digest digest = wire::frame_digest(wire::write_plan(plan));
  out.plan = wire::NamedPlan{std::move(plan), digest};
  return {};
}

/// The plan of clear and ckks. Gives the reference's logits.
Result<std::vector<float>> run_plan(const EvaluationJob& job, Evaluation& out) {
  PlanOptions how{job.memory, job.noise_seed, {}, job.making.options.report, job.resources};
  how.before = [&](std::uint64_t bytes) {
    out.memory = bytes;
    if (job.before) job.before(out.images.count(), bytes);
  };
  OBSCURA_TRY(out.inference, job.backend == Backend::clear ? infer_clear(out.plan->plan, out.images, how)
                                                           : infer_encrypted(*out.plan, out.images, how));
  OBSCURA_TRY(Inference reference,
              out.graph ? infer_float(*out.graph, out.images, out.settings.normalization, how.report)
                        : infer_clear(out.plan->plan, out.images, {job.memory, {}, {}, how.report, job.resources}));
  return std::move(reference.logits);
}

/// The network on polynomials, beside itself in floating point. Gives the latter's logits.
Result<std::vector<float>> run_polynomials(const EvaluationJob& job, Evaluation& out) {
  const compile::Report& report = job.making.options.report;
  OBSCURA_TRY(data::Dataset images, out.images.read(0, out.images.count()));
  const std::vector<float> pixels = normalise(images, out.settings.normalization);
  OBSCURA_TRY(calibrate::Chooser chooser,
              make_chooser(*out.graph, job.making.training, out.settings.normalization, job.making.ranges, report,
                           calibrate::Measured::everything, compile::most_activation_levels()));
  OBSCURA_TRY(out.choice, choose(chooser, job.making.polynomials));
  OBSCURA_TRY(out.polynomials, infer_poly(*out.graph, out.choice, pixels, images.count(), job.noise, report));
  out.inference = std::move(out.polynomials->inference);
  out.inference.labels = std::move(images.labels);
  OBSCURA_TRY(Inference reference, infer_float(*out.graph, pixels, out.images.count(), report));
  return std::move(reference.logits);
}

/// The float network is its own reference.
Result<std::vector<float>> run_floats(const EvaluationJob& job, Evaluation& out) {
  OBSCURA_TRY(out.inference,
              infer_float(*out.graph, out.images, out.settings.normalization, job.making.options.report));
  return out.inference.logits;
}

}  // namespace

bool takes_plan(Backend backend) { return backend == Backend::clear || backend == Backend::ckks; }

Result<Evaluation> evaluate(const EvaluationJob& job) {
  OBSCURA_CHECK(job.plan.empty() || takes_plan(job.backend), "{}: a plan, for a backend that takes none", job.plan);
  Evaluation out;
  OBSCURA_TRY_VOID(job.plan.empty() ? open_network(job, out) : open_plan(job, out));
  OBSCURA_TRY_VOID(find_images(job, out));
  if (takes_plan(job.backend) && !out.plan) OBSCURA_TRY_VOID(compile_network(job, out));
  OBSCURA_TRY(const std::vector<float> reference, takes_plan(job.backend)               ? run_plan(job, out)
                                                  : job.backend == Backend::polynomials ? run_polynomials(job, out)
                                                                                        : run_floats(job, out));
  const std::size_t outputs = out.inference.logits.size() / out.images.count();
  out.marks = mark(out.answer, {outputs, out.inference.logits, reference}, out.inference.labels);
  return out;
}

}  // namespace obscura::api
