// SPDX-License-Identifier: Apache-2.0
/// Google Benchmark's main with --simd=NAME, which chooses a kernel table and stands in the JSON context.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string_view>

#include "bench/bench.h"

namespace obscura::bench {
namespace {

const kernels::Kernels* chosen = &kernels::best();

bool choose(std::string_view name) {
  if (const kernels::Kernels* kernels = kernels::named(name)) chosen = kernels;
  return name == chosen->name;
}

}  // namespace

const kernels::Kernels& chosen_kernels() { return *chosen; }

}  // namespace obscura::bench

int main(int argc, char** argv) {
  constexpr std::string_view kOption = "--simd=";
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with(kOption)) {
      argv[kept++] = argv[i];
    } else if (!obscura::bench::choose(argument.substr(kOption.size()))) {
      std::fprintf(stderr, "%s: this machine has no such kernels\n", argv[i]);
      return 2;
    }
  }
  argc = kept;
  benchmark::AddCustomContext("kernels", obscura::bench::chosen_kernels().name);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
