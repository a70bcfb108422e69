// SPDX-License-Identifier: Apache-2.0
#include "calibrate/chooser.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace obscura::calibrate {

namespace {

std::size_t image_size(const nn::Graph& graph) {
  return static_cast<std::size_t>(nn::element_count(graph.values[graph.input].shape));
}

}  // namespace

/// Whether the answers to images are those of the exact network. Images go by rank: first those whose answers change
/// most easily, so that few of them show that a choice changes too many.
class Answers {
 public:
  Answers(std::span<const float> expected, std::size_t outputs) : expected_(expected), outputs_(outputs) {
    double largest = 0;
    for (const float v : expected) largest = std::max(largest, std::abs(double{v}));
    tolerance_ = std::ldexp(largest, -9);
    one_sign_ = outputs == 1 &&
                std::all_of(expected.begin(), expected.end(), [&](float v) { return (v > 0) == (expected[0] > 0); });
    by_rank_.resize(expected.size() / outputs);
    std::iota(by_rank_.begin(), by_rank_.end(), std::size_t{0});
    std::vector<float> leads;
    for (std::size_t i = 0; i < by_rank_.size(); ++i) leads.push_back(lead(row(i)));
    std::stable_sort(by_rank_.begin(), by_rank_.end(),
                     [&](std::size_t a, std::size_t b) { return leads[a] < leads[b]; });
  }
  std::size_t count() const { return by_rank_.size(); }
  /// The image of a rank.
  std::size_t image(std::size_t rank) const { return by_rank_[rank]; }

  /// Of the images from the rank `first` on, those whose answers differ.
  std::size_t differing(std::span<const float> actual, std::size_t first) const {
    const auto label = [](std::span<const float> row) {
      return row.size() > 1 ? std::max_element(row.begin(), row.end()) - row.begin() : std::ptrdiff_t{row[0] > 0};
    };
    std::size_t differ = 0;
    for (std::size_t i = 0; i * outputs_ < actual.size(); ++i) {
      const auto a = actual.subspan(i * outputs_, outputs_), e = row(by_rank_[first + i]);
      const bool finite = std::all_of(a.begin(), a.end(), [](float v) { return std::isfinite(v); });
      const bool same = one_sign_ ? std::abs(double{a[0]} - e[0]) <= tolerance_ : label(a) == label(e);
      differ += finite && same ? 0 : 1;
    }
    return differ;
  }

 private:
  std::span<const float> row(std::size_t image) const { return expected_.subspan(image * outputs_, outputs_); }
  /// How far the largest output is above the next, or one output away from 0.
  static float lead(std::span<const float> row) {
    if (row.size() == 1) return std::abs(row[0]);
    float largest = -std::numeric_limits<float>::infinity(), next = largest;
    for (const float v : row) {
      next = std::max(next, std::min(v, largest));
      largest = std::max(largest, v);
    }
    return largest - next;
  }

  std::span<const float> expected_;
  std::size_t outputs_;
  std::vector<std::size_t> by_rank_;
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

/// Goes on until more than `most` differ, or all images are seen.
Result<void> Chooser::go_on(Attempt& attempt, const Answers& answers, std::size_t most) const {
  constexpr std::size_t kTogether = 256;
  const std::size_t size = image_size(*graph_), count = answers.count();
  if (attempt.differing > most || attempt.seen == count) return {};
  OBSCURA_TRY(const eval::Network network, eval::Network::make(*graph_, attempt.choice.substitution()));
  const base::Progress whole = progress("polynomials");
  std::vector<float> images;
  while (attempt.seen < count && attempt.differing <= most) {
    const std::size_t first = attempt.seen, some = std::min(kTogether, count - first);
    images.clear();
    for (std::size_t rank = first; rank < first + some; ++rank) {
      const auto image = std::span(few_).subspan(answers.image(rank) * size, size);
      images.insert(images.end(), image.begin(), image.end());
    }
    eval::Options how;
    if (whole) how.progress = [&](std::size_t done, std::size_t) { return whole(first + done, count); };
    OBSCURA_TRY(const eval::Outcome outcome, network.run(images, some, how));
    attempt.differing += answers.differing(outcome.logits, first);
    attempt.seen += some;
  }
  return {};
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
  std::vector<Attempt> attempts;
  const auto said = [&](Attempt& attempt) {
    attempt.choice.tried = Choice::Tried{attempt.differing, answers.count()};
    return std::move(attempt.choice);
  };
  for (const double logit_error : errors_to_try(std::sqrt(squares / count), precise.logit_error)) {
    OBSCURA_TRY(Choice choice, layerwise_within(logit_error, Budget::Of::depth));
    attempts.push_back({std::move(choice)});
    OBSCURA_TRY_VOID(go_on(attempts.back(), answers, allowed));
    if (attempts.back().differing <= allowed) return said(attempts.back());
  }
  Attempt* best = nullptr;  // the first of those that change the fewest
  for (Attempt& attempt : attempts) {
    const std::size_t most = best ? best->differing - 1 : last_allowed;
    OBSCURA_TRY_VOID(go_on(attempt, answers, most));
    if (attempt.differing <= most) best = &attempt;
  }
  if (best) return said(*best);
  Attempt last{precise};
  OBSCURA_TRY_VOID(go_on(last, answers, answers.count()));
  const std::size_t differ = last.differing;
  return error(Code::infeasible,
               "the most precise polynomials of at most {} levels an activation change the answers of {:.2f} % of {} "
               "training images; {} of them are allowed: allow more (--max-loss), calibrate with images like those "
               "that are to come, normalised as in training (--mean, --std), or with more of them",
               most_levels_, 100 * static_cast<double>(differ) / count, answers.count(), last_allowed);
}

}  // namespace obscura::calibrate
