// SPDX-License-Identifier: Apache-2.0
/// Integer matrix products. `tile`: the kernel alone on packed tiles in the second-level cache, one thread; `digits`:
/// the same by digits (AMX), packing them counted; `product`: not counted. `layer`: ckks::apply on ciphertexts in
/// memory, by threads. `convolution`: a strip of a 3 x 3 convolution in tasks as the executor makes them, one thread,
/// with AMX and without. items_per_second = multiply-adds of one weight and one 48-bit residue (49-bit: convolution).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <numeric>

#include "base/parallel.h"
#include "bench/bench.h"
#include "ckks/evaluator.h"

namespace obscura::ckks {
namespace {

std::shared_ptr<const Context> make_context(const kernels::Kernels& kernels, int log2_degree, int bits,
                                            std::size_t limbs) {
  ParamsLiteral literal;
  literal.log2_degree = log2_degree;
  literal.special = make_primes(log2_degree, 50, 1, {}).value();
  literal.chain = make_primes(log2_degree, bits, limbs, literal.special).value();
  return Context::make(Params::make(literal).value(), Resources::make(kernels));
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

std::vector<Ciphertext> make_inputs(const Context& context, std::size_t count) {
  std::vector<Ciphertext> x(count);
  const std::size_t limbs = context.params().chain_limbs();
  for (Ciphertext& c : x) {
    c.scale = 0x1p40;
    for (int part = 0; part < 2; ++part) {
      c.parts.emplace_back(context.resources(), context.degree(), limbs);
      for (std::size_t i = 0; i < limbs; ++i) {
        for (double& r : c.parts.back().residues(i)) r = 1e14;
      }
    }
  }
  return x;
}

/// A row of `positions` windows of 3 x 3 x `channels` inputs, in the order (channel, row, column).
IntegerMap convolution_map(std::uint32_t positions, std::uint32_t channels, std::uint32_t outputs) {
  IntegerMap map = windows(1, outputs, 9 * channels);
  const std::uint32_t width = positions + 2;
  map.inputs = 3 * width * channels;
  map.outputs = positions * outputs;
  map.blocks.clear();
  for (std::uint32_t p = 0; p < positions; ++p) {
    IntegerBlock block;
    for (std::uint32_t row = 0; row < 3 * channels; ++row) {
      for (std::uint32_t k = 0; k < 3; ++k) block.inputs.push_back(row * width + p + k);
    }
    for (std::uint32_t r = 0; r < outputs; ++r) block.outputs.push_back(r * positions + p);
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
    bench::chosen_kernels().matrix_product(job, modulus);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(rows * cols * kernels::kMatrixTile) * state.iterations());
}

void layer(benchmark::State& state) {
  const base::ThreadLimit limit(static_cast<std::size_t>(state.range(3)));
  const auto context = make_context(bench::chosen_kernels(), 14, 48, 3);
  const PreparedMap map(windows(static_cast<std::uint32_t>(state.range(0)), static_cast<std::uint32_t>(state.range(1)),
                                static_cast<std::uint32_t>(state.range(2))));
  const std::vector<Ciphertext> x = make_inputs(*context, map.map().inputs);
  const std::vector<double> bias(map.map().outputs);
  benchmark::DoNotOptimize(apply(*context, map, 512, bias, x));  // faults the pages in
  for (auto _ : state) benchmark::DoNotOptimize(apply(*context, map, 512, bias, x));
  state.SetItemsProcessed(static_cast<std::int64_t>(map.map().multiplications() * context->degree() * 6) *
                          state.iterations());
}

void digits(benchmark::State& state) {
  const kernels::Kernels& kernels = bench::chosen_kernels();
  if (kernels.digit_product == nullptr) return state.SkipWithError("no AMX here");
  const auto rows = static_cast<std::size_t>(state.range(0)), cols = static_cast<std::size_t>(state.range(1));
  constexpr std::size_t kOctets = kernels::kMatrixTile / 8;
  const std::size_t quads = kernels::packed_quads(cols);
  std::vector<kernels::Octet> x(kernels::kQuad * quads * kOctets), y(rows * kOctets);
  std::vector<const double*> x_rows;
  std::vector<double*> y_rows;
  std::vector<double> weights(rows * cols);
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<double>(i % 1023) - 511;
  for (std::size_t c = 0; c < kernels::kQuad * quads; ++c) x_rows.push_back(x[c * kOctets].lane);
  for (std::size_t r = 0; r < rows; ++r) y_rows.push_back(y[r * kOctets].lane);
  std::vector<std::uint32_t> places(cols);
  std::iota(places.begin(), places.end(), 0U);
  const kernels::Modulus modulus = kernels::make_modulus(make_primes(14, 48, 1, {}).value()[0]);
  const auto matrix = kernels::make_digit_matrix(weights.data(), rows, cols, places.data(), quads);
  std::vector<kernels::Octet> packed(kernels::packed_bytes(quads, modulus) / sizeof(kernels::Octet));
  auto* const bytes = reinterpret_cast<std::int8_t*>(packed.data());
  for (auto _ : state) {
    if (state.range(2) != 0) kernels.pack_digits(bytes, x_rows.data(), quads, modulus);
    kernels.digit_product({&matrix, bytes, quads, y_rows.data(), nullptr}, modulus);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(rows * cols * kernels::kMatrixTile) * state.iterations());
}

void convolution(benchmark::State& state) {
  const bool tiles = state.range(2) != 0;
  const kernels::Kernels* kernels = kernels::named(tiles ? "avx512+amx" : "avx512");
  if (kernels == nullptr) return state.SkipWithError("no such kernels here");
  const base::ThreadLimit limit(1);
  const auto context = make_context(*kernels, 14, 49, 1);
  constexpr std::uint32_t kPositions = 4, kTaskOutputs = 128;
  const auto outputs = static_cast<std::uint32_t>(state.range(1));
  const PreparedMap map(convolution_map(kPositions, static_cast<std::uint32_t>(state.range(0)), outputs));
  const std::vector<Ciphertext> x = make_inputs(*context, map.map().inputs);
  std::vector<Ciphertext> y(map.map().outputs);
  const std::vector<double> bias(y.size());
  const std::uint32_t step = (kTaskOutputs + outputs - 1) / outputs;
  const auto run = [&] {
    for (std::uint32_t p = 0; p < kPositions; p += step) {
      std::vector<std::uint32_t> blocks(std::min(step, kPositions - p));
      std::iota(blocks.begin(), blocks.end(), p);
      apply(*context, map, blocks, 512, bias, x, y);
    }
  };
  run();  // faults the pages in
  for (auto _ : state) run();
  state.SetItemsProcessed(static_cast<std::int64_t>(map.map().multiplications() * context->degree() * 2) *
                          state.iterations());
}

BENCHMARK(tile)
    ->ArgNames({"out", "in"})
    ->Args({5, 25})
    ->Args({50, 125})
    ->Args({10, 800})
    ->Args({64, 288})
    ->ArgsProduct({{8, 12, 16, 48, 192}, {48, 125, 432, 1728}});
BENCHMARK(digits)
    ->ArgNames({"out", "in", "pack"})
    ->ArgsProduct({{5, 8, 12, 16, 48, 192}, {25, 48, 125, 432, 1728}, {0, 1}});
BENCHMARK(convolution)
    ->ArgNames({"in", "out", "amx"})
    ->ArgsProduct({{32}, {64}, {0, 1}})
    ->ArgsProduct({{48}, {48}, {0, 1}})
    ->ArgsProduct({{96}, {96}, {0, 1}})
    ->ArgsProduct({{192}, {192}, {0, 1}})
    ->Unit(benchmark::kMillisecond);
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
