// SPDX-License-Identifier: Apache-2.0
#include "compile/answer.h"

#include <algorithm>

namespace obscura::compile {
namespace {

/// Of the largest |output|: what varies by less is rounding of doubles.
constexpr double kConstant = 0x1p-30;
/// Of the output that varies most: one that varies by less gets no more precision than this much would.
constexpr double kLeastShare = 0x1p-6;

plan::AnswerFunction function_of(nn::Ending ending) {
  switch (ending) {
    case nn::Ending::none:
      break;
    case nn::Ending::softmax:
      return plan::AnswerFunction::softmax;
    case nn::Ending::log_softmax:
      return plan::AnswerFunction::log_softmax;
    case nn::Ending::sigmoid:
      return plan::AnswerFunction::sigmoid;
    case nn::Ending::argmax:
      return plan::AnswerFunction::argmax;
  }
  return plan::AnswerFunction::none;
}

plan::AnswerKind usual_kind(std::uint32_t outputs, plan::AnswerFunction function) {
  const bool sigmoid = function == plan::AnswerFunction::sigmoid;
  if (outputs == 1) return sigmoid ? plan::AnswerKind::binary : plan::AnswerKind::values;
  return sigmoid ? plan::AnswerKind::several : plan::AnswerKind::one;
}

double spread_over_images(const Statistics& statistics) {
  double least = 0, most = 0;
  for (const double deviation : statistics.output_deviation) {
    if (!(deviation > kConstant * statistics.max_logit)) continue;
    least = most == 0 ? deviation : std::min(least, deviation);
    most = std::max(most, deviation);
  }
  return std::max(least, kLeastShare * most);
}

}  // namespace

Result<plan::AnswerSpec> answer_of(const nn::Graph& graph, std::optional<plan::AnswerKind> kind,
                                   const std::vector<std::string>& class_names) {
  const auto outputs = static_cast<std::uint32_t>(nn::element_count(graph.values[graph.output].shape));
  plan::AnswerSpec answer;
  answer.function = function_of(graph.ending);
  answer.kind = kind.value_or(usual_kind(outputs, answer.function));
  answer.class_names = class_names;
  const auto fits = plan::verify_answer(answer, outputs, fmt::format("network '{}'", graph.name));
  if (!fits) return error(Code::wrong_params, "{}", fits.error().message);
  return answer;
}

double spread_of(const Statistics& statistics, plan::AnswerKind kind) {
  const bool one = kind == plan::AnswerKind::one;
  const double spread = one ? statistics.logit_deviation : spread_over_images(statistics);
  if (spread > kConstant * statistics.max_logit) return spread;
  return statistics.max_logit > 0 ? statistics.max_logit : 1;
}

}  // namespace obscura::compile
