// SPDX-License-Identifier: Apache-2.0
#include "api/marks.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "client/answer.h"

namespace obscura::api {
namespace {

using plan::AnswerKind;

void mark_labels(const plan::AnswerSpec& answer, const Compared& logits, const std::vector<std::uint16_t>& labels,
                 Marks& out) {
  const auto predictions = predict(logits.actual, logits.outputs, answer.kind);
  const auto expected = predict(logits.reference, logits.outputs, answer.kind);
  const Score score = api::score(predictions, expected, labels, logits.outputs);
  if (score.labelled) out.reference_correct = api::score(expected, expected, labels, logits.outputs).correct;
  out.not_finite = score.not_finite;
  out.agreement = score.share(score.agreeing);
  out.score = score;
  for (const Prediction& one : predictions) {
    auto& label = out.labels.emplace_back();
    if (one.finite) label.emplace(1, one.label());
  }
}

/// The rows of two sets of logits, image by image.
struct MarkRow {
  std::span<const float> actual, reference;
  bool finite() const {
    const auto fine = [](float x) { return std::isfinite(x); };
    return std::all_of(actual.begin(), actual.end(), fine) && std::all_of(reference.begin(), reference.end(), fine);
  }
};
MarkRow row_of(const Compared& logits, std::size_t image) {
  return {logits.actual.subspan(image * logits.outputs, logits.outputs),
          logits.reference.subspan(image * logits.outputs, logits.outputs)};
}

void mark_sets(const plan::AnswerSpec& answer, const Compared& logits, Marks& out) {
  std::size_t agreeing = 0;
  for (std::size_t i = 0; i < out.images; ++i) {
    const MarkRow row = row_of(logits, i);
    auto& labels = out.labels.emplace_back();
    if (!row.finite()) {
      ++out.not_finite;
      continue;
    }
    labels = client::labels(answer, row.actual);
    agreeing += *labels == client::labels(answer, row.reference) ? 1 : 0;
  }
  out.agreement = static_cast<double>(agreeing) / static_cast<double>(out.images);
}

void mark_values(const plan::AnswerSpec& answer, const Compared& logits, const std::vector<std::uint16_t>& labels,
                 Marks& out) {
  const bool beside_labels = logits.outputs == 1 && !labels.empty();
  ValueError sum;
  for (std::size_t i = 0; i < out.images; ++i) {
    const MarkRow row = row_of(logits, i);
    out.not_finite += row.finite() ? 0 : 1;
    if (!row.finite() || !beside_labels) continue;
    sum.mean += std::abs(client::apply_function(answer.function, row.actual).front() - labels[i]);
    sum.reference_mean += std::abs(client::apply_function(answer.function, row.reference).front() - labels[i]);
  }
  if (!beside_labels || out.not_finite == out.images) return;
  const auto finite = static_cast<double>(out.images - out.not_finite);
  out.value = {sum.mean / finite, sum.reference_mean / finite};
}

}  // namespace

Marks mark(const plan::AnswerSpec& answer, const Compared& logits, const std::vector<std::uint16_t>& labels) {
  Marks out;
  out.kind = answer.kind;
  out.images = logits.actual.size() / logits.outputs;
  const std::size_t numbers = out.images * logits.outputs;
  OBSCURA_CHECK(logits.actual.size() == numbers && logits.reference.size() == numbers &&
                    (labels.empty() || labels.size() == out.images),
                "{} and {} logits of {} outputs, {} labels", logits.actual.size(), logits.reference.size(),
                logits.outputs, labels.size());
  out.error = compare_logits(logits.actual, logits.reference, logits.outputs);
  switch (answer.kind) {
    case AnswerKind::one:
    case AnswerKind::binary:
      mark_labels(answer, logits, labels, out);
      break;
    case AnswerKind::several:
      mark_sets(answer, logits, out);
      break;
    case AnswerKind::values:
      mark_values(answer, logits, labels, out);
      break;
  }
  return out;
}

Result<Images> images_to_mark(const Selection& selection, const data::ImageShape& shape, std::size_t outputs,
                              const plan::AnswerSpec& answer, const std::string& network) {
  const bool binary = answer.kind == AnswerKind::binary;
  const std::size_t labels_below = answer.kind == AnswerKind::one ? outputs : binary ? 2 : 0;  // 0: any
  OBSCURA_TRY(Images images, Images::of(selection, shape, labels_below));
  if (!binary || images.class_names().size() <= 2) return images;
  return error(Code::wrong_params,
               "{}: its answer is binary, label 0 or 1, but {} has {} classes; 2 are allowed, or --answer values",
               network, images.source(), images.class_names().size());
}

}  // namespace obscura::api
