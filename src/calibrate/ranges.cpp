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

/// One of several runs of the same length, for a bar that shows them all.
base::Progress part_of(const base::Progress& progress, std::size_t run, std::size_t runs) {
  if (!progress) return {};
  return [&progress, run, runs](std::size_t done, std::size_t total) {
    return progress(run * total + done, runs * total);
  };
}

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

void count_into(approx::Histogram& histogram, std::span<const float> arguments) {
  constexpr std::size_t kTogether = 1024;
  const double scale = static_cast<double>(kBins) / (histogram.high - histogram.low), low = histogram.low;
  std::array<std::int32_t, kTogether> bins;  // apart from the counts, so that they are found side by side
  std::array<std::array<std::uint32_t, kBins>, 2> counts{};  // in turn, since neighbours often fall into one bin
  for (std::size_t first = 0; first < arguments.size(); first += kTogether) {
    const auto some = arguments.subspan(first, std::min(kTogether, arguments.size() - first));
    for (std::size_t i = 0; i < some.size(); ++i) {
      const auto at = static_cast<std::int32_t>((static_cast<double>(some[i]) - low) * scale);
      bins[i] = std::min(at, static_cast<std::int32_t>(kBins - 1));
    }
    for (std::size_t i = 0; i < some.size(); ++i) ++counts[i % 2][static_cast<std::size_t>(bins[i])];
  }
  for (std::size_t b = 0; b < kBins; ++b) histogram.counts[b] += std::uint64_t{counts[0][b]} + counts[1][b];
}

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
  eval::Options options;
  const std::size_t runs = what == Measured::extremes ? 1 : 2;
  options.progress = part_of(progress, 0, runs);
  options.observe = [&](std::size_t node, std::span<const float> arguments) {
    widen(calibration.ranges[place.at(node)], arguments);
  };
  OBSCURA_TRY_VOID(network.run(images, count, options));
  for (Range& range : calibration.ranges) {
    OBSCURA_TRY_VOID(check_range(range));
    range.inputs = {range.low, range.high, std::vector<std::uint64_t>(what == Measured::extremes ? 0 : kBins)};
  }
  if (what == Measured::extremes) return calibration;
  options.progress = part_of(progress, 1, runs);
  options.observe = [&](std::size_t node, std::span<const float> arguments) {
    count_into(calibration.ranges[place.at(node)].inputs, arguments);
  };
  OBSCURA_TRY_VOID(network.run(images, count, options));
  return calibration;
}

Result<std::vector<double>> measure_sensitivities(const nn::Graph& graph, const Calibration& calibration,
                                                  std::span<const float> images, std::size_t count,
                                                  const base::Progress& progress, double probe) {
  if (count == 0) return error(Code::wrong_params, "sensitivities on 0 images: at least one is needed");
  OBSCURA_TRY(const eval::Network network, eval::Network::make(graph, {}));
  const std::size_t runs = calibration.ranges.size() + 1;
  eval::Options options;
  options.progress = part_of(progress, 0, runs);
  OBSCURA_TRY(const eval::Outcome exact, network.run(images, count, options));
  std::vector<double> sensitivities;
  for (const Range& range : calibration.ranges) {
    OBSCURA_CHECK(range.node < graph.nodes.size() && graph.nodes[range.node].name == range.name,
                  "measure_sensitivities: {} is not node {} of the graph", range.name, range.node);
    const double deviation = probe * range.largest();
    options.noise = {{range.node, deviation}};
    options.progress = part_of(progress, sensitivities.size() + 1, runs);
    OBSCURA_TRY(const eval::Outcome noisy, network.run(images, count, options));
    double sum = 0;
    for (std::size_t i = 0; i < exact.logits.size(); ++i) {
      const double change = static_cast<double>(noisy.logits[i]) - static_cast<double>(exact.logits[i]);
      sum += change * change;
    }
    if (!std::isfinite(sum)) {
      return error(Code::unsupported, "node {} ({}): with noise on its output the logits are not all finite",
                   range.name, range.operation);
    }
    sensitivities.push_back(sum / static_cast<double>(count) / (deviation * deviation));
  }
  return sensitivities;
}

}  // namespace obscura::calibrate
