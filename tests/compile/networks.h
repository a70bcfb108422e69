// SPDX-License-Identifier: Apache-2.0
/// Small networks and a plan interpreter on doubles, for the tests of compile.
#pragma once

#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "../nn/graphs.h"
#include "compile/measure/statistics.h"
#include "nn/reference.h"
#include "plan/plan.h"

namespace obscura::compile {

using nn::Attributes;
using nn::Op;
using nn::ValueId;

/// nn::Builder with random weights and the nodes that tests use.
class Net : public nn::Builder {
 public:
  explicit Net(nn::Shape input) : nn::Builder(std::move(input)) {}

  ValueId numbers(nn::Shape shape, double low = -1, double high = 1) {
    std::uniform_real_distribution<float> uniform(static_cast<float>(low), static_cast<float>(high));
    std::vector<float> data(static_cast<std::size_t>(nn::element_count(shape)));
    for (float& v : data) v = uniform(random_);
    return constant(std::move(shape), std::move(data));
  }
  ValueId number(float v) { return constant({}, {v}); }
  ValueId conv(ValueId x, std::int64_t in, std::int64_t out, std::int64_t kernel, Attributes a = {}) {
    a.kernel = {kernel, kernel};
    return node(Op::conv, {x, numbers({out, in / a.groups, kernel, kernel}, -0.3, 0.3), numbers({out}, -0.3, 0.3)}, a);
  }
  ValueId batch_norm(ValueId x, std::int64_t channels) {
    return node(Op::batch_normalization, {x, numbers({channels}, 0.5, 1.5), numbers({channels}),
                                          numbers({channels}, -0.5, 0.5), numbers({channels}, 0.5, 2)});
  }
  ValueId dense(ValueId x, std::int64_t in, std::int64_t out) {
    return node(Op::gemm, {node(Op::reshape, {x}, {.shape = {in}}), numbers({in, out}, -0.3, 0.3), numbers({out})});
  }
  ValueId square(ValueId x) { return node(Op::mul, {x, x}); }
  ValueId times(ValueId x, float c) { return node(Op::mul, {x, number(c)}); }
  ValueId plus(ValueId x, float c) { return node(Op::add, {x, number(c)}); }
  ValueId sum(ValueId a, ValueId b) { return node(Op::add, {a, b}); }
  ValueId product(ValueId a, ValueId b) { return node(Op::mul, {a, b}); }

  const nn::Graph& finished() {
    const auto shaped = nn::infer_shapes(graph());
    EXPECT_TRUE(shaped.ok()) << (shaped.ok() ? "" : shaped.error().message);
    return graph();
  }

 private:
  std::mt19937 random_{7};
};

inline std::vector<float> random_images(const nn::Graph& graph, std::size_t count) {
  std::mt19937 random(11);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::vector<float> out(count * static_cast<std::size_t>(nn::element_count(graph.values[graph.input].shape)));
  for (float& v : out) v = uniform(random);
  return out;
}

/// The logits of one image by the steps of a plan, with its integer weights and coefficients, on doubles.
inline std::vector<double> interpret(const plan::Plan& plan, std::span<const float> image) {
  std::vector<std::vector<double>> values{{image.begin(), image.end()}};
  const auto run = [&](const plan::Step& step) -> std::vector<double> {
    if (const auto* s = std::get_if<plan::Linear>(&step.operation)) {
      std::vector<double> y = s->bias;
      for (const auto& block : s->map.blocks) {
        const auto& m = s->map.matrices[block.matrix];
        for (std::size_t r = 0; r < m.rows; ++r) {
          double total = 0;
          for (std::size_t c = 0; c < m.cols; ++c) total += m.data[r * m.cols + c] * values[s->input][block.inputs[c]];
          y[block.outputs[r]] += total / s->weight_scale;
        }
      }
      return y;
    }
    if (const auto* s = std::get_if<plan::Multiply>(&step.operation)) {
      std::vector<double> y = values[s->a];
      for (std::size_t i = 0; i < y.size(); ++i) y[i] *= values[s->b][i];
      return y;
    }
    if (const auto* s = std::get_if<plan::Combine>(&step.operation)) {
      std::vector<double> y(values[s->terms[0].input].size(), 0);
      for (std::size_t i = 0; i < y.size(); ++i) {
        for (const auto& t : s->terms) {
          const double scale = step.output.scale / plan.value(t.input).scale;  // of its coefficients
          y[i] += std::round(element(t.coefficients, i) * scale) / scale * values[t.input][i];
        }
        if (!s->constants.empty()) y[i] += element(s->constants, i);
      }
      return y;
    }
    if (const auto* s = std::get_if<plan::Relinearize>(&step.operation)) return values[s->input];
    return values[std::get<plan::Rescale>(step.operation).input];
  };
  for (const auto& step : plan.steps) values.push_back(run(step));
  return values.back();
}

/// Largest difference, and the largest number, of the monic form and of the reference on random images.
inline double monic_difference(const nn::Graph& graph, const MonicNetwork& network) {
  const std::vector<float> images = random_images(graph, 20);
  const auto elements = static_cast<std::size_t>(nn::element_count(network.input));
  const std::vector<double> actual = evaluate(network, {images, elements});
  const std::vector<float> expected = nn::run_reference(graph, images, 20);
  double difference = 0;
  double largest = 0;
  EXPECT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    difference = std::max(difference, std::abs(actual[i] - expected[i]));
    largest = std::max(largest, std::abs(actual[i]));
  }
  return difference / largest;
}

/// The reference gives floats.
inline constexpr double kFloat = 0x1p-22;

}  // namespace obscura::compile
