// SPDX-License-Identifier: Apache-2.0
#include "cli/marks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/score.h"
#include "cli/support.h"
#include "client/answer.h"

namespace obscura::cli {
namespace {

using Json = nlohmann::ordered_json;
using plan::AnswerKind;

Marks mark_labels(const plan::AnswerSpec& answer, const Compared& logits, const std::vector<std::uint16_t>& labels) {
  const auto predictions = predict(logits.actual, logits.outputs, answer.kind);
  const auto expected = predict(logits.reference, logits.outputs, answer.kind);
  const Score score = cli::score(predictions, expected, labels, logits.outputs);
  const auto percent = [&](std::size_t part) { return 100 * score.share(part); };
  Marks out;
  add_score(out.json, score);
  out.json["reference_correct"] = nullptr;
  if (score.labelled) {
    out.json["reference_correct"] = cli::score(expected, expected, labels, logits.outputs).correct;
    out.text = fmt::format("  correct            {} ({:.2f} %)\n", score.correct, percent(score.correct));
  }
  if (score.top) {
    out.text += score.labelled ? fmt::format("  top 5 correct      {} ({:.2f} %); ", score.top->correct,
                                             percent(score.top->correct))
                               : "  top 5              ";
    out.text += fmt::format("holds the {}'s label {:.2f} %, the same five {:.2f} %\n", logits.reference_name,
                            percent(score.top->holding), percent(score.top->agreeing));
  }
  out.text +=
      fmt::format("  agreement          {:.2f} % with the {}\n", percent(score.agreeing), logits.reference_name);
  if (score.not_finite > 0) {
    out.text += fmt::format("  not finite         {}: counted as wrong\n", api::plural(score.not_finite, "image"));
  }
  for (const Prediction& one : predictions) out.predictions.push_back(one.finite ? Json(one.label()) : Json());
  return out;
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

Marks mark_sets(const plan::AnswerSpec& answer, const Compared& logits, std::size_t images) {
  std::size_t agreeing = 0, not_finite = 0;
  Marks out;
  for (std::size_t i = 0; i < images; ++i) {
    const MarkRow row = row_of(logits, i);
    if (!row.finite()) {
      ++not_finite;
      out.predictions.push_back(nullptr);
      continue;
    }
    const auto chosen = client::labels(answer, row.actual);
    agreeing += chosen == client::labels(answer, row.reference) ? 1 : 0;
    out.predictions.push_back(chosen);
  }
  const double share = static_cast<double>(agreeing) / static_cast<double>(images);
  out.json = {{"agreement", share}, {"not_finite", not_finite}};
  out.text = fmt::format("  agreement          {:.2f} % have the same labels as with the {}\n", 100 * share,
                         logits.reference_name);
  if (not_finite > 0) {
    out.text += fmt::format("  not finite         {}: in agreement with nothing\n", api::plural(not_finite, "image"));
  }
  return out;
}

Marks mark_values(const plan::AnswerSpec& answer, const Compared& logits, std::size_t images,
                  const std::vector<std::uint16_t>& labels) {
  std::size_t finite = 0;
  double mine = 0, others = 0;
  Marks out;
  for (std::size_t i = 0; i < images; ++i) {
    const MarkRow row = row_of(logits, i);
    if (!row.finite()) continue;
    ++finite;
    if (logits.outputs != 1 || labels.empty()) continue;
    mine += std::abs(client::apply_function(answer.function, row.actual).front() - labels[i]);
    others += std::abs(client::apply_function(answer.function, row.reference).front() - labels[i]);
  }
  out.json["not_finite"] = images - finite;
  if (finite < images) {
    out.text = fmt::format("  not finite         {}\n", api::plural(images - finite, "image"));
  }
  if (logits.outputs != 1 || labels.empty() || finite == 0) return out;
  mine /= static_cast<double>(finite);
  others /= static_cast<double>(finite);
  out.json["mean_absolute_error"] = mine;
  out.json["reference_mean_absolute_error"] = others;
  out.text += fmt::format("  mean abs. error    {:.4g} beside the labels; the {} has {:.4g}\n", mine,
                          logits.reference_name, others);
  return out;
}

}  // namespace

Marks mark(const plan::AnswerSpec& answer, const Compared& logits, const std::vector<std::uint16_t>& labels) {
  const std::size_t images = logits.actual.size() / logits.outputs, numbers = images * logits.outputs;
  OBSCURA_CHECK(logits.actual.size() == numbers && logits.reference.size() == numbers &&
                    (labels.empty() || labels.size() == images),
                "{} and {} logits of {} outputs, {} labels", logits.actual.size(), logits.reference.size(),
                logits.outputs, labels.size());
  switch (answer.kind) {
    case AnswerKind::one:
    case AnswerKind::binary:
      break;
    case AnswerKind::several:
      return mark_sets(answer, logits, images);
    case AnswerKind::values:
      return mark_values(answer, logits, images, labels);
  }
  return mark_labels(answer, logits, labels);
}

std::size_t label_bound(const plan::AnswerSpec& answer, std::size_t outputs) {
  if (answer.kind == AnswerKind::one) return outputs;
  return answer.kind == AnswerKind::binary ? 2 : 0;
}

Result<void> check_classes(const plan::AnswerSpec& answer, const api::Images& images, const std::string& network) {
  if (answer.kind != AnswerKind::binary || images.class_names().size() <= 2) return {};
  return error(Code::wrong_params,
               "{}: its answer is binary, label 0 or 1, but {} has {} classes; 2 are allowed, or --answer values",
               network, images.source(), images.class_names().size());
}

}  // namespace obscura::cli
