// SPDX-License-Identifier: Apache-2.0
/// Networks that others published, with inputs and the values that an independent runtime gives for them
/// (../shared/data/wild). For tests that skip where the folder is absent.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "nn/graph.h"
#include "nn/reference.h"
#include "tests/nn/graphs.h"

namespace obscura::nn {

inline std::filesystem::path strangers() { return shared_data() / "wild"; }

/// numpy.random.RandomState(seed).randint(0, 256, size) / float32(255): its generator is std::mt19937, masked.
inline std::vector<float> random_pixels(std::uint32_t seed, std::size_t count) {
  std::mt19937 generator(seed);
  std::vector<float> out(count);
  for (float& v : out) v = static_cast<float>(generator() & 255U) / 255.0F;
  return out;
}

/// Images in the order of axes of the file, {N, H, W, C} where that is not the graph's, as the graph takes them.
inline std::vector<float> in_graph_order(const Graph& graph, const Shape& dims, const std::vector<float>& images) {
  const Shape& to = graph.values[graph.input].shape;
  const bool last =
      dims.size() == 4 && Shape(dims.begin() + 1, dims.end()) != to && dims[3] == to[0] && dims[1] == to[1];
  if (!last) return images;
  std::vector<float> out(images.size());
  const auto channels = static_cast<std::size_t>(to[0]);
  const auto area = static_cast<std::size_t>(to[1] * to[2]);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::size_t image = i / (channels * area), place = i / channels % area, c = i % channels;
    out[(image * channels + c) * area + place] = images[i];
  }
  return out;
}

/// What the file gives for a row of logits.
inline std::vector<double> ended(Ending ending, std::span<const float> logits) {
  std::vector<double> row(logits.begin(), logits.end());
  const double largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const double v : row) sum += std::exp(v - largest);
  switch (ending) {
    case Ending::none:
      break;
    case Ending::softmax:
      for (double& v : row) v = std::exp(v - largest) / sum;
      break;
    case Ending::log_softmax:
      for (double& v : row) v = v - largest - std::log(sum);
      break;
    case Ending::sigmoid:
      for (double& v : row) v = 1 / (1 + std::exp(-v));
      break;
    case Ending::argmax:
      return {static_cast<double>(std::max_element(row.begin(), row.end()) - row.begin())};
  }
  return row;
}

/// Of all numbers of an answer, the largest distance over the largest number.
inline double relative_error(const std::vector<double>& actual, const std::vector<double>& expected) {
  double largest = 1e-6, error = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    error = std::max(
        error, std::isfinite(actual[i]) ? std::abs(actual[i] - expected[i]) : std::numeric_limits<double>::infinity());
  }
  return error / largest;
}

/// What the file gives for images in the order of its own axes.
inline std::vector<double> answers(const Graph& graph, const Shape& dims, const std::vector<float>& pixels) {
  const auto size = static_cast<std::size_t>(element_count(graph.values[graph.input].shape));
  const std::size_t count = pixels.size() / size;
  const std::vector<float> logits = run_reference(graph, in_graph_order(graph, dims, pixels), count);
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = logits.size() / count;
    const auto answer = ended(graph.ending, std::span(logits).subspan(i * row, row));
    out.insert(out.end(), answer.begin(), answer.end());
  }
  return out;
}

}  // namespace obscura::nn
