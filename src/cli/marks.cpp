// SPDX-License-Identifier: Apache-2.0
#include "cli/marks.h"

#include <fmt/format.h>

#include "api/words.h"

namespace obscura::cli {
namespace {

using Json = nlohmann::ordered_json;
using plan::AnswerKind;

void describe_labels(const api::Marks& marks, const std::string& reference, MarksReport& out) {
  const api::Score& score = *marks.score;
  const auto percent = [&](std::size_t part) { return 100 * score.share(part); };
  add_score(out.json, score);
  out.json["reference_correct"] = nullptr;
  if (marks.reference_correct) {
    out.json["reference_correct"] = *marks.reference_correct;
    out.text = fmt::format("  correct            {} ({:.2f} %)\n", score.correct, percent(score.correct));
  }
  if (score.top) {
    out.text += score.labelled ? fmt::format("  top 5 correct      {} ({:.2f} %); ", score.top->correct,
                                             percent(score.top->correct))
                               : "  top 5              ";
    out.text += fmt::format("holds the {}'s label {:.2f} %, the same five {:.2f} %\n", reference,
                            percent(score.top->holding), percent(score.top->agreeing));
  }
  out.text += fmt::format("  agreement          {:.2f} % with the {}\n", percent(score.agreeing), reference);
  if (marks.not_finite > 0) {
    out.text += fmt::format("  not finite         {}: counted as wrong\n", api::plural(marks.not_finite, "image"));
  }
}

void describe_sets(const api::Marks& marks, const std::string& reference, MarksReport& out) {
  out.json = {{"agreement", *marks.agreement}, {"not_finite", marks.not_finite}};
  out.text = fmt::format("  agreement          {:.2f} % have the same labels as with the {}\n", 100 * *marks.agreement,
                         reference);
  if (marks.not_finite > 0) {
    out.text +=
        fmt::format("  not finite         {}: in agreement with nothing\n", api::plural(marks.not_finite, "image"));
  }
}

void describe_values(const api::Marks& marks, const std::string& reference, MarksReport& out) {
  out.json["not_finite"] = marks.not_finite;
  if (marks.not_finite > 0) {
    out.text = fmt::format("  not finite         {}\n", api::plural(marks.not_finite, "image"));
  }
  if (!marks.value) return;
  out.json["mean_absolute_error"] = marks.value->mean;
  out.json["reference_mean_absolute_error"] = marks.value->reference_mean;
  out.text += fmt::format("  mean abs. error    {:.4g} to the labels; the {} has {:.4g}\n", marks.value->mean,
                          reference, marks.value->reference_mean);
}

}  // namespace

void add_score(nlohmann::ordered_json& json, const api::Score& score) {
  const auto if_labelled = [&](auto figure) {
    return score.labelled ? nlohmann::ordered_json(figure) : nlohmann::ordered_json();
  };
  json["correct"] = if_labelled(score.correct);
  json["accuracy"] = if_labelled(score.share(score.correct));
  json["agreement"] = score.share(score.agreeing);
  json["not_finite"] = score.not_finite;
  if (!score.top) return;
  json["top5_correct"] = if_labelled(score.top->correct);
  json["top5_holds_label"] = score.share(score.top->holding);
  json["top5_agreement"] = score.share(score.top->agreeing);
}

std::string explain_score() {
  return "`agreement` is the share of images with the float network's label. With more than 10 classes: top 5 correct\n"
         "counts the images whose true label is among the five largest logits (top5_correct), `holds` is the share of\n"
         "those where the float network's label is (top5_holds_label), `same` that of those with the float network's\n"
         "five, in any order (top5_agreement). Images with a logit that is NaN or infinite are wrong and agree with\n"
         "nothing (not_finite counts them).";
}

void add_logit_error(nlohmann::ordered_json& json, const api::LogitError& difference) {
  const bool some = difference.images > 0;
  json["max_logit_error"] = some ? nlohmann::ordered_json(difference.largest) : nlohmann::ordered_json();
  json["measured_logit_error_std"] = some ? nlohmann::ordered_json(difference.deviation) : nlohmann::ordered_json();
  json["logit_error_images"] = difference.images;
}

std::string to_text(const api::LogitError& difference, std::size_t images) {
  if (difference.images == 0) return "none: no image has finite logits";
  std::string text = fmt::format("largest {:.3g}, standard deviation {:.3g}", difference.largest, difference.deviation);
  if (difference.images < images) {
    text +=
        fmt::format(" (of {} images; the logits of {} are not finite)", difference.images, images - difference.images);
  }
  return text;
}

MarksReport describe(const api::Marks& marks, const std::string& reference) {
  MarksReport out;
  switch (marks.kind) {
    case AnswerKind::one:
    case AnswerKind::binary:
      describe_labels(marks, reference, out);
      break;
    case AnswerKind::several:
      describe_sets(marks, reference, out);
      break;
    case AnswerKind::values:
      describe_values(marks, reference, out);
      break;
  }
  for (const auto& labels : marks.labels) {
    if (!labels) {
      out.predictions.push_back(nullptr);
    } else if (marks.kind == AnswerKind::several) {
      out.predictions.push_back(*labels);
    } else {
      out.predictions.push_back(labels->front());
    }
  }
  return out;
}

}  // namespace obscura::cli
