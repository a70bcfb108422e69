// SPDX-License-Identifier: Apache-2.0
/// Google Benchmark's main with --simd=NAME, which forces a kernel table and stands in the JSON context.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string_view>

#include "kernels/kernels.h"

int main(int argc, char** argv) {
  constexpr std::string_view kOption = "--simd=";
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with(kOption)) {
      argv[kept++] = argv[i];
    } else if (!obscura::kernels::force(argument.substr(kOption.size()))) {
      std::fprintf(stderr, "%s: this machine has no such kernels\n", argv[i]);
      return 2;
    }
  }
  argc = kept;
  benchmark::AddCustomContext("kernels", obscura::kernels::active().name);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
