// SPDX-License-Identifier: Apache-2.0
/// Small networks for the tests of calibrate.
#pragma once

#include <gmock/gmock.h>

#include "calibrate/choice.h"
#include "tests/eval/random.h"

namespace obscura::calibrate {

using eval::Numbers;
using nn::Attributes;
using nn::Builder;
using nn::Graph;
using nn::Op;
using Kind = approx::Function::Kind;

/// Dense layers of `width` features with one activation after each, then a dense layer to `width` logits; the inputs
/// are {1, 1, width}.
struct Stack {
  Builder builder;
  std::vector<std::vector<float>> weights;  ///< width x width each, {in, out}
  std::int64_t width;

  Stack(std::int64_t features, const std::vector<Kind>& activations) : builder({1, 1, features}), width(features) {
    Numbers numbers(3);
    nn::ValueId at = builder.flatten(0);
    const auto dense = [&] {
      const auto size = static_cast<std::size_t>(width * width);
      weights.push_back(numbers.normal(size, 1 / std::sqrt(static_cast<double>(width))));
      at = builder.node(Op::gemm, {at, builder.constant({width, width}, weights.back())});
    };
    for (const Kind kind : activations) {
      dense();
      approx::Function function = approx::default_of(kind);
      if (kind == Kind::leaky_relu) function.alpha = 0.25;
      at = builder.function(function, at);
    }
    dense();
    const auto inferred = nn::infer_shapes(builder.graph());
    EXPECT_TRUE(inferred.ok()) << inferred.error().message;
  }
  const Graph& graph() { return builder.graph(); }
};

inline Calibration calibration_of(const Graph& graph, std::size_t images, unsigned seed = 4) {
  const auto size = static_cast<std::size_t>(nn::element_count(graph.values[graph.input].shape));
  auto measured = measure_ranges(graph, Numbers(seed).normal(images * size), images);
  EXPECT_TRUE(measured.ok()) << measured.error().message;
  return std::move(measured).value();
}

}  // namespace obscura::calibrate
