// SPDX-License-Identifier: Apache-2.0
#include "plan/answer.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"

namespace obscura::plan {
namespace {

constexpr std::array<const char*, kAnswerKindCount> kKinds = {"one", "several", "binary", "values"};
constexpr std::array<const char*, kAnswerFunctionCount> kFunctions = {"none", "softmax", "log_softmax", "sigmoid",
                                                                      "argmax"};
constexpr std::size_t kNamesShown = 20;

/// errors  bad_format: a kind with which the function makes no sense
Result<void> verify_function(const AnswerSpec& answer, const std::string& place) {
  const AnswerFunction f = answer.function;
  const bool alone = f == AnswerFunction::none || f == AnswerFunction::sigmoid;
  const bool fits =
      answer.kind == AnswerKind::one || alone || (answer.kind == AnswerKind::values && f != AnswerFunction::argmax);
  if (fits) return {};
  return error(Code::bad_format, "{}: its end is {}, which does not go with the answer '{}'; 'one' does", place,
               to_string(f), to_string(answer.kind));
}

Result<void> verify_class_names(const AnswerSpec& answer, std::uint32_t outputs, const std::string& place) {
  const std::vector<std::string>& names = answer.class_names;
  const bool binary = answer.kind == AnswerKind::binary && names.size() == 2;
  if (!names.empty() && names.size() != outputs && !binary) {
    return error(Code::bad_format, "{}: {} class names for {} output{}; one for each, or none, is allowed{}", place,
                 names.size(), outputs, outputs == 1 ? "" : "s",
                 outputs == 1 ? ", and two where the answer is 'binary'" : "");
  }
  std::size_t all = 0;
  for (const std::string& name : names) {
    all += name.size();
    if (name.empty() || name.size() > kMaxClassName || !base::is_readable(name)) {
      return error(Code::bad_format,
                   "{}: a class name of {} bytes is not allowed; 1 to {} bytes of UTF-8 without control characters are",
                   place, name.size(), kMaxClassName);
    }
  }
  if (all > kMaxClassNames) {
    return error(Code::bad_format, "{}: class names of {} bytes together; {} are allowed", place, all, kMaxClassNames);
  }
  return {};
}

}  // namespace

const char* to_string(AnswerKind kind) { return kKinds.at(static_cast<std::size_t>(kind)); }
const char* to_string(AnswerFunction function) { return kFunctions.at(static_cast<std::size_t>(function)); }

std::optional<AnswerKind> answer_kind(const std::string& name) {
  const auto* found = std::find(kKinds.begin(), kKinds.end(), name);
  if (found == kKinds.end()) return std::nullopt;
  return static_cast<AnswerKind>(found - kKinds.begin());
}

Result<void> verify_answer(const AnswerSpec& answer, std::uint32_t outputs, const std::string& place) {
  const auto kind = static_cast<int>(answer.kind), function = static_cast<int>(answer.function);
  if (kind >= kAnswerKindCount || function >= kAnswerFunctionCount) {
    return error(Code::bad_format, "{}: kind {} and function {} of the answer; below {} and {} are allowed", place,
                 kind, function, kAnswerKindCount, kAnswerFunctionCount);
  }
  const bool each = answer.function == AnswerFunction::none || answer.function == AnswerFunction::sigmoid;
  if (outputs == 1 && !each) {
    return error(Code::bad_format,
                 "{}: its end is {} of one output, which is the same for every image; a network with one output ends "
                 "with a sigmoid or without",
                 place, to_string(answer.function));
  }
  if (outputs != 1 && answer.kind == AnswerKind::binary) {
    return error(Code::bad_format, "{}: the answer 'binary' with {} outputs; 1 output is allowed", place, outputs);
  }
  if (outputs < 2 && (answer.kind == AnswerKind::one || answer.kind == AnswerKind::several)) {
    return error(Code::bad_format,
                 "{}: the answer '{}' with {} output; 2 or more are allowed, and with one 'binary' or "
                 "'values'",
                 place, to_string(answer.kind), outputs);
  }
  OBSCURA_TRY_VOID(verify_function(answer, place));
  return verify_class_names(answer, outputs, place);
}

std::string describe(const AnswerSpec& answer, std::uint32_t outputs) {
  std::string kind = to_string(answer.kind);
  if (answer.kind == AnswerKind::one || answer.kind == AnswerKind::several) kind += fmt::format(" of {}", outputs);
  if (answer.kind == AnswerKind::values) kind = fmt::format("{} value{}", outputs, outputs == 1 ? "" : "s");
  return kind + fmt::format(", function {}", to_string(answer.function));
}

std::string describe_class_names(const AnswerSpec& answer) {
  const std::vector<std::string>& names = answer.class_names;
  if (names.empty()) return "none";
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kNamesShown ? text + fmt::format(" and {} more", names.size() - kNamesShown) : text;
}

}  // namespace obscura::plan
