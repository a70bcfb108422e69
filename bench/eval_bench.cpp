// SPDX-License-Identifier: Apache-2.0
/// Images a second through the float network, all cores: ResNet-20 for CIFAR-10 with random weights (the time does not
/// depend on them) as it is, and with its ReLUs as minimax compositions.
#include <benchmark/benchmark.h>

#include <cmath>
#include <random>

#include "approx/sign.h"
#include "base/parallel.h"
#include "eval/network.h"
#include "tests/nn/graphs.h"

namespace obscura {
namespace {

using nn::Op;
using nn::ValueId;

/// He et al.'s ResNet-20 with option-A shortcuts: slices of every second position, padded by zero channels.
class ResNet20 {
 public:
  ResNet20() {
    ValueId x = relu(convolved(0, 3, 16, 1));
    std::int64_t channels = 16;
    for (const std::int64_t width : {16, 32, 64}) {
      for (int block = 0; block < 3; ++block) {
        x = residual(x, channels, width);
        channels = width;
      }
    }
    const ValueId pooled = builder_.flatten(builder_.node(Op::global_average_pool, {x}));
    builder_.node(Op::gemm, {pooled, random({64, 10}, 0.1)});
    OBSCURA_CHECK(nn::infer_shapes(builder_.graph()).ok(), "ResNet-20 does not fit together");
  }

  const nn::Graph& graph() { return builder_.graph(); }

 private:
  ValueId relu(ValueId x) { return builder_.function(approx::Function::Kind::relu, x); }

  ValueId random(nn::Shape shape, double deviation) {
    std::normal_distribution<double> normal(0, deviation);
    std::vector<float> data(static_cast<std::size_t>(nn::element_count(shape)));
    for (float& v : data) v = static_cast<float>(normal(engine_));
    return builder_.constant(std::move(shape), std::move(data));
  }

  ValueId convolved(ValueId x, std::int64_t from, std::int64_t to, std::int64_t stride) {
    const ValueId weight = random({to, from, 3, 3}, std::sqrt(2.0 / static_cast<double>(9 * from)));
    const ValueId out =
        builder_.node(Op::conv, {x, weight}, {.kernel = {3, 3}, .strides = {stride, stride}, .pads = {1, 1, 1, 1}});
    const auto size = static_cast<std::size_t>(to);
    const ValueId one = builder_.constant({to}, std::vector<float>(size, 1));
    const ValueId zero = builder_.constant({to}, std::vector<float>(size, 0));
    return builder_.node(Op::batch_normalization, {out, one, zero, zero, one});
  }

  ValueId residual(ValueId x, std::int64_t from, std::int64_t to) {
    const std::int64_t stride = from == to ? 1 : 2;
    const ValueId first = relu(convolved(x, from, to, stride));
    const ValueId second = convolved(first, to, to, 1);
    ValueId shortcut = x;
    if (from != to) {
      const std::int64_t side = 32 * 16 / to;
      shortcut = builder_.node(Op::slice, {x}, {.starts = {0, 0, 0}, .steps = {1, 2, 2}, .sizes = {from, side, side}});
      shortcut = builder_.node(Op::pad, {shortcut}, {.pads_before = {from / 2, 0, 0}, .pads_after = {from / 2, 0, 0}});
    }
    return relu(builder_.node(Op::add, {second, shortcut}));
  }

  std::mt19937 engine_{1};
  nn::Builder builder_{{3, 32, 32}};
};

void run(benchmark::State& state, const eval::Substitution& substitution, const nn::Graph& graph, double noise) {
  auto network = eval::Network::make(graph, substitution);
  if (!network.ok()) return state.SkipWithError(network.error().message.c_str());
  constexpr std::size_t kImages = 256;
  std::vector<float> images(kImages * 3 * 32 * 32);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i % 97) / 50 - 1;
  eval::Options options;
  for (std::size_t n = 0; noise > 0 && n < graph.nodes.size(); ++n) options.noise[n] = noise;
  for (auto _ : state) benchmark::DoNotOptimize(network->run(images, kImages, options));
  state.counters["images_per_second"] =
      benchmark::Counter(static_cast<double>(kImages * state.iterations()), benchmark::Counter::kIsRate);
  state.counters["threads"] = static_cast<double>(base::thread_count());
}

void resnet20_float(benchmark::State& state) { run(state, {}, ResNet20().graph(), 0); }

/// Every ReLU with 2^-alpha of precision, alpha = range(0); with noise at every node where range(1) is 1.
void resnet20_alpha(benchmark::State& state) {
  const auto relu = approx::relu(static_cast<int>(state.range(0)), 50);
  if (!relu.ok()) return state.SkipWithError(relu.error().message.c_str());
  ResNet20 network;
  eval::Substitution substitution;
  for (std::size_t n = 0; n < network.graph().nodes.size(); ++n) {
    if (network.graph().nodes[n].op == Op::function) substitution[n] = *relu;
  }
  run(state, substitution, network.graph(), state.range(1) == 1 ? 1e-6 : 0);
}

BENCHMARK(resnet20_float)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(resnet20_alpha)
    ->ArgNames({"alpha", "noise"})
    ->Args({7, 0})
    ->Args({13, 0})
    ->Args({13, 1})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace obscura
