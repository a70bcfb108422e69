// SPDX-License-Identifier: Apache-2.0
#include "api/sweep.h"

#include <fmt/format.h>

#include <utility>

#include "api/marks.h"
#include "compile/answer.h"

namespace obscura::api {
namespace {

/// The images and what the float network says of them.
struct Exam {
  Normalization normalization;
  plan::AnswerSpec answer;
  std::size_t classes = 0;
  std::vector<std::uint16_t> labels;
  std::vector<float> pixels;
  std::size_t images = 0;
  std::vector<float> logits;
  std::vector<Prediction> predictions;
};

/// errors: answers that have no accuracy.
Result<void> check_answer(const plan::AnswerSpec& answer, const std::string& network) {
  if (answer.kind == plan::AnswerKind::one || answer.kind == plan::AnswerKind::binary) return {};
  return error(Code::unsupported,
               "{}: its answer is '{}', which has no accuracy to draw; `obscura evaluate --backend poly` compares its "
               "outputs with the float network's",
               network, plan::to_string(answer.kind));
}

Result<Exam> prepare_exam(const SweepJob& job, const nn::Graph& graph) {
  Exam exam;
  Settings settings = job.settings;
  OBSCURA_TRY_VOID(take_normalization(settings, graph, job.network));
  exam.normalization = settings.normalization;
  OBSCURA_TRY(exam.answer, compile::answer_of(graph, settings.answer, settings.class_names));
  OBSCURA_TRY_VOID(check_answer(exam.answer, job.network));
  exam.classes = outputs_of(graph);
  OBSCURA_TRY(const Images source,
              images_to_mark(job.selection, shape_of(graph), exam.classes, exam.answer, job.network));
  OBSCURA_TRY(data::Dataset images, source.read(0, source.count()));
  exam.images = images.count();
  exam.pixels = normalise(images, exam.normalization);
  exam.labels = std::move(images.labels);
  OBSCURA_TRY(Inference inference, infer_float(graph, exam.pixels, exam.images, job.report));
  exam.logits = std::move(inference.logits);
  exam.predictions = predict(exam.logits, exam.classes, exam.answer.kind);
  return exam;
}

/// Measures a choice, or notes why there is none. errors: all but an infeasible choice.
Result<void> add_row(const SweepJob& job, const Exam& exam, bool layerwise, int alpha,
                     const Result<calibrate::Choice>& choice, Sweep& out) {
  if (!choice && choice.error().code == Code::infeasible) {
    out.left_out.push_back(
        fmt::format("alpha {}, {}: {}", alpha, layerwise ? "layerwise" : "alike", choice.error().message));
    return {};
  }
  if (!choice) return choice.error();
  OBSCURA_TRY(PolynomialInference result,
              infer_poly(out.graph, *choice, exam.pixels, exam.images, job.noise, job.report));
  const std::vector<float> logits = std::move(result.inference.logits);
  SweepRow& row = out.rows.emplace_back(SweepRow{layerwise, alpha, *choice, std::move(result), {}, {}});
  row.score = score(predict(logits, exam.classes, exam.answer.kind), exam.predictions, exam.labels, exam.classes);
  row.error = compare_logits(logits, exam.logits, exam.classes);
  return {};
}

}  // namespace

Result<Sweep> sweep(const SweepJob& job) {
  Sweep out;
  OBSCURA_TRY(out.graph, nn::read_onnx_file(job.network, job.read));
  OBSCURA_TRY(const Exam exam, prepare_exam(job, out.graph));
  out.score = score(exam.predictions, exam.predictions, exam.labels, exam.classes);
  OBSCURA_TRY(calibrate::Chooser chooser,
              make_chooser(out.graph, job.training, exam.normalization, job.ranges, job.report));
  out.calibration_images = chooser.calibration().images;
  if (chooser.calibration().ranges.empty()) {
    return error(Code::unsupported, "{}: all its activations are polynomials already; `obscura evaluate` measures it",
                 job.network);
  }
  for (int alpha = job.from; alpha <= job.to; ++alpha) {
    const Result<calibrate::Choice> alike = chooser.alike(alpha);
    OBSCURA_TRY_VOID(add_row(job, exam, false, alpha, alike, out));
    if (!job.layerwise || !alike) continue;
    const auto layerwise = chooser.layerwise_within(alike->logit_error, calibrate::Budget::Of::depth);
    OBSCURA_TRY_VOID(add_row(job, exam, true, alpha, layerwise, out));
  }
  if (out.rows.empty()) return error(Code::infeasible, "{}", out.left_out.front());
  return out;
}

}  // namespace obscura::api
