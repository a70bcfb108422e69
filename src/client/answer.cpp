// SPDX-License-Identifier: Apache-2.0
#include "client/answer.h"

#include <algorithm>
#include <cmath>

namespace obscura::client {
namespace {

using plan::AnswerFunction;
using plan::AnswerKind;

std::uint32_t largest(std::span<const float> logits) {
  return static_cast<std::uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// Without an exponential that overflows.
double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

std::vector<double> sigmoids(std::span<const float> logits) {
  std::vector<double> out;
  for (const float x : logits) out.push_back(sigmoid(x));
  return out;
}

/// x_k - log sum_j e^x_j, around the largest x, so that no exponential overflows.
std::vector<double> log_softmax(std::span<const float> logits) {
  const double most = logits[largest(logits)];
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - most);
  std::vector<double> out;
  for (const float x : logits) out.push_back(x - most - std::log(sum));
  return out;
}

std::vector<double> softmax(std::span<const float> logits) {
  std::vector<double> out = log_softmax(logits);
  for (double& x : out) x = std::exp(x);
  return out;
}

}  // namespace

std::vector<double> apply_function(AnswerFunction function, std::span<const float> logits) {
  OBSCURA_CHECK(!logits.empty(), "an answer without logits");
  switch (function) {
    case AnswerFunction::none:
      break;
    case AnswerFunction::softmax:
      return softmax(logits);
    case AnswerFunction::log_softmax:
      return log_softmax(logits);
    case AnswerFunction::sigmoid:
      return sigmoids(logits);
    case AnswerFunction::argmax:
      return {static_cast<double>(largest(logits))};
  }
  return {logits.begin(), logits.end()};
}

std::vector<double> probabilities(const plan::AnswerSpec& answer, std::span<const float> logits) {
  if (answer.kind == AnswerKind::values) return {};
  const bool together = answer.kind == AnswerKind::one && answer.function != AnswerFunction::sigmoid;
  return apply_function(together ? AnswerFunction::softmax : AnswerFunction::sigmoid, logits);
}

std::vector<std::uint32_t> labels(const plan::AnswerSpec& answer, std::span<const float> logits) {
  OBSCURA_CHECK(!logits.empty(), "an answer without logits");
  std::vector<std::uint32_t> out;
  switch (answer.kind) {
    case AnswerKind::one:
      return {largest(logits)};
    case AnswerKind::binary:
      return {logits[0] >= 0 ? 1U : 0U};
    case AnswerKind::several:
      for (std::uint32_t k = 0; k < logits.size(); ++k) {
        if (logits[k] >= 0) out.push_back(k);
      }
      break;
    case AnswerKind::values:
      break;
  }
  return out;
}

std::string name_of(const plan::AnswerSpec& answer, std::uint32_t label) {
  const std::vector<std::string>& names = answer.class_names;
  // Of a binary answer a single name is that of label 1.
  const std::size_t first = answer.kind == AnswerKind::binary && names.size() == 1 ? 1 : 0;
  if (label < first || label - first >= names.size()) return std::to_string(label);
  return names[label - first];
}

}  // namespace obscura::client
