// SPDX-License-Identifier: Apache-2.0
/// Operations on one ciphertext, one thread. Arguments: log2 N, chain limbs, digit limbs (= special primes).
#include <benchmark/benchmark.h>

#include <optional>

#include "ckks/evaluator.h"
#include "secret/crypt.h"

namespace obscura::ckks {
namespace {

struct World {
  World(std::int64_t log2_degree, std::int64_t limbs, std::int64_t digit_limbs) {
    ParamsLiteral literal;
    literal.log2_degree = static_cast<int>(log2_degree);
    literal.digit_limbs = static_cast<int>(digit_limbs);
    // 48-bit primes where the 128-bit gate allows them.
    const double fair = max_log2_qp(literal.log2_degree) / static_cast<double>(limbs + digit_limbs);
    const int bits = std::min(48, static_cast<int>(fair));
    literal.chain = make_primes(literal.log2_degree, bits, static_cast<std::size_t>(limbs + digit_limbs), {}).value();
    literal.special.assign(literal.chain.end() - digit_limbs, literal.chain.end());
    literal.chain.resize(static_cast<std::size_t>(limbs));
    context = Context::make(Params::make(literal).value());
    key.emplace(secret::SecretKey::generate(*context));
    keys.relinearization.push_back(secret::make_relinearization_key(*context, *key));
    slots.assign(context->params().slots(), 0.5);
    x = expand(*context, secret::encrypt(*context, *key, slots, 0x1p30, context->chain_limbs()));
    square = multiply(*context, x, x);
  }
  std::shared_ptr<const Context> context;
  std::optional<secret::SecretKey> key;
  EvalKeys keys;
  std::vector<double> slots;
  Ciphertext x, square;
};

void relinearize_only(benchmark::State& state) {
  const World world(state.range(0), state.range(1), state.range(2));
  state.counters["log2QP"] = world.context->params().log2_qp();
  for (auto _ : state) benchmark::DoNotOptimize(relinearize(*world.context, world.keys, world.square, 0));
}

void relinearize_and_rescale(benchmark::State& state) {
  const World world(state.range(0), state.range(1), state.range(2));
  for (auto _ : state) benchmark::DoNotOptimize(relinearize(*world.context, world.keys, world.square, 1));
}

void rescale_one(benchmark::State& state) {
  const World world(state.range(0), state.range(1), state.range(2));
  for (auto _ : state) benchmark::DoNotOptimize(rescale(*world.context, world.x, 1));
}

void multiply_three_parts(benchmark::State& state) {
  const World world(state.range(0), state.range(1), state.range(2));
  for (auto _ : state) benchmark::DoNotOptimize(multiply(*world.context, world.x, world.x));
}

void encrypt(benchmark::State& state) {
  const World world(state.range(0), state.range(1), state.range(2));
  for (auto _ : state) {
    benchmark::DoNotOptimize(secret::encrypt(*world.context, *world.key, world.slots, 0x1p30, world.x.limbs()));
  }
}

void decrypt_two_limbs(benchmark::State& state) {
  World world(state.range(0), state.range(1), state.range(2));
  for (auto& part : world.x.parts) part.drop_to(2);
  for (auto _ : state) benchmark::DoNotOptimize(secret::decrypt(*world.context, *world.key, world.x));
}

#define OBSCURA_SETS                      \
  ->ArgNames({"log2N", "limbs", "digit"}) \
      ->Args({12, 2, 1})                  \
      ->Args({13, 3, 1})                  \
      ->Args({14, 5, 2})                  \
      ->Args({14, 6, 2})                  \
      ->Args({14, 7, 1})                  \
      ->Args({15, 13, 4})                 \
      ->Unit(benchmark::kMillisecond)

BENCHMARK(relinearize_only) OBSCURA_SETS;
BENCHMARK(relinearize_and_rescale) OBSCURA_SETS;
BENCHMARK(rescale_one) OBSCURA_SETS;
BENCHMARK(multiply_three_parts) OBSCURA_SETS;
BENCHMARK(encrypt) OBSCURA_SETS;
BENCHMARK(decrypt_two_limbs) OBSCURA_SETS;

}  // namespace
}  // namespace obscura::ckks
