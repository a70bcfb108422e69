// SPDX-License-Identifier: Apache-2.0
/// Decrypted answers as text and JSON, by their kind.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "api/images.h"
#include "cli/verb.h"
#include "client/answer.h"
#include "client/client.h"

namespace obscura::cli {

/// "kind", "function", "class_names".
nlohmann::ordered_json answer_json(const plan::AnswerSpec& answer);
/// [floor, clip], or null where images are not standardised.
nlohmann::ordered_json standardise_json(const base::Standardisation& standardise);

struct AnswerView {
  bool probabilities = true;  ///< else the logits in their place: of what is published
  bool logits = false;        ///< after them, the logits
};

/// A line an image: its number, its labels by name, and their probabilities (of a binary answer that of label 1); of
/// values the numbers after the function. JSON: "labels" (a number, of several an array, of values absent), "names"
/// where classes have some, "probabilities", "answers" (the function over the logits) and "logits", each by image.
void add_answers(const plan::AnswerSpec& spec, const client::Logits& logits, const AnswerView& view, Answer& answer);

/// The logits of one image.
std::span<const float> row_of(const client::Logits& logits, std::size_t image);

/// The label of each image. needs: a kind with one label, one or binary
std::vector<std::uint32_t> labels_of(const plan::AnswerSpec& spec, const client::Logits& logits);

/// The names of the files, each at the end of its image's line, and as "files".
void add_names(const api::Images& images, Answer& answer);

/// errors: wrong_params: an answer that has not one label; `option` wants one.
Result<void> needs_one_label(const plan::AnswerSpec& spec, const std::string& option);

}  // namespace obscura::cli
