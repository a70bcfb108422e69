// SPDX-License-Identifier: Apache-2.0
/// Small hand-made plans for tests: a network of 6x6 images with weights that are integers over a power of two, so that
/// its float form and its plan are the same numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "ckks/params.h"
#include "plan/plan.h"

namespace obscura::testing {

/// The first `count` primes of `bits` bits for degree 2^log2_degree.
inline std::vector<std::uint64_t> primes(int log2_degree, int bits, std::size_t count,
                                         const std::vector<std::uint64_t>& taken = {}) {
  return ckks::make_primes(log2_degree, bits, count, taken).value();
}

/// Appends steps to a plan and fills in what follows from each.
class PlanBuilder {
 public:
  explicit PlanBuilder(plan::Plan plan) : plan_(std::move(plan)) {}

  plan::ValueId linear(plan::ValueId x, ckks::IntegerMap map, double weight_scale, std::vector<double> bias) {
    plan::ValueInfo info = plan_.value(x);
    info.elements = map.outputs;
    info.scale *= weight_scale;
    return add(plan::Linear{x, std::move(map), weight_scale, std::move(bias)}, info, "linear");
  }
  plan::ValueId multiply(plan::ValueId a, plan::ValueId b) {
    plan::ValueInfo info = plan_.value(a);
    info.scale *= plan_.value(b).scale;
    info.parts = 3;
    return add(plan::Multiply{a, b}, info, "square");
  }
  plan::ValueId relinearize(plan::ValueId x, std::uint32_t rescale) {
    plan_.keys.relinearization = true;
    plan::ValueInfo info = dropped(plan_.value(x), rescale);
    info.parts = 2;
    return add(plan::Relinearize{x, rescale}, info, "relinearize");
  }
  plan::ValueId rescale(plan::ValueId x, std::uint32_t limbs) {
    return add(plan::Rescale{x, limbs}, dropped(plan_.value(x), limbs), "rescale");
  }
  plan::ValueId combine(std::vector<plan::Combine::Term> terms, std::vector<double> constants) {
    plan::ValueInfo info = plan_.value(terms[0].input);
    for (const auto& term : terms) {
      info.limbs = std::min(info.limbs, plan_.value(term.input).limbs);
      info.parts = std::max(info.parts, plan_.value(term.input).parts);
    }
    return add(plan::Combine{std::move(terms), std::move(constants)}, info, "combine");
  }
  plan::Plan finish() {
    const plan::ValueInfo& last = plan_.steps.back().output;
    plan_.output = {last.elements,  last.limbs,         last.scale,
                    last.error_std, last.error_std / 2, plan::batch_layout(last.elements, plan::slots(plan_))};
    plan_.reasons = {"made by hand for a test"};
    return std::move(plan_);
  }

 private:
  plan::ValueInfo dropped(plan::ValueInfo info, std::uint32_t limbs) const {
    for (std::uint32_t k = 0; k < limbs; ++k) info.scale /= static_cast<double>(plan_.params.chain[--info.limbs]);
    return info;
  }
  plan::ValueId add(plan::Operation operation, plan::ValueInfo info, const char* origin) {
    info.max_abs = 1;  // of the smallest use: the tests compare decrypted numbers, not ranges and predictions
    info.error_std = 0x1p-10;
    plan_.steps.push_back({std::move(operation), info, origin});
    return static_cast<plan::ValueId>(plan_.steps.size());
  }
  plan::Plan plan_;
};

/// Weights of the tiny network, as integers; real weight = integer / 32.
struct TinyNetwork {
  static constexpr std::uint32_t kSide = 6;
  static constexpr std::uint32_t kFilters = 2;
  static constexpr std::uint32_t kWindow = 9;     ///< 3x3, stride 2, no padding
  static constexpr std::uint32_t kPositions = 4;  ///< 2x2
  static constexpr std::uint32_t kClasses = 3;
  static constexpr double kWeightScale = 32;
  std::vector<std::int32_t> conv;   ///< kFilters x kWindow
  std::vector<double> conv_bias;    ///< kFilters
  std::vector<std::int32_t> dense;  ///< kClasses x (kFilters * kPositions)
  std::vector<double> dense_bias;   ///< kClasses
};

inline TinyNetwork tiny_network(std::uint32_t seed = 1) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<std::int32_t> weight(-16, 16);
  const auto weights = [&](std::size_t n) {
    std::vector<std::int32_t> w(n);
    for (auto& x : w) x = weight(engine);
    return w;
  };
  TinyNetwork network;
  network.conv = weights(std::size_t{TinyNetwork::kFilters} * TinyNetwork::kWindow);
  network.conv_bias = {0.25, -0.125};
  network.dense = weights(std::size_t{TinyNetwork::kClasses} * TinyNetwork::kFilters * TinyNetwork::kPositions);
  network.dense_bias = {0.5, 0.0, -0.75};
  return network;
}

inline ckks::IntegerMap conv_map(const TinyNetwork& network) {
  ckks::IntegerMap map;
  map.inputs = TinyNetwork::kSide * TinyNetwork::kSide;
  map.outputs = TinyNetwork::kFilters * TinyNetwork::kPositions;
  map.matrices.push_back({TinyNetwork::kFilters, TinyNetwork::kWindow, network.conv});
  for (std::uint32_t p = 0; p < TinyNetwork::kPositions; ++p) {
    ckks::IntegerBlock block;
    for (std::uint32_t k = 0; k < TinyNetwork::kWindow; ++k) {
      const std::uint32_t y = 2 * (p / 2) + k / 3;
      const std::uint32_t x = 2 * (p % 2) + k % 3;
      block.inputs.push_back(y * TinyNetwork::kSide + x);
    }
    for (std::uint32_t f = 0; f < TinyNetwork::kFilters; ++f) {
      block.outputs.push_back(f * TinyNetwork::kPositions + p);
    }
    map.blocks.push_back(std::move(block));
  }
  return map;
}

inline ckks::IntegerMap dense_map(const TinyNetwork& network) {
  ckks::IntegerMap map;
  map.inputs = TinyNetwork::kFilters * TinyNetwork::kPositions;
  map.outputs = TinyNetwork::kClasses;
  map.matrices.push_back({map.outputs, map.inputs, network.dense});
  ckks::IntegerBlock block;
  for (std::uint32_t i = 0; i < map.inputs; ++i) block.inputs.push_back(i);
  for (std::uint32_t o = 0; o < map.outputs; ++o) block.outputs.push_back(o);
  map.blocks.push_back(std::move(block));
  return map;
}

inline std::vector<double> conv_biases(const TinyNetwork& network) {
  std::vector<double> bias;
  for (const double b : network.conv_bias) bias.insert(bias.end(), TinyNetwork::kPositions, b);
  return bias;
}

inline plan::Plan plan_head(const char* name, ckks::ParamsLiteral params, double scale) {
  plan::Plan plan;
  plan.name = name;
  plan.params = std::move(params);
  plan.batch = std::uint32_t{1} << (plan.params.log2_degree - 1);
  plan.input.channels = 1;
  plan.input.height = TinyNetwork::kSide;
  plan.input.width = TinyNetwork::kSide;
  plan.input.mean = {0.25};
  plan.input.std = {0.5};
  plan.input.limbs = static_cast<std::uint32_t>(plan.params.chain.size());
  plan.input.scale = scale;
  plan.input.layout = plan::batch_layout(plan.input.elements(), plan::slots(plan));
  return plan;
}

/// conv - square - dense at N = 2^12, 105 bits.
inline plan::Plan square_plan(std::uint32_t seed = 1) {
  const auto p = primes(12, 35, 3);
  const TinyNetwork network = tiny_network(seed);
  PlanBuilder builder(plan_head("tiny-square", {12, {p[0], p[1]}, {p[2]}, 1}, 0x1p25));
  const auto x = builder.linear(0, conv_map(network), TinyNetwork::kWeightScale, conv_biases(network));
  const auto u = builder.relinearize(builder.multiply(x, x), 1);
  builder.linear(u, dense_map(network), TinyNetwork::kWeightScale, network.dense_bias);
  return builder.finish();
}

/// conv - ((x^2 + p x + q)^2 + r x) - dense on three parts, relinearised after it: N = 2^13, 170 bits.
struct Quartic {
  static constexpr double p = 0.5;
  static constexpr double q = -0.25;
  static constexpr double r = 1.25;
};
inline plan::Plan quartic_plan(std::uint32_t seed = 1) {
  const auto chain = primes(13, 30, 4);
  const auto special = primes(13, 50, 1);
  const TinyNetwork network = tiny_network(seed);
  PlanBuilder builder(plan_head("tiny-quartic", {13, chain, special, 1}, 0x1p27));
  const auto x = builder.linear(0, conv_map(network), TinyNetwork::kWeightScale, conv_biases(network));
  const auto u = builder.relinearize(builder.multiply(x, x), 1);
  const auto v = builder.combine({{u, {1.0}}, {x, {Quartic::p}}}, {Quartic::q});
  const auto y = builder.combine({{builder.multiply(v, v), {1.0}}, {x, {Quartic::r}}}, {});
  const auto z = builder.linear(y, dense_map(network), TinyNetwork::kWeightScale, network.dense_bias);
  builder.relinearize(z, 1);
  return builder.finish();
}

/// Pixels of `count` images, all values of a byte over 255.
inline std::vector<float> random_pixels(std::size_t count, std::uint32_t seed = 7) {
  std::mt19937 engine(seed);
  std::vector<float> pixels(count * TinyNetwork::kSide * TinyNetwork::kSide);
  for (auto& p : pixels) p = static_cast<float>(engine() & 255U) / 255;
  return pixels;
}

/// The network in doubles, written without any of the code under test. Activation: x^2, or where `p` is given,
/// (x^2 + p x + q)^2 + r x.
inline std::vector<double> tiny_logits(const TinyNetwork& n, std::span<const float> images,
                                       std::optional<double> p_of) {
  constexpr std::size_t kPixels = std::size_t{TinyNetwork::kSide} * TinyNetwork::kSide;
  std::vector<double> logits;
  for (std::size_t image = 0; image * kPixels < images.size(); ++image) {
    std::vector<double> hidden;
    for (std::size_t f = 0; f < TinyNetwork::kFilters; ++f) {
      for (std::size_t p = 0; p < TinyNetwork::kPositions; ++p) {
        double sum = n.conv_bias[f];
        for (std::size_t k = 0; k < TinyNetwork::kWindow; ++k) {
          const std::size_t at = (2 * (p / 2) + k / 3) * TinyNetwork::kSide + 2 * (p % 2) + k % 3;
          sum += n.conv[f * TinyNetwork::kWindow + k] / TinyNetwork::kWeightScale *
                 static_cast<double>(images[image * kPixels + at]);
        }
        const double v = sum * sum + p_of.value_or(0) * sum + Quartic::q;
        hidden.push_back(p_of ? v * v + Quartic::r * sum : sum * sum);
      }
    }
    for (std::size_t c = 0; c < TinyNetwork::kClasses; ++c) {
      double sum = n.dense_bias[c];
      for (std::size_t i = 0; i < hidden.size(); ++i) {
        sum += n.dense[c * hidden.size() + i] / TinyNetwork::kWeightScale * hidden[i];
      }
      logits.push_back(sum);
    }
  }
  return logits;
}

}  // namespace obscura::testing
