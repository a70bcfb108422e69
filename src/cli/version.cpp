// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/parallel.h"
#include "cli/verb.h"
#include "kernels/kernels.h"

namespace obscura::cli {

Action define_version(CLI::App& command, const Common& common) {
  teach(command, "Prints the version, the instruction set that the kernels use here (see --simd), and the threads.",
        "obscura version --json", "It reads and writes no files.");
  return [&common]() -> Result<Answer> {
    std::vector<std::string> available;
    for (const kernels::Kernels* table : kernels::available()) available.emplace_back(table->name);
    const char* simd = common.kernels().name;
    Answer answer;
    answer.json = {
        {"version", OBSCURA_VERSION}, {"simd", simd}, {"available", available}, {"threads", base::thread_count()}};
    answer.text = fmt::format("obscura {}\nkernels {} (this machine can run: {})\nthreads {}", OBSCURA_VERSION, simd,
                              fmt::join(available, ", "), base::thread_count());
    return answer;
  };
}

}  // namespace obscura::cli
