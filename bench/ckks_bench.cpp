// SPDX-License-Identifier: Apache-2.0
/// Operations on one ciphertext. Arguments: log2 N, chain limbs, digit limbs (= special primes), threads.
#include <benchmark/benchmark.h>

#include <array>
#include <optional>

#include "base/parallel.h"
#include "bench/bench.h"
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
    context = Context::make(Params::make(literal).value(), Resources::make(bench::chosen_kernels()));
    key.emplace(secret::SecretKey::generate(*context));
    keys.relinearization.push_back(secret::make_relinearization_key(*context, *key));
    keys.galois.emplace(context->galois_element(1),
                        secret::make_galois_key(*context, *key, context->galois_element(1)));
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

/// Runs `body` on the state's world with the state's number of threads.
template <class Body>
void measure(benchmark::State& state, Body body) {
  World world(state.range(0), state.range(1), state.range(2));
  const base::ThreadLimit limit(static_cast<std::size_t>(state.range(3)));
  state.counters["log2QP"] = world.context->params().log2_qp();
  body(world);  // keys are expanded and memory is warm from here on
  for (auto _ : state) body(world);
}

void relinearize_only(benchmark::State& state) {
  measure(state, [](World& w) { benchmark::DoNotOptimize(relinearize(*w.context, w.keys, w.square, 0)); });
}

void relinearize_and_rescale(benchmark::State& state) {
  measure(state, [](World& w) { benchmark::DoNotOptimize(relinearize(*w.context, w.keys, w.square, 1)); });
}

/// Per ciphertext of eight.
void relinearize_eight(benchmark::State& state) {
  std::vector<Ciphertext> squares;
  measure(state, [&](World& w) {
    while (squares.size() < 8) squares.push_back(w.square);
    benchmark::DoNotOptimize(relinearize_many(*w.context, w.keys, squares, 1));
  });
  state.SetItemsProcessed(8 * state.iterations());
}

void rotate_one(benchmark::State& state) {
  measure(state, [](World& w) { benchmark::DoNotOptimize(rotate(*w.context, w.keys, w.x, 1)); });
}

void rotate_eight_hoisted(benchmark::State& state) {
  const std::vector<std::int64_t> steps(8, 1);
  measure(state, [&](World& w) { benchmark::DoNotOptimize(rotate_many(*w.context, w.keys, w.x, steps)); });
}

void rescale_one(benchmark::State& state) {
  measure(state, [](World& w) { benchmark::DoNotOptimize(rescale(*w.context, w.x, 1)); });
}

void multiply_three_parts(benchmark::State& state) {
  measure(state, [](World& w) { benchmark::DoNotOptimize(multiply(*w.context, w.x, w.x)); });
}

void encode(benchmark::State& state) {
  measure(state, [](World& w) { benchmark::DoNotOptimize(w.context->encoder().encode(w.slots, 0x1p30, w.x.limbs())); });
}

void encrypt(benchmark::State& state) {
  measure(state, [](World& w) {
    benchmark::DoNotOptimize(secret::encrypt(*w.context, *w.key, w.slots, 0x1p30, w.x.limbs()));
  });
}

void decrypt_two_limbs(benchmark::State& state) {
  measure(state, [](World& w) {
    for (auto& part : w.x.parts) part.drop_to(2);
    benchmark::DoNotOptimize(secret::decrypt(*w.context, *w.key, w.x));
  });
}

void sets(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"log2N", "limbs", "digit", "threads"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const std::int64_t threads : {1, 2}) {
    for (const auto& [log2_degree, limbs, digit] : {std::array<std::int64_t, 3>{12, 2, 1},
                                                    {13, 3, 1},
                                                    {14, 5, 2},
                                                    {14, 6, 2},
                                                    {14, 7, 1},
                                                    {15, 13, 4},
                                                    {16, 28, 7}}) {
      bench->Args({log2_degree, limbs, digit, threads});
    }
  }
}

BENCHMARK(relinearize_only)->Apply(sets);
BENCHMARK(relinearize_and_rescale)->Apply(sets);
BENCHMARK(relinearize_eight)->Apply(sets);
BENCHMARK(rotate_one)->Apply(sets);
BENCHMARK(rotate_eight_hoisted)->Apply(sets);
BENCHMARK(rescale_one)->Apply(sets);
BENCHMARK(multiply_three_parts)->Apply(sets);
BENCHMARK(encode)->Apply(sets);
BENCHMARK(encrypt)->Apply(sets);
BENCHMARK(decrypt_two_limbs)->Apply(sets);

}  // namespace
}  // namespace obscura::ckks
