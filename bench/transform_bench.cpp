// SPDX-License-Identifier: Apache-2.0
/// Linear transforms by diagonals: double hoisting against one rotation a diagonal, both in one run and with encoded
/// diagonals at hand; and with the coefficients of diagonals at hand, or nothing of them. Counters: the parts of
/// TransformCost.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/parallel.h"
#include "bench/bench.h"
#include "ckks/evaluator.h"
#include "ckks/plain.h"
#include "ckks/transform.h"
#include "secret/crypt.h"

namespace obscura::ckks {
namespace {

/// Diagonals of a transform at its parameters.
struct Workload {
  int log2_degree;
  std::size_t limbs, special;
  std::uint32_t inputs, outputs;
  std::vector<Diagonal> diagonals;
  std::size_t period = 0;  ///< of the diagonals
};

/// A dense layer.
Workload dense() {
  Workload out{14, 6, 2, 1, 1, {}};
  for (std::int64_t k = 0; k < 256; ++k) out.diagonals.push_back({0, 0, k});
  return out;
}

/// A 3x3 convolution from 16 to 16 channels of 32x32: whole channels side by side in the slots.
Workload convolution(int log2_degree, std::size_t limbs, std::size_t special) {
  constexpr std::int64_t kRow = 32, kChannel = 1024, kChannels = 16;
  const std::int64_t slots = std::int64_t{1} << (log2_degree - 1);
  const std::int64_t together = std::min(kChannels, slots / kChannel);  // channels of one ciphertext
  const auto ciphertexts = static_cast<std::uint32_t>(kChannels / together);
  Workload out{log2_degree, limbs, special, ciphertexts, ciphertexts, {}};
  for (std::uint32_t o = 0; o < ciphertexts; ++o) {
    for (std::uint32_t i = 0; i < ciphertexts; ++i) {
      for (std::int64_t c = 0; c < together; ++c) {
        for (std::int64_t tap = 0; tap < 9; ++tap) {
          out.diagonals.push_back({o, i, (tap / 3 - 1) * kRow + tap % 3 - 1 + c * kChannel});
        }
      }
    }
  }
  return out;
}

/// A stage of CoeffToSlot: five levels of the FFT in one, butterflies up to 32 * 32 slots apart.
Workload slots_stage() {
  Workload out{16, 20, 5, 1, 1, {}};
  for (std::int64_t k = -31; k <= 31; ++k) out.diagonals.push_back({0, 0, k * 32});
  return out;
}

/// A 3x3 convolution from 64 to 64 channels of 8x8, in the gaps that strides have left of 32x32 pixels, as a deep
/// network has it at the end: 4096 elements that repeat 8 times, 60 babies and 15 giants.
Workload deep_convolution() {
  Workload out{16, 7, 12, 1, 1, {}, 4096};
  for (std::int64_t giant = -7; giant <= 7; ++giant) {
    for (std::int64_t baby = 0; baby < 60; ++baby) out.diagonals.push_back({0, 0, 128 * giant + baby});
  }
  return out;
}

Workload workload(std::int64_t index) {
  switch (index) {
    case 0:
      return dense();
    case 1:
      return convolution(14, 6, 2);
    case 2:
      return convolution(15, 12, 4);
    case 3:
      return slots_stage();
    default:
      return deep_convolution();
  }
}

Params make_params(const Workload& work) {
  ParamsLiteral literal;
  literal.log2_degree = work.log2_degree;
  literal.digit_limbs = static_cast<int>(work.special);
  const std::size_t limbs = std::max(work.limbs, work.special), primes = limbs + work.special;  // digits fit the chain
  const int bits = std::min(48, static_cast<int>(max_log2_qp(work.log2_degree) / static_cast<double>(primes)));
  literal.chain = make_primes(work.log2_degree, bits, primes, {}).value();
  literal.special.assign(literal.chain.end() - static_cast<std::ptrdiff_t>(work.special), literal.chain.end());
  literal.chain.resize(limbs);
  return Params::make(literal).value();
}

/// Numbers that are different for each diagonal and cheap, and repeat with `period`.
void fill(const Diagonal& at, std::size_t period, std::span<std::complex<double>> slots) {
  const auto own = static_cast<std::size_t>(at.step & 63) + 3;
  for (std::size_t j = 0; j < slots.size(); ++j) slots[j] = static_cast<double>(j % period % own) / 64;
}

struct World {
  World(const Workload& work, std::span<const std::int64_t> steps, double scale)
      : context(Context::make(make_params(work), Resources::make(bench::chosen_kernels()))),
        key(secret::SecretKey::generate(*context)) {
    keys.galois = secret::make_galois_keys(*context, key, steps);
    const std::vector<double> slots(context->params().slots(), 0.5);
    for (std::uint32_t i = 0; i < work.inputs; ++i) {
      x.push_back(expand(*context, secret::encrypt(*context, key, slots, scale, work.limbs)));
    }
  }
  std::shared_ptr<const Context> context;
  secret::SecretKey key;
  EvalKeys keys;
  std::vector<Ciphertext> x;
};

constexpr double kScale = 0x1p38;

void count(benchmark::State& state, const TransformShape& shape, const TransformCost& cost) {
  state.counters["diagonals"] = static_cast<double>(cost.plaintexts);
  state.counters["keys"] = static_cast<double>(cost.keys);
  state.counters["babies"] = static_cast<double>(shape.babies().size());
  state.counters["giants"] = static_cast<double>(cost.giant_switches);
  state.counters["ntts"] = static_cast<double>(cost.ntts);
  state.counters["products"] = static_cast<double>(cost.products);
}

/// What is kept of the diagonals, and whether it is known that they repeat.
enum class Kept { residues, coefficients, nothing, nothing_of_whole_ones };

void hoisted(benchmark::State& state, Kept kept) {
  const Workload work = workload(state.range(0));
  const Params params = make_params(work);
  const SplitOptions options{SwitchSize::at(params, work.limbs), {}};
  const auto shape =
      std::make_shared<TransformShape>(params.slots(), work.inputs, work.outputs, work.diagonals, options);
  const World world(work, shape->rotation_steps(), kScale);
  const std::size_t period = work.period == 0 ? params.slots() : work.period;
  TransformPlace place{work.limbs, 1, kScale, kScale, 0, kept == Kept::nothing_of_whole_ones ? 0 : period};
  if (kept == Kept::residues) place.memory = residue_bytes(*world.context, place, shape->plaintexts());
  if (kept == Kept::coefficients) place.memory = embedding_bytes(*world.context, place, shape->plaintexts());
  const auto values = [period](const Diagonal& at, std::span<std::complex<double>> slots) { fill(at, period, slots); };
  const Transform transform(world.context, shape, values, place);
  const base::ThreadLimit limit(static_cast<std::size_t>(state.range(1)));
  benchmark::DoNotOptimize(apply(*world.context, world.keys, transform, world.x));  // keys are drawn, diagonals encoded
  for (auto _ : state) benchmark::DoNotOptimize(apply(*world.context, world.keys, transform, world.x));
  count(state, *shape, shape->cost(options.size, 1));
  state.counters["keptMiB"] = static_cast<double>(transform.bytes()) / 0x1p20;
}

void double_hoisted(benchmark::State& state) { hoisted(state, Kept::residues); }
void double_hoisted_coefficients(benchmark::State& state) { hoisted(state, Kept::coefficients); }
void double_hoisted_encoding(benchmark::State& state) { hoisted(state, Kept::nothing); }
void double_hoisted_encoding_whole(benchmark::State& state) { hoisted(state, Kept::nothing_of_whole_ones); }

/// One rotation a diagonal with the key of its step; the rotations of one input hoisted or not.
void rotate_and_add(benchmark::State& state, bool hoist) {
  const Workload work = workload(state.range(0));
  std::vector<std::int64_t> steps;
  for (const Diagonal& d : work.diagonals) steps.push_back(d.step);
  std::sort(steps.begin(), steps.end());
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
  const World world(work, {}, kScale);
  // The keys of all steps would take gigabytes; the time of a rotation does not depend on which key it reads.
  constexpr std::size_t kKeys = 16;
  const std::size_t distinct = std::min(kKeys, steps.size());
  EvalKeys keys;
  keys.galois = secret::make_galois_keys(*world.context, world.key, std::span(steps).first(distinct));
  std::vector<Plaintext> plain;
  std::vector<std::complex<double>> slots(world.context->params().slots());
  for (std::size_t k = 0; k < std::min<std::size_t>(64, work.diagonals.size()); ++k) {
    fill(work.diagonals[k], slots.size(), slots);
    plain.push_back(make_plaintext(*world.context, slots, 0x1p47, work.limbs));
  }
  const base::ThreadLimit limit(static_cast<std::size_t>(state.range(1)));
  const auto run = [&] {
    std::vector<Ciphertext> out(work.outputs);
    for (std::uint32_t i = 0; i < work.inputs; ++i) {
      std::vector<std::int64_t> batch;  // of hoisted rotations, so that memory stays bounded
      for (std::size_t first = 0; first < steps.size(); first += kKeys) {
        batch.clear();
        for (std::size_t k = first; k < std::min(steps.size(), first + kKeys); ++k)
          batch.push_back(steps[k % distinct]);
        std::vector<Ciphertext> rotated;
        if (hoist) rotated = rotate_many(*world.context, keys, world.x[i], batch);
        for (std::size_t k = 0; k < batch.size(); ++k) {
          const Ciphertext one = hoist ? std::move(rotated[k]) : rotate(*world.context, keys, world.x[i], batch[k]);
          for (Ciphertext& y : out) {
            Ciphertext term = multiply_plain(*world.context, one, plain[(first + k) % plain.size()]);
            const CombineTerm terms[] = {{&y, 1}, {&term, 1}};
            y = y.parts.empty() ? std::move(term) : combine(*world.context, terms, 0);
          }
        }
      }
    }
    for (Ciphertext& y : out) y = rescale(*world.context, y, 1);
    return out;
  };
  benchmark::DoNotOptimize(run());
  for (auto _ : state) benchmark::DoNotOptimize(run());
  state.counters["keys"] = static_cast<double>(steps.size() - (std::ranges::binary_search(steps, 0) ? 1 : 0));
}

void rotate_each(benchmark::State& state) { rotate_and_add(state, false); }
void rotate_hoisted(benchmark::State& state) { rotate_and_add(state, true); }

void sets(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"work", "threads"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const std::int64_t work : {0, 1, 2, 3, 4}) {
    for (const std::int64_t threads : {1, 2}) bench->Args({work, threads});
  }
}

BENCHMARK(double_hoisted)->Apply(sets);
BENCHMARK(double_hoisted_coefficients)->Apply(sets);
BENCHMARK(double_hoisted_encoding)->Apply(sets);
BENCHMARK(double_hoisted_encoding_whole)->Apply(sets);
BENCHMARK(rotate_hoisted)->Apply(sets);
BENCHMARK(rotate_each)->Apply(sets);

}  // namespace
}  // namespace obscura::ckks
