// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/verb.h"

namespace obscura::cli {
namespace {

constexpr const char* kProgram = "obscura-train";

bool asks_for_help(const std::vector<std::string>& arguments) {
  return std::find(arguments.begin(), arguments.end(), "--help") != arguments.end() ||
         std::find(arguments.begin(), arguments.end(), "-h") != arguments.end();
}

/// Becomes obscura-train, which lies in the folder of this program; returns only where that fails.
Error become(const std::filesystem::path& program, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), kProgram);
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  execv(program.c_str(), pointers.data());
  return error(Code::io, "{}: cannot be run: {}", program.string(), std::strerror(errno));
}

}  // namespace

Action define_train(CLI::App& command, const Common& common) {
  teach(command,
        "Trains the network of a recipe (TOML; models/recipes/ has some), keeps the epoch that is best on images held\n"
        "out, and writes ordinary ONNX. The work is done by obscura-train (libtorch), which must lie in the folder of "
        "obscura;\n"
        "all options go to it: `obscura train --help` lists them where it is built.",
        "obscura train models/recipes/mnist-swish4.toml -o my.onnx",
        "The ONNX file holds the weights: it belongs to whoever runs the server, and no client needs it.");
  // obscura-train explains its options better than this verb could.
  command.set_help_flag();
  command.prefix_command();
  return [&command, &common]() -> Result<Answer> {
    std::vector<std::string> arguments = command.remaining();
    if (common.json) arguments.emplace_back("--json");
    if (common.threads != 0) arguments.insert(arguments.end(), {"--threads", std::to_string(common.threads)});
    std::error_code failed;
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", failed);
    const std::filesystem::path program = self.parent_path() / kProgram;
    if (!failed && access(program.c_str(), X_OK) == 0) return become(program, std::move(arguments));
    if (asks_for_help(arguments)) return Answer{{{"help", command.get_footer()}}, command.get_footer()};
    return error(Code::unsupported,
                 "{} is not here; it was not built because libtorch was absent or OBSCURA_TRAIN is OFF: install "
                 "libtorch-dev and configure with -DOBSCURA_TRAIN=ON",
                 program.string());
  };
}

}  // namespace obscura::cli
