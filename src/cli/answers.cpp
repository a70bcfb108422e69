// SPDX-License-Identifier: Apache-2.0
#include "cli/answers.h"

#include <fmt/format.h>

namespace obscura::cli {
namespace {

using Json = nlohmann::ordered_json;
using plan::AnswerKind;

/// "cat 0.9812", "cat 0.9812, dog 0.7001", "none"; of values "1.5 -2".
std::string text_of(const plan::AnswerSpec& spec, std::span<const float> row, bool probabilities) {
  if (spec.kind == AnswerKind::values) {
    // Digits of a float: those of a double beyond them would be of its rounding.
    const std::vector<double> exact = client::apply_function(spec.function, row);
    const std::vector<float> values(exact.begin(), exact.end());
    return fmt::format("{}", fmt::join(values, " "));
  }
  const std::vector<double> share = client::probabilities(spec, row);
  std::string text;
  for (const std::uint32_t label : client::labels(spec, row)) {
    text += (text.empty() ? "" : ", ") + client::name_of(spec, label);
    if (probabilities) text += fmt::format(" {:.4f}", share[spec.kind == AnswerKind::binary ? 0 : label]);
  }
  return text.empty() ? "none" : text;
}

/// A number or name where there is one label, an array where there may be several.
template <class T>
Json one_or_several(const plan::AnswerSpec& spec, const std::vector<T>& values) {
  return spec.kind == AnswerKind::several ? Json(values) : Json(values.front());
}

}  // namespace

nlohmann::ordered_json standardise_json(const base::Standardisation& standardise) {
  if (!standardise) return nullptr;
  return {standardise.floor, standardise.clip};
}

Json answer_json(const plan::AnswerSpec& answer) {
  return {{"kind", plan::to_string(answer.kind)},
          {"function", plan::to_string(answer.function)},
          {"class_names", answer.class_names}};
}

std::span<const float> row_of(const client::Logits& logits, std::size_t image) {
  return std::span(logits.values).subspan(image * logits.classes, logits.classes);
}

void add_answers(const plan::AnswerSpec& spec, const client::Logits& logits, const AnswerView& view, Answer& answer) {
  Json labels = Json::array(), names = Json::array(), shares = Json::array(), answers = Json::array(),
       rows = Json::array();
  for (std::size_t i = 0; i < logits.images; ++i) {
    const auto row = row_of(logits, i);
    if (spec.kind != AnswerKind::values) {
      const std::vector<std::uint32_t> chosen = client::labels(spec, row);
      std::vector<std::string> called;
      called.reserve(chosen.size());
      for (const std::uint32_t label : chosen) called.push_back(client::name_of(spec, label));
      labels.push_back(one_or_several(spec, chosen));
      names.push_back(one_or_several(spec, called));
      shares.push_back(client::probabilities(spec, row));
    }
    answers.push_back(client::apply_function(spec.function, row));
    rows.push_back(row);
    const bool numbers = view.logits || (!view.probabilities && spec.kind != AnswerKind::values);
    answer.text += fmt::format("{} {}{}{}\n", i, text_of(spec, row, view.probabilities), numbers ? " " : "",
                               numbers ? fmt::format("{}", fmt::join(row, " ")) : "");
  }
  if (spec.kind != AnswerKind::values) {
    answer.json["labels"] = std::move(labels);
    if (!spec.class_names.empty()) answer.json["names"] = std::move(names);
    if (view.probabilities) answer.json["probabilities"] = std::move(shares);
  }
  answer.json["answers"] = std::move(answers);
  answer.json["logits"] = std::move(rows);
}

std::vector<std::uint32_t> labels_of(const plan::AnswerSpec& spec, const client::Logits& logits) {
  std::vector<std::uint32_t> out;
  for (std::size_t i = 0; i < logits.images; ++i) out.push_back(client::labels(spec, row_of(logits, i)).front());
  return out;
}

Result<void> needs_one_label(const plan::AnswerSpec& spec, const std::string& option) {
  if (spec.kind == AnswerKind::one || spec.kind == AnswerKind::binary) return {};
  return error(Code::wrong_params, "{}: it is for answers with one label an image, but those of this offer are '{}'",
               option, plan::to_string(spec.kind));
}

void add_names(const api::Images& images, Answer& answer) {
  auto& files = answer.json["files"] = nlohmann::ordered_json::array();
  std::string text;
  for (std::size_t i = 0, at = 0; i < images.count(); ++i) {
    files.push_back(images.name(i));
    const std::size_t end = answer.text.find('\n', at);
    text += answer.text.substr(at, end - at) + " " + images.name(i) + "\n";
    at = end + 1;
  }
  answer.text = text;
}

}  // namespace obscura::cli
