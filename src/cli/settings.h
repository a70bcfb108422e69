// SPDX-License-Identifier: Apache-2.0
/// What a network is fed, compiled and answered with: from the command line, and else from the network's file.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/support.h"
#include "nn/graph.h"

namespace obscura::cli {

struct Settings {
  Normalization normalization;
  std::vector<std::string> class_names;  ///< of the client's labels
  std::optional<int> headroom;           ///< compile::Options::headroom_bits
  std::optional<double> max_error;       ///< compile::Options::max_error_std
  std::optional<plan::AnswerKind> answer;
  /// Which of them were found in the file: "mean", "deviation", "class_names", "headroom", "max_error".
  std::vector<std::string> from_file;
};

/// --answer.
void add_answer(CLI::App& command, Settings& settings);
/// --max-error, --headroom, --answer and --class-names.
void add_settings(CLI::App& command, Settings& settings);

/// The normalisation that the command line leaves open, from what the file says of itself (nn::Metadata). Then it is as
/// check_normalization() wants it.
/// errors: wrong_params: other than one mean or deviation a channel of the network, or such that are not allowed,
/// naming the file's key or the option.
Result<void> take_normalization(Settings& settings, const nn::Graph& graph, const std::string& network);

/// The same of all settings. errors also: class names in the file that are other than one an output.
Result<void> take_metadata(Settings& settings, const nn::Graph& graph, const std::string& network);

/// They, for the compiler.
void apply(const Settings& settings, compile::Options& options);

}  // namespace obscura::cli
