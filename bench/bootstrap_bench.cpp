// SPDX-License-Identifier: Apache-2.0
/// Bootstrapping at the demonstrated parameter sets: the whole, with its steps, precision and memory as counters. Each
/// iteration bootstraps other slots. --benchmark_filter=bootstrap measures the time, --benchmark_filter=hundred the
/// precision over a hundred bootstrappings of each set: half an hour.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <random>

#include "base/parallel.h"
#include "bench/bench.h"
#include "ckks/bootstrap.h"
#include "ckks/evaluator.h"
#include "secret/crypt.h"
#include "secret/eval_keys.h"

namespace obscura::ckks {
namespace {

std::size_t bytes_of(const SwitchKey& key) {
  std::size_t bytes = key.uniform.bytes();
  for (const ring::NttPoly& poly : key.body) bytes += ring::NttPoly::bytes(poly.degree(), poly.limbs());
  return bytes;
}

/// One set with its keys; memory allows one at a time.
struct World {
  explicit World(std::size_t set)
      : scale(std::exp2(BootstrapParams::demonstrated().at(set).level_bits)),
        bootstrapper(Bootstrapper::make(BootstrapParams::make(BootstrapParams::demonstrated().at(set)).value(),
                                        {scale, scale}, Resources::make(bench::chosen_kernels()))
                         .value()),
        key(secret::SecretKey::generate(*bootstrapper->context())) {
    KeyNeeds needs;
    needs.add_bootstrap(bootstrapper);
    keys = secret::make_eval_keys(*bootstrapper->context(), key, needs);
  }

  /// n uniform slots in [-1, 1], repeated.
  std::vector<double> draw() {
    std::uniform_real_distribution<double> uniform(-1, 1);
    std::vector<double> slots(bootstrapper->context()->params().slots());
    for (std::size_t j = 0; j < slots.size(); ++j) {
      slots[j] = j < bootstrapper->params().slots() ? uniform(generator) : slots[j - bootstrapper->params().slots()];
    }
    return slots;
  }
  Ciphertext encrypt(const std::vector<double>& slots) const {
    return expand(*bootstrapper->context(),
                  secret::encrypt(*bootstrapper->context(), key, slots, scale, bootstrapper->params().limbs().input));
  }

  double scale;  ///< before and after
  std::shared_ptr<const Bootstrapper> bootstrapper;
  secret::SecretKey key;
  EvalKeys keys;
  std::mt19937_64 generator{1};
};

/// Errors of the slots of several bootstrappings.
class Precision {
 public:
  void add(const std::vector<double>& got, const std::vector<double>& expected) {
    double worst = 0;
    for (std::size_t j = 0; j < got.size(); ++j) {
      worst = std::max(worst, std::fabs(got[j] - expected[j]));
      squares_ += std::pow(got[j] - expected[j], 2);
    }
    slots_ += static_cast<double>(got.size());
    worst_.push_back(-std::log2(worst));
  }
  void report(benchmark::State& state) const {
    double sum = 0;
    for (const double bits : worst_) sum += bits;
    state.counters["bitsMin"] = *std::min_element(worst_.begin(), worst_.end());
    state.counters["bitsMinMean"] = sum / static_cast<double>(worst_.size());
    state.counters["bitsRms"] = -std::log2(std::sqrt(squares_ / slots_));
  }

 private:
  std::vector<double> worst_;  ///< bits of the worst slot of each
  double squares_ = 0, slots_ = 0;
};

World& world_of(std::size_t set) {
  static std::map<std::size_t, std::unique_ptr<World>> worlds;
  if (!worlds.contains(set)) worlds.clear();
  auto& world = worlds[set];
  if (!world) world = std::make_unique<World>(set);
  return *world;
}

/// Runs the steps of Bootstrapper::run and adds the seconds of each to its counter.
Ciphertext run_timed(const World& w, const Ciphertext& x, benchmark::State& state) {
  const auto timed = [&](const char* name, auto step) {
    const auto start = std::chrono::steady_clock::now();
    Ciphertext out = step();
    state.counters[name] += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return out;
  };
  const Bootstrapper& b = *w.bootstrapper;
  Ciphertext y = timed("1 SlotToCoeff", [&] { return b.slot_to_coeff(w.keys, x); });
  y = timed("2 encapsulate", [&] { return b.encapsulate(*w.keys.bootstrap, y); });
  y = timed("3 ModRaise", [&] { return b.mod_raise(*w.keys.bootstrap, y); });
  y = timed("4 CoeffToSlot", [&] { return b.coeff_to_slot(w.keys, y); });
  return timed("5 EvalMod", [&] { return b.eval_mod(w.keys, y); });
}

void bootstrap(benchmark::State& state) {
  World& w = world_of(static_cast<std::size_t>(state.range(0)));
  const base::ThreadLimit limit(static_cast<std::size_t>(state.range(1)));
  std::vector<double> slots = w.draw();
  (void)w.bootstrapper->run(w.keys, *w.keys.bootstrap, w.encrypt(slots));  // keys are expanded and diagonals encoded
  Precision precision;
  Ciphertext out;
  for (auto _ : state) {
    state.PauseTiming();
    slots = w.draw();
    const Ciphertext x = w.encrypt(slots);
    state.ResumeTiming();
    out = run_timed(w, x, state);
    state.PauseTiming();
    precision.add(secret::decrypt(*w.bootstrapper->context(), w.key, out), slots);
    state.ResumeTiming();
  }
  for (auto& [name, counter] : state.counters) counter.flags = benchmark::Counter::kAvgIterations;
  precision.report(state);
  std::size_t key_bytes = bytes_of(w.keys.bootstrap->to_sparse) + bytes_of(w.keys.relinearization[0]);
  for (const SwitchKey& key : w.keys.bootstrap->to_dense) key_bytes += bytes_of(key);
  for (const auto& [element, key] : w.keys.galois) key_bytes += bytes_of(key);
  std::size_t diagonal_bytes = 0;
  for (const Transform& t : w.bootstrapper->coeff_to_slot_factors()) diagonal_bytes += t.bytes();
  for (const Transform& t : w.bootstrapper->slot_to_coeff_factors()) diagonal_bytes += t.bytes();
  state.counters["bitsPredicted"] = -std::log2(w.bootstrapper->predict(slots).total());
  state.counters["log2QP"] = w.bootstrapper->params().params().log2_qp();
  state.counters["log2Failure"] = w.bootstrapper->params().log2_failure();
  state.counters["keys"] = static_cast<double>(w.keys.galois.size() + w.keys.bootstrap->to_dense.size()) + 2;
  state.counters["keysGiB"] = static_cast<double>(key_bytes) / 0x1p30;
  state.counters["diagonalsGiB"] = static_cast<double>(diagonal_bytes) / 0x1p30;
  state.counters["levelsLeft"] = static_cast<double>(out.limbs() - w.bootstrapper->params().limbs().input);
}

void sets(benchmark::internal::Benchmark* bench, const std::vector<std::int64_t>& threads) {
  bench->ArgNames({"set", "threads"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (std::int64_t set = 0; set < static_cast<std::int64_t>(BootstrapParams::demonstrated().size()); ++set) {
    for (const std::int64_t count : threads) bench->Args({set, count});
  }
}

BENCHMARK(bootstrap)->Apply([](auto* bench) { sets(bench, {1, 2}); });
BENCHMARK(bootstrap)->Name("hundred")->Apply([](auto* bench) {
  bench->Iterations(100);
  sets(bench, {2});
});

}  // namespace
}  // namespace obscura::ckks
