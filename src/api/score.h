// SPDX-License-Identifier: Apache-2.0
/// What logits say of images, and how two sets of logits differ.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "plan/answer.h"

namespace obscura::api {

/// Of no class: of an image whose logits are not all finite, so that it is wrong whatever its label.
inline constexpr std::uint32_t kNoLabel = 0xFFFFFFFF;
inline constexpr std::size_t kTop = 5;
/// With more classes than this, the five likeliest are reported too.
inline constexpr std::size_t kTopClasses = 10;

/// What a network says of one image.
struct Prediction {
  bool finite = true;
  /// The labels of the largest logits, the largest first (of equals the lower label); kNoLabel beyond the number of
  /// classes, and everywhere where a logit is NaN or infinite.
  std::array<std::uint32_t, kTop> best{};

  std::uint32_t label() const { return best[0]; }
  /// Whether it is one of the five; never of kNoLabel.
  bool among_best(std::uint32_t label) const;
};

/// One for each row of `classes` logits. kind: one or, with one logit a row, binary: then the label is 1 where it is
/// not below 0, else 0, and the other label comes second.
std::vector<Prediction> predict(std::span<const float> logits, std::size_t classes,
                                plan::AnswerKind kind = plan::AnswerKind::one);

/// Numbers of images, by the five likeliest labels.
struct TopScore {
  std::size_t correct = 0;   ///< the true label is among the five
  std::size_t holding = 0;   ///< the reference's label is among the five
  std::size_t agreeing = 0;  ///< the same five as the reference, in any order
};

/// Numbers of images, by their labels.
struct Score {
  std::size_t images = 0;
  bool labelled = true;        ///< without labels nothing is correct or wrong
  std::size_t not_finite = 0;  ///< images whose logits are not all finite: wrong, and in agreement with nothing
  std::size_t correct = 0;
  std::size_t agreeing = 0;     ///< the same label as the reference
  std::optional<TopScore> top;  ///< with more than kTopClasses classes

  double share(std::size_t part) const { return static_cast<double>(part) / static_cast<double>(images); }
};

/// `labels` has the truth, or is empty where it is not known; `reference` is what another network says of the same
/// images.
Score score(const std::vector<Prediction>& predictions, const std::vector<Prediction>& reference,
            const std::vector<std::uint16_t>& labels, std::size_t classes);

/// How far logits are from those of a reference, over the images where both are finite.
struct LogitError {
  std::size_t images = 0;
  double largest = 0;
  double deviation = 0;
};
LogitError compare_logits(std::span<const float> actual, std::span<const float> reference, std::size_t classes);

}  // namespace obscura::api
