// SPDX-License-Identifier: Apache-2.0
#include "calibrate/ranges.h"

#include <algorithm>
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

void widen(Range& range, std::span<const float> arguments) {
  auto low = static_cast<float>(range.low), high = static_cast<float>(range.high);
  bool finite = true;
  for (const float x : arguments) {
    low = x < low ? x : low;
    high = x > high ? x : high;
    finite = finite && std::isfinite(x);
  }
  // NaN stays from here on: no comparison with it is true.
  range.low = finite ? low : std::numeric_limits<double>::quiet_NaN();
  range.high = high;
}

void count_into(approx::Histogram& histogram, std::span<const float> arguments) {
  const double scale = static_cast<double>(kBins) / (histogram.high - histogram.low);
  for (const float x : arguments) {
    const double at = (static_cast<double>(x) - histogram.low) * scale;
    ++histogram.counts[std::min(static_cast<std::size_t>(at), kBins - 1)];
  }
}

Result<void> check_range(const Range& range) {
  if (!std::isfinite(range.low) || !std::isfinite(range.high)) {
    return error(Code::unsupported,
                 "node {} ({}): its arguments are not all finite on the calibration images, so that no interval holds "
                 "them: calibrate with images normalised as in training (--mean, --deviation), or train with a "
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
                                   const base::Progress& progress) {
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
  options.progress = part_of(progress, 0, 2);
  options.observe = [&](std::size_t node, std::span<const float> arguments) {
    widen(calibration.ranges[place.at(node)], arguments);
  };
  OBSCURA_TRY_VOID(network.run(images, count, options));
  for (Range& range : calibration.ranges) {
    OBSCURA_TRY_VOID(check_range(range));
    range.inputs = {range.low, range.high, std::vector<std::uint64_t>(kBins)};
  }
  options.progress = part_of(progress, 1, 2);
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
