// SPDX-License-Identifier: Apache-2.0
#include "calibrate/chooser.h"

#include <algorithm>
#include <cmath>

namespace obscura::calibrate {

namespace {

std::size_t image_size(const nn::Graph& graph) {
  return static_cast<std::size_t>(nn::element_count(graph.values[graph.input].shape));
}

}  // namespace

/// Whether the answers to images are those of the exact network.
class Answers {
 public:
  Answers(std::span<const float> expected, std::size_t outputs) : expected_(expected), outputs_(outputs) {
    double largest = 0;
    for (const float v : expected) largest = std::max(largest, std::abs(double{v}));
    tolerance_ = std::ldexp(largest, -9);
    one_sign_ = outputs == 1 &&
                std::all_of(expected.begin(), expected.end(), [&](float v) { return (v > 0) == (expected[0] > 0); });
  }
  std::size_t count() const { return expected_.size() / outputs_; }

  /// Of the images from `first` on, those whose answers differ.
  std::size_t differing(std::span<const float> actual, std::size_t first) const {
    const auto label = [](std::span<const float> row) {
      return row.size() > 1 ? std::max_element(row.begin(), row.end()) - row.begin() : std::ptrdiff_t{row[0] > 0};
    };
    std::size_t differ = 0;
    for (std::size_t i = 0; i * outputs_ < actual.size(); ++i) {
      const auto a = actual.subspan(i * outputs_, outputs_), e = expected_.subspan((first + i) * outputs_, outputs_);
      const bool finite = std::all_of(a.begin(), a.end(), [](float v) { return std::isfinite(v); });
      const bool same = one_sign_ ? std::abs(double{a[0]} - e[0]) <= tolerance_ : label(a) == label(e);
      differ += finite && same ? 0 : 1;
    }
    return differ;
  }

 private:
  std::span<const float> expected_;
  std::size_t outputs_;
  double tolerance_ = 0;
  bool one_sign_ = false;
};

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
Result<std::vector<float>> Chooser::exact_logits() const {
  const std::size_t count = few_.size() / image_size(*graph_);
  if (!calibration_.logits.empty()) {
    const std::size_t outputs = calibration_.logits.size() / calibration_.images;
    return std::vector<float>(calibration_.logits.begin(),
                              calibration_.logits.begin() + static_cast<std::ptrdiff_t>(count * outputs));
  }
  OBSCURA_TRY(const eval::Network network, eval::Network::make(*graph_, {}));
  eval::Options how;
  how.progress = progress("float network");
  OBSCURA_TRY(eval::Outcome outcome, network.run(few_, count, how));
  return std::move(outcome.logits);
}

/// Of as many images as it takes to see more than `most` of them.
Result<std::size_t> Chooser::differing(const Choice& choice, const Answers& answers, std::size_t most) const {
  constexpr std::size_t kTogether = 256;
  OBSCURA_TRY(const eval::Network network, eval::Network::make(*graph_, choice.substitution()));
  const std::size_t size = image_size(*graph_), count = answers.count();
  const base::Progress whole = progress("polynomials");
  std::size_t differ = 0;
  for (std::size_t first = 0; first < count && differ <= most; first += kTogether) {
    const std::size_t some = std::min(kTogether, count - first);
    eval::Options how;
    if (whole) how.progress = [&](std::size_t done, std::size_t) { return whole(first + done, count); };
    OBSCURA_TRY(const eval::Outcome outcome,
                network.run(std::span(few_).subspan(first * size, some * size), some, how));
    differ += answers.differing(outcome.logits, first);
  }
  return differ;
}

Result<Choice> Chooser::automatic(double max_loss) {
  OBSCURA_TRY(const std::vector<float> exact, exact_logits());
  const Answers answers(exact, static_cast<std::size_t>(nn::element_count(graph_->values[graph_->output].shape)));
  const auto count = static_cast<double>(answers.count());
  double squares = 0;
  for (const float v : exact) squares += double{v} * v;
  const double spread = std::sqrt(squares / count);
  const auto allowed = static_cast<std::size_t>(max_loss * count * (1 + 0x1p-40));
  std::optional<Choice> last;
  constexpr int kMostBits = 14;
  for (int bits = 1; bits <= kMostBits; ++bits) {
    auto choice = layerwise_within(std::ldexp(spread, -bits), Budget::Of::depth);
    if (!choice.ok()) {
      if (bits == 1 || choice.error().code != Code::infeasible) return choice;
      break;
    }
    OBSCURA_TRY(const std::size_t differ, differing(*choice, answers, allowed));
    if (differ <= allowed) return choice;
    last = std::move(choice).value();
  }
  OBSCURA_TRY(const std::size_t differ, differing(*last, answers, answers.count()));
  return error(Code::infeasible,
               "the most precise polynomials change the answers of {:.2f} % of {} training images; {:.2f} % are "
               "allowed (--max-loss): calibrate with more images, or with a larger --margin",
               100 * static_cast<double>(differ) / count, answers.count(), 100 * max_loss);
}

}  // namespace obscura::calibrate
