// SPDX-License-Identifier: Apache-2.0
/// What decrypted logits say of an image. Arrow: plan::AnswerSpec of the offer -> what a person or a program reads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plan/answer.h"

namespace obscura::client {

// All of these take the logits of one image, finite, and as many as the offer has classes.

/// The function over the logits: what the network's file itself would give. Of argmax one number, the place of the
/// largest (the first of equals).
std::vector<double> apply_function(plan::AnswerFunction function, std::span<const float> logits);

/// How likely each label is. one: softmax, or the sigmoid of each where that is the function; several: the sigmoid of
/// each; binary: one number, of label 1; values: nothing.
std::vector<double> probabilities(const plan::AnswerSpec& answer, std::span<const float> logits);

/// The labels that the logits choose. one: that of the largest (the first of equals); several: those of logits that are
/// not below 0, whose probability is at least 1/2, ascending, maybe none; binary: 1 where the logit is not below 0,
/// else 0; values: none.
std::vector<std::uint32_t> labels(const plan::AnswerSpec& answer, std::span<const float> logits);

/// The class name of a label; its number where it has none.
std::string name_of(const plan::AnswerSpec& answer, std::uint32_t label);

}  // namespace obscura::client
