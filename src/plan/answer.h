// SPDX-License-Identifier: Apache-2.0
/// What the numbers that a network gives say of an image. Arrow: compile -> plan and offer -> client/answer.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"

namespace obscura::plan {

/// A label is the number of an output, but for binary answers: 0 or 1.
enum class AnswerKind : std::uint8_t {
  one,      ///< one label: that of the largest output
  several,  ///< any number of labels, each for itself: those of the outputs that are not below 0
  binary,   ///< label 1 where the only output is not below 0, else 0
  values,   ///< the outputs themselves; no labels
};
inline constexpr int kAnswerKindCount = 4;
/// "one", "several", "binary", "values"
const char* to_string(AnswerKind kind);
/// The kind of that name; nothing of others.
std::optional<AnswerKind> answer_kind(const std::string& name);

/// What the client does with the outputs x of one image, as the end of the network's file has it.
enum class AnswerFunction : std::uint8_t {
  none,         ///< x
  softmax,      ///< e^x_k / sum_j e^x_j
  log_softmax,  ///< x_k - log sum_j e^x_j
  sigmoid,      ///< 1 / (1 + e^-x_k), of each
  argmax,       ///< the place of the largest
};
inline constexpr int kAnswerFunctionCount = 5;
/// "none", "softmax", "log_softmax", "sigmoid", "argmax"
const char* to_string(AnswerFunction function);

struct AnswerSpec {
  AnswerKind kind = AnswerKind::one;
  AnswerFunction function = AnswerFunction::none;
  /// None, or one an output; of binary answers also two, those of labels 0 and 1 (one is that of label 1).
  std::vector<std::string> class_names = {};
  bool operator==(const AnswerSpec&) const = default;
};

/// Bounds of class names, in bytes: of one, and of all together.
inline constexpr std::size_t kMaxClassName = 256;
inline constexpr std::size_t kMaxClassNames = std::size_t{1} << 18;

/// The kind goes with this number of outputs and with the function, and so do the class names, which are readable.
/// errors  bad_format, naming `place`
Result<void> verify_answer(const AnswerSpec& answer, std::uint32_t outputs, const std::string& place);

/// "one of 5, function softmax", "3 values, function none"
std::string describe(const AnswerSpec& answer, std::uint32_t outputs);
/// "cat, dog", and how many more beyond some; "none"
std::string describe_class_names(const AnswerSpec& answer);

}  // namespace obscura::plan
