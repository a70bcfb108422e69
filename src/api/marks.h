// SPDX-License-Identifier: Apache-2.0
/// What a backend's logits are worth beside those of a reference, by the kind of answer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/images.h"
#include "api/score.h"
#include "plan/answer.h"

namespace obscura::api {

/// Logits of the same images, image after image.
struct Compared {
  std::size_t outputs = 0;
  std::span<const float> actual;
  std::span<const float> reference;
};

/// Mean absolute distance of one value an image from its label as a number.
struct ValueError {
  double mean = 0;
  double reference_mean = 0;
};

struct Marks {
  plan::AnswerKind kind = plan::AnswerKind::one;
  std::size_t images = 0;
  std::size_t not_finite = 0;  ///< images with a logit, of kinds but one and binary also of the reference, that is not
  std::optional<Score> score;  ///< of one and binary
  std::optional<std::size_t> reference_correct;  ///< of them, where images have labels
  std::optional<double> agreement;               ///< share of the images with the reference's labels; not of values
  std::optional<ValueError> value;               ///< of one value, where images have labels
  LogitError error;
  /// By image; nothing where it is not finite. Of values there are none at all.
  std::vector<std::optional<std::vector<std::uint32_t>>> labels;
};

/// one, binary: as Score, and the reference's number of correct ones. several: the share of images with the same labels
/// as the reference; `labels` have one an image, which says nothing of several. values: of one output the mean absolute
/// distance from the label as a number; else LogitError is all there is. Without labels there is nothing correct, and
/// no distance.
/// needs: a label an image, or none at all
Marks mark(const plan::AnswerSpec& answer, const Compared& logits, const std::vector<std::uint16_t>& labels);

/// Images of the shape that a network takes, with labels that it may answer. `network`: what messages call it.
/// errors: those of Images::of; wrong_params: a binary answer, but images of more than two classes.
Result<Images> images_to_mark(const Selection& selection, const data::ImageShape& shape, std::size_t outputs,
                              const plan::AnswerSpec& answer, const std::string& network);

}  // namespace obscura::api
