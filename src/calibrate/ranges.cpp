// SPDX-License-Identifier: Apache-2.0
#include "calibrate/ranges.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "eval/network.h"
#include "nn/operators.h"

namespace obscura::calibrate {

double Range::largest() const { return std::max(std::abs(low), std::abs(high)); }

double Range::quantile(double share) const {
  std::uint64_t total = 0;
  for (const std::uint64_t count : inputs.counts) total += count;
  std::vector<std::pair<double, std::uint64_t>> parts;
  const double width = (inputs.high - inputs.low) / static_cast<double>(inputs.counts.size());
  for (std::size_t k = 0; k < inputs.counts.size(); ++k) {
    const double left = inputs.low + width * static_cast<double>(k);
    parts.emplace_back(std::max(std::abs(left), std::abs(left + width)), inputs.counts[k]);
  }
  std::sort(parts.begin(), parts.end());
  double seen = 0;
  for (const auto& [reach, count] : parts) {
    seen += static_cast<double>(count);
    if (seen >= share * static_cast<double>(total)) return reach;
  }
  return parts.back().first;
}

namespace {

/// Extremes side by side, so that none waits for the one before.
void widen(Range& range, std::span<const float> arguments) {
  constexpr std::size_t kTogether = 16;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float low[kTogether], high[kTogether], nothing[kTogether] = {};
  std::fill_n(low, kTogether, kInfinity);
  std::fill_n(high, kTogether, -kInfinity);
  const auto look = [&](float x, std::size_t i) {
    low[i] = x < low[i] ? x : low[i];
    high[i] = x > high[i] ? x : high[i];
    nothing[i] += x * 0;  // NaN from the first that is not finite on
  };
  std::size_t at = 0;
  for (; at + kTogether <= arguments.size(); at += kTogether) {
    for (std::size_t i = 0; i < kTogether; ++i) look(arguments[at + i], i);
  }
  for (std::size_t i = 0; at < arguments.size(); ++at, ++i) look(arguments[at], i);
  const bool finite = std::all_of(nothing, nothing + kTogether, [](float v) { return v == 0; });
  // NaN stays from here on: no comparison with it is true.
  const double least = *std::min_element(low, low + kTogether), most = *std::max_element(high, high + kTogether);
  range.low = !finite ? std::numeric_limits<double>::quiet_NaN() : least < range.low ? least : range.low;
  range.high = most > range.high ? most : range.high;
}

/// Counts in cells of 2^k from one multiple of it to the next, with the k that gives at least 2^18 between the extremes
/// and no more than twice as many: where these grow, cells are put together two by two. The counts are those of cells
/// of the last size from the start on, whatever the order of the arguments.
class FineCounts {
 public:
  /// `range`: the extremes so far, those of the arguments among them.
  void add(const Range& range, std::span<const float> arguments) {
    if (!std::isfinite(range.low) || !std::isfinite(range.high)) return;
    cover(range);
    // Floats are twice as fast where a cell's number fits them and scaling rounds none.
    constexpr int kMostBits = 30, kMostScale = 64;
    const bool narrow = exponent_ <= 0 && exponent_ >= -kMostScale &&
                        std::ldexp(range.largest(), -exponent_) < std::ldexp(1.0, kMostBits);
    narrow ? count<float, std::int32_t>(arguments) : count<double, std::int64_t>(arguments);
  }

  /// In kBins equal parts of the range, each cell where its middle lies.
  approx::Histogram histogram(const Range& range) const {
    approx::Histogram out{range.low, range.high, std::vector<std::uint64_t>(kBins)};
    const double scale = static_cast<double>(kBins) / (range.high - range.low);
    for (std::size_t c = 0; c < counts_.size(); ++c) {
      const double middle = std::ldexp(first_ + static_cast<double>(c) + 0.5, exponent_);
      const double at = std::clamp((middle - range.low) * scale, 0.0, static_cast<double>(kBins - 1));
      out.counts[static_cast<std::size_t>(at)] += counts_[c];
    }
    return out;
  }

 private:
  static constexpr int kLog2Cells = 18;

  template <class Real, class Cell>
  void count(std::span<const float> arguments) {
    constexpr std::size_t kTogether = 1024;
    const auto scale = static_cast<Real>(std::ldexp(1.0, -exponent_));
    const auto first_cell = static_cast<Cell>(first_);
    std::array<Cell, kTogether> cells;  // apart from the counts, so that they are found side by side
    for (std::size_t first = 0; first < arguments.size(); first += kTogether) {
      const auto some = arguments.subspan(first, std::min(kTogether, arguments.size() - first));
      for (std::size_t i = 0; i < some.size(); ++i) {
        const Real at = static_cast<Real>(some[i]) * scale;
        const auto cell = static_cast<Cell>(at);  // towards 0
        cells[i] = cell - (static_cast<Real>(cell) > at ? 1 : 0) - first_cell;
      }
      for (std::size_t i = 0; i < some.size(); ++i) ++counts_[static_cast<std::size_t>(cells[i])];
    }
  }

  static int exponent_for(const Range& range) {
    constexpr double kSmallest = 0x1p-120;  // below the smallest floats all are one
    return std::ilogb(std::max({range.high - range.low, range.largest() * 0x1p-30, kSmallest})) - kLog2Cells;
  }

  void cover(const Range& range) {
    const int exponent = exponent_for(range);
    if (counts_.empty()) exponent_ = exponent;
    while (exponent_ < exponent) halve();
    const double low = std::floor(std::ldexp(range.low, -exponent_));
    const double high = std::floor(std::ldexp(range.high, -exponent_));
    if (counts_.empty()) first_ = low;
    if (low < first_) {
      counts_.insert(counts_.begin(), static_cast<std::size_t>(first_ - low), 0);
      first_ = low;
    }
    counts_.resize(std::max(counts_.size(), static_cast<std::size_t>(high - first_) + 1));
  }

  void halve() {
    const double first = std::floor(first_ / 2);
    const auto odd = static_cast<std::size_t>(first_ - 2 * first);
    std::vector<std::uint64_t> halved((counts_.size() + odd + 1) / 2);
    for (std::size_t c = 0; c < counts_.size(); ++c) halved[(c + odd) / 2] += counts_[c];
    counts_ = std::move(halved);
    first_ = first;
    ++exponent_;
  }

  int exponent_ = 0;
  double first_ = 0;  ///< the first cell's number: it starts at first_ * 2^exponent_
  std::vector<std::uint64_t> counts_;
};

Result<void> check_range(const Range& range) {
  if (!std::isfinite(range.low) || !std::isfinite(range.high)) {
    return error(Code::unsupported,
                 "node {} ({}): its arguments are not all finite on the calibration images, so that no interval holds "
                 "them: calibrate with images normalised as in training (--mean, --std), or train with a "
                 "normalisation before it",
                 range.name, range.operation);
  }
  if (range.low < range.high) return {};
  return error(Code::unsupported,
               "node {} ({}): all its arguments on the calibration images are {}; a range needs two values", range.name,
               range.operation, range.low);
}

}  // namespace

Result<Calibration> measure_ranges(const nn::Graph& graph, std::span<const float> images, std::size_t count,
                                   const base::Progress& progress, Measured what) {
  if (count == 0) return error(Code::wrong_params, "calibration on 0 images: at least one is needed");
  OBSCURA_TRY(const eval::Network network, eval::Network::make(graph, {}));
  Calibration calibration;
  calibration.images = count;
  std::map<std::size_t, std::size_t> place;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!eval::is_activation(graph.nodes[i])) continue;
    place[i] = calibration.ranges.size();
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    calibration.ranges.push_back(
        {i, graph.nodes[i].name, nn::operator_name(graph.nodes[i]), kInfinity, -kInfinity, {}});
  }
  if (calibration.ranges.empty()) return calibration;
  const bool everything = what == Measured::everything;
  std::vector<FineCounts> counts(everything ? calibration.ranges.size() : 0);
  eval::Options options;
  options.progress = progress;
  options.observe = [&](std::size_t node, std::span<const float> arguments) {
    const std::size_t i = place.at(node);
    widen(calibration.ranges[i], arguments);
    if (everything) counts[i].add(calibration.ranges[i], arguments);
  };
  OBSCURA_TRY(eval::Outcome outcome, network.run(images, count, options));
  calibration.logits = std::move(outcome.logits);
  for (std::size_t i = 0; i < calibration.ranges.size(); ++i) {
    Range& range = calibration.ranges[i];
    OBSCURA_TRY_VOID(check_range(range));
    range.inputs = everything ? counts[i].histogram(range) : approx::Histogram{range.low, range.high, {}};
  }
  return calibration;
}

Result<std::vector<double>> measure_sensitivities(const nn::Graph& graph, const Calibration& calibration,
                                                  std::span<const float> images, std::size_t count,
                                                  const base::Progress& progress, double probe) {
  if (count == 0) return error(Code::wrong_params, "sensitivities on 0 images: at least one is needed");
  OBSCURA_TRY(const eval::Network network, eval::Network::make(graph, {}));
  std::vector<std::pair<std::size_t, double>> noise;
  for (const Range& range : calibration.ranges) {
    OBSCURA_CHECK(range.node < graph.nodes.size() && graph.nodes[range.node].name == range.name,
                  "measure_sensitivities: {} is not node {} of the graph", range.name, range.node);
    noise.emplace_back(range.node, probe * range.largest());
  }
  eval::Options options;
  options.progress = progress;
  OBSCURA_TRY(const std::vector<std::vector<float>> logits, network.run_each(images, count, noise, options));
  std::vector<double> sensitivities;
  for (std::size_t k = 0; k < noise.size(); ++k) {
    double sum = 0;
    for (std::size_t i = 0; i < logits[0].size(); ++i) {
      const double change = static_cast<double>(logits[k + 1][i]) - static_cast<double>(logits[0][i]);
      sum += change * change;
    }
    if (!std::isfinite(sum)) {
      const Range& range = calibration.ranges[k];
      return error(Code::unsupported, "node {} ({}): with noise on its output the logits are not all finite",
                   range.name, range.operation);
    }
    const double deviation = noise[k].second;
    sensitivities.push_back(sum / static_cast<double>(count) / (deviation * deviation));
  }
  return sensitivities;
}

}  // namespace obscura::calibrate
