// SPDX-License-Identifier: Apache-2.0
/// What a backend's logits are worth beside those of a reference, by the kind of answer: what `evaluate` reports.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "api/images.h"
#include "base/check.h"
#include "plan/answer.h"

namespace obscura::cli {

/// Logits of the same images, image after image.
struct Compared {
  std::size_t outputs = 0;
  std::span<const float> actual;
  std::span<const float> reference;
  std::string reference_name;  ///< "float network"
};

struct Marks {
  nlohmann::ordered_json json;
  std::string text;                    ///< lines
  nlohmann::ordered_json predictions;  ///< by image: the label, or of several the labels; null where not finite
};

/// one, binary: as Score, and the reference's number of correct ones. several: the share of images with the same labels
/// as the reference; `labels` have one an image, which says nothing of several. values: of one output the mean absolute
/// distance from the label as a number; else what compare_logits says is all there is. Without labels there is nothing
/// correct, and no distance.
/// needs: a label an image, or none at all
Marks mark(const plan::AnswerSpec& answer, const Compared& logits, const std::vector<std::uint16_t>& labels);

/// True labels are below this; 0: any may be. `outputs` of the network.
std::size_t label_bound(const plan::AnswerSpec& answer, std::size_t outputs);

/// errors: wrong_params: a binary answer, but images of more than two classes.
Result<void> check_classes(const plan::AnswerSpec& answer, const api::Images& images, const std::string& network);

}  // namespace obscura::cli
