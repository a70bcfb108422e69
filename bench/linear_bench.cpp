// SPDX-License-Identifier: Apache-2.0
/// Integer matrix products. `tile`: the kernel alone on packed tiles in the second-level cache, one thread. `layer`:
/// ckks::apply on ciphertexts in memory, by threads. items_per_second = multiply-adds of one weight and one 48-bit
/// residue.
#include <benchmark/benchmark.h>

#include "base/parallel.h"
#include "ckks/evaluator.h"
#include "kernels/kernels.h"

namespace obscura::ckks {
namespace {

std::shared_ptr<const Context> make_context(int log2_degree) {
  ParamsLiteral literal;
  literal.log2_degree = log2_degree;
  literal.special = make_primes(log2_degree, 50, 1, {}).value();
  literal.chain = make_primes(log2_degree, 48, 3, literal.special).value();
  return Context::make(Params::make(literal).value());
}

/// A layer of `positions` windows of `inputs` inputs and `outputs` outputs each, neighbours sharing half of their
/// inputs.
IntegerMap windows(std::uint32_t positions, std::uint32_t outputs, std::uint32_t inputs) {
  IntegerMap map;
  IntegerMatrix matrix{outputs, inputs, {}};
  for (std::uint32_t i = 0; i < outputs * inputs; ++i) matrix.data.push_back(static_cast<std::int32_t>(i % 1023) - 511);
  map.matrices = {matrix};
  const std::uint32_t stride = std::max(1U, inputs / 2);
  map.inputs = (positions - 1) * stride + inputs;
  map.outputs = positions * outputs;
  for (std::uint32_t p = 0; p < positions; ++p) {
    IntegerBlock block;
    for (std::uint32_t c = 0; c < inputs; ++c) block.inputs.push_back(p * stride + c);
    for (std::uint32_t r = 0; r < outputs; ++r) block.outputs.push_back(p * outputs + r);
    map.blocks.push_back(block);
  }
  return map;
}

void tile(benchmark::State& state) {
  const auto rows = static_cast<std::size_t>(state.range(0)), cols = static_cast<std::size_t>(state.range(1));
  constexpr std::size_t kOctets = kernels::kMatrixTile / 8;
  std::vector<kernels::Octet> x(cols * kOctets), y(rows * kOctets);
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (double& lane : x[i].lane) lane = static_cast<double>(i * 1000003) * 12345;
  }
  std::vector<const double*> x_rows;
  std::vector<double*> y_rows;
  std::vector<double> weights(rows * cols);
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<double>(i % 1023) - 511;
  for (std::size_t c = 0; c < cols; ++c) x_rows.push_back(x[c * kOctets].lane);
  for (std::size_t r = 0; r < rows; ++r) y_rows.push_back(y[r * kOctets].lane);
  const kernels::Modulus modulus = kernels::make_modulus(make_primes(14, 48, 1, {}).value()[0]);
  const kernels::MatrixProduct job{weights.data(), rows, cols, x_rows.data(), y_rows.data(), nullptr};
  for (auto _ : state) {
    kernels::active().matrix_product(job, modulus);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(rows * cols * kernels::kMatrixTile) * state.iterations());
}

void layer(benchmark::State& state) {
  const base::ThreadLimit limit(static_cast<std::size_t>(state.range(3)));
  const auto context = make_context(14);
  const PreparedMap map(windows(static_cast<std::uint32_t>(state.range(0)), static_cast<std::uint32_t>(state.range(1)),
                                static_cast<std::uint32_t>(state.range(2))));
  std::vector<Ciphertext> x(map.map().inputs);
  for (Ciphertext& c : x) {
    c.scale = 0x1p40;
    for (int part = 0; part < 2; ++part) {
      c.parts.emplace_back(context->degree(), 3);
      for (std::size_t i = 0; i < 3; ++i) {
        for (double& r : c.parts.back().residues(i)) r = 1e14;
      }
    }
  }
  const std::vector<double> bias(map.map().outputs);
  benchmark::DoNotOptimize(apply(*context, map, 512, bias, x));  // faults the pages in
  for (auto _ : state) benchmark::DoNotOptimize(apply(*context, map, 512, bias, x));
  state.SetItemsProcessed(static_cast<std::int64_t>(map.map().multiplications() * context->degree() * 6) *
                          state.iterations());
}

BENCHMARK(tile)->ArgNames({"out", "in"})->Args({5, 25})->Args({50, 125})->Args({10, 800})->Args({64, 288});
BENCHMARK(layer)
    ->ArgNames({"positions", "out", "in", "threads"})
    ->Args({144, 5, 25, 1})
    ->Args({144, 5, 25, 2})
    ->Args({16, 50, 125, 1})
    ->Args({16, 50, 125, 2})
    ->Args({1, 10, 800, 1})
    ->Args({1, 10, 800, 2})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace obscura::ckks
