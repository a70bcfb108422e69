// SPDX-License-Identifier: Apache-2.0
#include "calibrate/chooser.h"

#include <algorithm>
#include <cmath>

namespace obscura::calibrate {

namespace {

std::size_t image_size(const nn::Graph& graph) {
  return static_cast<std::size_t>(nn::element_count(graph.values[graph.input].shape));
}

/// Share of images whose answers differ.
double differing(std::span<const float> actual, std::span<const float> expected, std::size_t outputs) {
  const std::size_t count = expected.size() / outputs;
  const auto label = [&](std::span<const float> row) {
    return outputs > 1 ? std::max_element(row.begin(), row.end()) - row.begin() : std::ptrdiff_t{row[0] > 0};
  };
  double largest = 0;
  for (const float v : expected) largest = std::max(largest, std::abs(double{v}));
  const bool one_sign = outputs == 1 && std::all_of(expected.begin(), expected.end(),
                                                    [&](float v) { return (v > 0) == (expected[0] > 0); });
  std::size_t differ = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto a = actual.subspan(i * outputs, outputs), e = expected.subspan(i * outputs, outputs);
    const bool finite = std::all_of(a.begin(), a.end(), [](float v) { return std::isfinite(v); });
    const bool same = one_sign ? std::abs(double{a[0]} - e[0]) <= std::ldexp(largest, -9) : label(a) == label(e);
    differ += finite && same ? 0 : 1;
  }
  return static_cast<double>(differ) / static_cast<double>(count);
}

}  // namespace

base::Progress Chooser::progress(const std::string& what) const {
  if (!report_) return {};
  return [report = report_, what](std::size_t done, std::size_t total) { return report(what, done, total); };
}

Result<Chooser> Chooser::make(const nn::Graph& graph, std::span<const float> images, double margin,
                              std::optional<Calibration> calibration, Report report, Measured what) {
  Chooser out;
  out.graph_ = &graph;
  out.margin_ = margin;
  out.report_ = std::move(report);
  out.what_ = what;
  const std::size_t size = image_size(graph);
  const std::size_t count = images.size() / size;
  if (calibration) {
    out.calibration_ = std::move(*calibration);
  } else {
    OBSCURA_TRY(out.calibration_, measure_ranges(graph, images, count, out.progress("ranges"), what));
  }
  if (out.calibration_.ranges.empty() || what == Measured::extremes) return out;
  constexpr std::size_t kMostFloats = std::size_t{1} << 24;
  const std::size_t tried = std::min({count, kTriedImages, std::max<std::size_t>(kMostFloats / size, 1)});
  out.few_.assign(images.begin(), images.begin() + static_cast<std::ptrdiff_t>(tried * size));
  const std::size_t few = std::min(count, kSensitivityImages);
  OBSCURA_TRY(out.sensitivities_, measure_sensitivities(graph, out.calibration_, images.first(few * size), few,
                                                        out.progress("sensitivities")));
  return out;
}

Result<Choice> Chooser::alike(int alpha) const {
  return choose_alike(*graph_, calibration_, sensitivities_, alpha, margin_);
}

Result<void> Chooser::tabulate() {
  if (layerwise_) return {};
  OBSCURA_CHECK(what_ == Measured::everything, "choices for each layer by the extremes of their arguments alone");
  OBSCURA_TRY(layerwise_, LayerwiseChooser::make(*graph_, calibration_, sensitivities_, margin_));
  return {};
}

Result<Choice> Chooser::layerwise(const Budget& budget) {
  OBSCURA_TRY_VOID(tabulate());
  return layerwise_->choose(budget);
}

Result<Choice> Chooser::layerwise_within(double logit_error, Budget::Of of) {
  OBSCURA_TRY_VOID(tabulate());
  return layerwise_->choose_within(logit_error, of);
}

/// Of the images that choices are tried on.
Result<std::vector<float>> Chooser::logits(const eval::Substitution& substitution) const {
  OBSCURA_TRY(const eval::Network network, eval::Network::make(*graph_, substitution));
  eval::Options how;
  how.progress = progress(substitution.empty() ? "float network" : "polynomials");
  OBSCURA_TRY(eval::Outcome outcome, network.run(few_, few_.size() / image_size(*graph_), how));
  return std::move(outcome.logits);
}

Result<Choice> Chooser::automatic(double max_loss) {
  const auto outputs = static_cast<std::size_t>(nn::element_count(graph_->values[graph_->output].shape));
  const std::size_t count = few_.size() / image_size(*graph_);
  OBSCURA_TRY(const std::vector<float> exact, logits({}));
  double squares = 0;
  for (const float v : exact) squares += double{v} * v;
  const double spread = std::sqrt(squares / static_cast<double>(count));
  double least = 1;
  constexpr int kMostBits = 14;
  for (int bits = 1; bits <= kMostBits; ++bits) {
    auto choice = layerwise_within(std::ldexp(spread, -bits), Budget::Of::depth);
    if (!choice.ok()) {
      if (bits == 1 || choice.error().code != Code::infeasible) return choice;
      break;
    }
    OBSCURA_TRY(const std::vector<float> tried, logits(choice->substitution()));
    const double loss = differing(tried, exact, outputs);
    if (loss <= max_loss) return choice;
    least = std::min(least, loss);
  }
  return error(Code::infeasible,
               "polynomials change the answers of {:.2f} % of {} training images at least; {:.2f} % are allowed "
               "(--max-loss): calibrate with more images, or with a larger --margin",
               100 * least, count, 100 * max_loss);
}

}  // namespace obscura::calibrate
