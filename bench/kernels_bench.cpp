// SPDX-License-Identifier: Apache-2.0
/// One limb, one thread, hot: NTT and its inverse, products, inner products.
#include <benchmark/benchmark.h>

#include <vector>

#include "bench/bench.h"
#include "ckks/params.h"

namespace obscura::kernels {
namespace {

const Kernels& chosen() { return bench::chosen_kernels(); }

struct Limbs {
  Limbs(std::int64_t log2_degree, std::int64_t bits, std::size_t count, RingType ring = RingType::standard)
      : n(std::size_t{1} << log2_degree),
        table(make_ntt_table(
            n, ckks::make_primes(static_cast<int>(log2_degree), static_cast<int>(bits), 1, {}, ring).value()[0],
            ring)) {
    for (std::size_t k = 0; k < count; ++k) {
      auto& limb = limbs.emplace_back(n / 8 + 2);
      for (std::size_t j = 0; j < n; ++j) limb[j / 8].lane[j % 8] = static_cast<double>((j * 123457 + k) % 1000003);
    }
  }
  double* operator[](std::size_t k) { return limbs[k].front().lane; }
  std::size_t n;
  NttTable table;
  std::vector<std::vector<Octet>> limbs;
};

void report_per_bit(benchmark::State& state, std::int64_t bits) {
  state.counters["us_per_bit"] = benchmark::Counter(static_cast<double>(state.iterations() * bits) * 1e-6,
                                                    benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void ntt_forward(benchmark::State& state) {
  Limbs x(state.range(0), state.range(1), 1, static_cast<RingType>(state.range(2)));
  for (auto _ : state) chosen().ntt_forward(x[0], x.table);
  report_per_bit(state, state.range(1));
}

void ntt_inverse(benchmark::State& state) {
  Limbs x(state.range(0), state.range(1), 1, static_cast<RingType>(state.range(2)));
  for (auto _ : state) chosen().ntt_inverse(x[0], x.table, 1.0);
  report_per_bit(state, state.range(1));
}

void multiply(benchmark::State& state) {
  Limbs x(state.range(0), 48, 3);
  for (auto _ : state) chosen().multiply(x[0], x[1], x[2], x.n, x.table.modulus);
  state.SetItemsProcessed(static_cast<std::int64_t>(x.n) * state.iterations());
}

void inner_product(benchmark::State& state) {
  const auto terms = static_cast<std::size_t>(state.range(1));
  Limbs x(state.range(0), 48, 2 * terms + 1);
  std::vector<const double*> a, b;
  for (std::size_t t = 0; t < terms; ++t) a.push_back(x[2 * t]), b.push_back(x[2 * t + 1]);
  for (auto _ : state) chosen().inner_product(x[2 * terms], a.data(), b.data(), terms, x.n, x.table.modulus);
  state.SetItemsProcessed(static_cast<std::int64_t>(x.n * terms) * state.iterations());
}

void weighted_sum(benchmark::State& state) {
  const auto terms = static_cast<std::size_t>(state.range(1));
  Limbs x(state.range(0), 48, terms + 1);
  const std::vector<double> weights(terms, 12345678901.0);
  std::vector<const double*> a;
  for (std::size_t t = 0; t < terms; ++t) a.push_back(x[t]);
  for (auto _ : state) {
    chosen().weighted_sum(x[terms], a.data(), 0.6 * 0x1p48, weights.data(), terms, x.n, x.table.modulus);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(x.n * terms) * state.iterations());
}

#if defined(__x86_64__) && defined(__GNUC__)
/// The floor under ntt_forward with AVX-512: the instructions of its butterflies (four that multiply, four that add,
/// for eight butterflies) on registers that do not wait for each other; no loads, no reductions, no transposes.
__attribute__((target("avx512f"))) void butterfly_floor(benchmark::State& state) {
  if (!std::string_view(available().front()->name).starts_with("avx512")) {
    state.SkipWithError("no AVX-512 here");
    return;
  }
  const std::int64_t log2_degree = state.range(0);
  const std::int64_t groups = (std::int64_t{1} << log2_degree) * log2_degree / 2 / 8;
  for (auto _ : state) {
    for (std::int64_t i = 0; i < groups; i += 4) {
      asm volatile(
          ".irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n\t"
          "vfmadd213pd %%zmm31, %%zmm31, %%zmm\\r\n\t"
          "vaddpd %%zmm31, %%zmm30, %%zmm29\n\t"
          ".endr" ::
              : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                "xmm12", "xmm13", "xmm14", "xmm15", "xmm29");
    }
  }
  report_per_bit(state, 48);
}
BENCHMARK(butterfly_floor)->ArgName("log2N")->Arg(13)->Arg(14)->Arg(15);
#endif

BENCHMARK(ntt_forward)->ArgNames({"log2N", "bits", "invariant"})->ArgsProduct({{12, 13, 14, 15}, {48, 50}, {0, 1}});
BENCHMARK(ntt_inverse)->ArgNames({"log2N", "bits", "invariant"})->ArgsProduct({{12, 13, 14, 15}, {48, 50}, {0, 1}});
BENCHMARK(multiply)->ArgName("log2N")->Arg(13)->Arg(14);
BENCHMARK(weighted_sum)->ArgNames({"log2N", "terms"})->ArgsProduct({{14}, {2, 4, 7}});
BENCHMARK(inner_product)->ArgNames({"log2N", "terms"})->ArgsProduct({{14}, {2, 3, 5}});

}  // namespace
}  // namespace obscura::kernels
