// SPDX-License-Identifier: Apache-2.0
/// What a verb of the command line is. One file per verb; main.cpp holds the table.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/check.h"
#include "ckks/context.h"

namespace obscura::cli {

/// Options that every verb has.
struct Common {
  bool json = false;        ///< one JSON object as the last line of standard output; the rest to standard error
  std::size_t threads = 0;  ///< 0 = all cores
  std::string simd;         ///< empty = the best of this machine

  /// Those of --simd, which main() made sure of.
  const kernels::Kernels& kernels() const;
  /// Fresh ones, with these kernels.
  std::shared_ptr<ckks::Resources> resources() const;
};

/// The answer of a verb: a JSON object with --json, and a text for people without.
struct Answer {
  nlohmann::ordered_json json;
  std::string text;
};

using Action = std::function<Result<Answer>()>;

/// A row of the verb table. `define` adds the verb's options to its command and returns what runs once they are parsed.
struct Verb {
  const char* name;
  const char* summary;  ///< the line in `obscura --help`
  Action (*define)(CLI::App& command, const Common& common);
};

Action define_data(CLI::App& command, const Common& common);
Action define_train(CLI::App& command, const Common& common);
Action define_compile(CLI::App& command, const Common& common);
Action define_inspect(CLI::App& command, const Common& common);
Action define_offer(CLI::App& command, const Common& common);
Action define_keygen(CLI::App& command, const Common& common);
Action define_encrypt(CLI::App& command, const Common& common);
Action define_run(CLI::App& command, const Common& common);
Action define_decrypt(CLI::App& command, const Common& common);
Action define_classify(CLI::App& command, const Common& common);
Action define_signkey(CLI::App& command, const Common& common);
Action define_approx(CLI::App& command, const Common& common);
Action define_calibrate(CLI::App& command, const Common& common);
Action define_sweep(CLI::App& command, const Common& common);
Action define_evaluate(CLI::App& command, const Common& common);
Action define_bench(CLI::App& command, const Common& common);
Action define_version(CLI::App& command, const Common& common);

/// Sets what stands below the options in --help: what the verb is for, an example, and what its files are and who may
/// see them.
void teach(CLI::App& command, const char* explanation, const char* example, const char* files);

}  // namespace obscura::cli
