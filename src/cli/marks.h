// SPDX-License-Identifier: Apache-2.0
/// Figures of how good logits are, as text and JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "api/marks.h"

namespace obscura::cli {

/// "correct", "accuracy" (null without labels), "agreement", "not_finite", and with `top` "top5_correct" (likewise),
/// "top5_holds_label" and "top5_agreement".
void add_score(nlohmann::ordered_json& json, const api::Score& score);

/// What --help says of these.
std::string explain_score();

/// "max_logit_error" and "measured_logit_error_std" (null of no images), and "logit_error_images".
void add_logit_error(nlohmann::ordered_json& json, const api::LogitError& difference);

/// "largest 0.1, standard deviation 0.02", and of how many images where some are left out.
std::string to_text(const api::LogitError& difference, std::size_t images);

struct MarksReport {
  nlohmann::ordered_json json;         ///< without the logits' error
  std::string text;                    ///< lines, likewise
  nlohmann::ordered_json predictions;  ///< by image: the label, or of several the labels; null where not finite
};
/// `reference`: "float network".
MarksReport describe(const api::Marks& marks, const std::string& reference);

}  // namespace obscura::cli
