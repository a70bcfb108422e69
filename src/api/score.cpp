// SPDX-License-Identifier: Apache-2.0
#include "api/score.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace obscura::api {
namespace {

bool all_finite(std::span<const float> row) {
  return std::all_of(row.begin(), row.end(), [](float logit) { return std::isfinite(logit); });
}

}  // namespace

bool Prediction::among_best(std::uint32_t label) const {
  return label != kNoLabel && std::find(best.begin(), best.end(), label) != best.end();
}

std::vector<Prediction> predict(std::span<const float> logits, std::size_t classes, plan::AnswerKind kind) {
  const bool binary = kind == plan::AnswerKind::binary;
  OBSCURA_CHECK((binary && classes == 1) || kind == plan::AnswerKind::one, "one label of '{}' answers with {} logits",
                plan::to_string(kind), classes);
  std::vector<Prediction> out;
  std::vector<std::uint32_t> order(classes);
  const std::size_t top = std::min(kTop, classes);
  for (std::size_t at = 0; at + classes <= logits.size(); at += classes) {
    const auto row = logits.subspan(at, classes);
    Prediction& one = out.emplace_back();
    one.best.fill(kNoLabel);
    one.finite = all_finite(row);
    if (!one.finite) continue;
    if (binary) {
      one.best[0] = row[0] >= 0 ? 1 : 0;
      one.best[1] = 1 - one.best[0];
      continue;
    }
    std::iota(order.begin(), order.end(), 0U);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                      [&](std::uint32_t a, std::uint32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
    std::copy_n(order.begin(), top, one.best.begin());
  }
  return out;
}

Score score(const std::vector<Prediction>& predictions, const std::vector<Prediction>& reference,
            const std::vector<std::uint16_t>& labels, std::size_t classes) {
  OBSCURA_CHECK(reference.size() == predictions.size() && (labels.empty() || labels.size() == predictions.size()),
                "{} predictions and {} of the reference for {} labels", predictions.size(), reference.size(),
                labels.size());
  Score out;
  out.images = predictions.size();
  out.labelled = !labels.empty();
  if (classes > kTopClasses) out.top.emplace();
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const Prediction& one = predictions[i];
    out.not_finite += one.finite ? 0 : 1;
    if (!one.finite) continue;
    out.correct += out.labelled && one.label() == labels[i] ? 1 : 0;
    out.agreeing += one.label() == reference[i].label() ? 1 : 0;
    if (!out.top) continue;
    auto mine = one.best, other = reference[i].best;
    std::sort(mine.begin(), mine.end());
    std::sort(other.begin(), other.end());
    out.top->correct += out.labelled && one.among_best(labels[i]) ? 1 : 0;
    out.top->holding += one.among_best(reference[i].label()) ? 1 : 0;
    out.top->agreeing += mine == other ? 1 : 0;
  }
  return out;
}

LogitError compare_logits(std::span<const float> actual, std::span<const float> reference, std::size_t classes) {
  OBSCURA_CHECK(actual.size() == reference.size(), "{} logits and {} of the reference", actual.size(),
                reference.size());
  LogitError out;
  double sum = 0;
  for (std::size_t at = 0; at + classes <= actual.size(); at += classes) {
    const auto a = actual.subspan(at, classes), b = reference.subspan(at, classes);
    if (!all_finite(a) || !all_finite(b)) continue;
    ++out.images;
    for (std::size_t k = 0; k < classes; ++k) {
      const double difference = static_cast<double>(a[k]) - static_cast<double>(b[k]);
      out.largest = std::max(out.largest, std::abs(difference));
      sum += difference * difference;
    }
  }
  out.deviation = std::sqrt(sum / static_cast<double>(std::max<std::size_t>(out.images * classes, 1)));
  return out;
}

}  // namespace obscura::api
