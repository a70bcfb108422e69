// SPDX-License-Identifier: Apache-2.0
#include "calibrate/chooser.h"

#include <algorithm>
#include <cmath>
#include <limits>

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
                              std::optional<Calibration> calibration, Report report, Measured what, int most_levels) {
  Chooser out;
  out.graph_ = &graph;
  out.margin_ = margin;
  out.report_ = std::move(report);
  out.what_ = what;
  out.most_levels_ = most_levels;
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
  OBSCURA_TRY(layerwise_, LayerwiseChooser::make(*graph_, calibration_, sensitivities_, margin_, most_levels_));
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

namespace {

/// Predicted errors of logits that automatic choices are tried with, the largest first: the logits' spread halved again
/// and again down to the least error that there is; and in smaller steps the last way to it, where more precise
/// polynomials cost most and hardly help.
std::vector<double> errors_to_try(double spread, double least) {
  constexpr int kMostBits = 14, kLastSteps = 4;
  constexpr double kRounding = 1 + 0x1p-30;
  if (!(least < spread)) return {least * kRounding};
  std::vector<double> out;
  double last = spread;
  for (int bits = 1; bits <= kMostBits && last / 2 >= least; ++bits) out.push_back(last /= 2);
  for (int step = 1; step <= kLastSteps; ++step) {
    out.push_back(last * std::pow(least / last, step / double{kLastSteps}) * kRounding);
  }
  return out;
}

}  // namespace

Result<Choice> Chooser::automatic(std::optional<double> max_loss) {
  OBSCURA_TRY(const std::vector<float> exact, exact_logits());
  const Answers answers(exact, static_cast<std::size_t>(nn::element_count(graph_->values[graph_->output].shape)));
  const auto count = static_cast<double>(answers.count());
  double squares = 0;
  for (const float v : exact) squares += double{v} * v;
  const double taken = kTakenLoss * count;
  const auto allowed = static_cast<std::size_t>(max_loss.value_or(kDefaultMaxLoss) * count * (1 + 0x1p-40));
  const auto last_allowed = max_loss ? allowed : static_cast<std::size_t>(taken + 2 * std::sqrt(taken));
  OBSCURA_TRY(const Choice precise, layerwise({Budget::Of::depth, std::numeric_limits<double>::infinity()}));
  std::optional<Choice> best;
  for (const double logit_error : errors_to_try(std::sqrt(squares / count), precise.logit_error)) {
    OBSCURA_TRY(Choice choice, layerwise_within(logit_error, Budget::Of::depth));
    OBSCURA_TRY(const std::size_t differ, differing(choice, answers, last_allowed));
    choice.tried = Choice::Tried{differ, answers.count()};
    if (differ <= allowed) return choice;
    if (!best || differ < best->tried->differing) best = std::move(choice);
  }
  if (best->tried->differing <= last_allowed) return std::move(*best);
  OBSCURA_TRY(const std::size_t differ, differing(precise, answers, answers.count()));
  return error(Code::infeasible,
               "the most precise polynomials of at most {} levels an activation change the answers of {:.2f} % of {} "
               "training images; {} of them are allowed: allow more (--max-loss), calibrate with images like those "
               "that are to come, normalised as in training (--mean, --std), or with more of them",
               most_levels_, 100 * static_cast<double>(differ) / count, answers.count(), last_allowed);
}

}  // namespace obscura::calibrate
