// SPDX-License-Identifier: Apache-2.0
#include "cli/settings.h"

#include <fmt/format.h>

#include <cmath>

namespace obscura::cli {
namespace {

/// One number a channel, from the file where `own` has none. Whether it took them.
/// errors: the file's are other than one a channel, not finite, or (where it must not be) not above 0.
Result<bool> take(std::vector<double>& own, const std::vector<double>& file, const char* option, bool above_zero,
                  const nn::Graph& graph, const std::string& network) {
  if (!own.empty() || file.empty()) return false;
  const auto channels = static_cast<std::size_t>(graph.values[graph.input].shape.front());
  if (file.size() != channels) {
    return error(
        Code::wrong_params,
        "{}: its metadata 'obscura.{}' has {}, but its images have {}; one for each is allowed: give --{}, which "
        "goes before the file's",
        network, option, plural(file.size(), "number"), plural(channels, "channel"), option);
  }
  for (const double value : file) {
    if (std::isfinite(value) && (value > 0 || !above_zero)) continue;
    return error(Code::wrong_params, "{}: its metadata 'obscura.{}' has the number {}; finite{} is allowed: give --{}",
                 network, option, value, above_zero ? " and above 0" : "", option);
  }
  own = file;
  return true;
}

/// errors: class names of the file that the network has no outputs for.
Result<void> check_class_names(const nn::Graph& graph, const std::string& network) {
  const std::size_t names = graph.metadata.class_names.size();
  const auto outputs = static_cast<std::size_t>(nn::element_count(graph.values[graph.output].shape));
  if (names == 0 || names == outputs || (names == 2 && outputs == 1)) return {};
  return error(Code::wrong_params,
               "{}: its metadata 'obscura.classes' has {}, but it has {}; one for each is allowed: give --class-names, "
               "which goes before the file's",
               network, plural(names, "name"), plural(outputs, "output"));
}

void note(Settings& settings, bool taken, const char* what) {
  if (taken) settings.from_file.emplace_back(what);
}

}  // namespace

void add_answer(CLI::App& command, Settings& settings) {
  command
      .add_option_function<std::string>(
          "--answer", [&settings](const std::string& name) { settings.answer = plan::answer_kind(name); },
          "What the outputs say: one label, several labels, a binary one, or values (default: by their number and the "
          "end of the network's file)")
      ->check(CLI::IsMember({"one", "several", "binary", "values"}));
}

void add_settings(CLI::App& command, Settings& settings) {
  command.add_option("--max-error", settings.max_error,
                     "Largest predicted error (standard deviation) of a logit; 0: a share of the logits' spread "
                     "(default: what the network's file says, else 0)");
  add_headroom(command, settings.headroom);
  add_answer(command, settings);
  command
      .add_option("--class-names", settings.class_names,
                  "Names of the labels for the client, one an output (default: what the network's file says)")
      ->delimiter(',');
}

Result<void> take_normalization(Settings& settings, const nn::Graph& graph, const std::string& network) {
  Normalization& own = settings.normalization;
  const nn::Metadata& file = graph.metadata;
  OBSCURA_TRY(const bool mean, take(own.mean, file.mean, "mean", false, graph, network));
  OBSCURA_TRY(const bool deviation, take(own.deviation, file.deviation, "deviation", true, graph, network));
  note(settings, mean, "mean");
  note(settings, deviation, "deviation");
  return check_normalization(own, static_cast<std::size_t>(graph.values[graph.input].shape.front()));
}

Result<void> take_metadata(Settings& settings, const nn::Graph& graph, const std::string& network) {
  OBSCURA_TRY_VOID(take_normalization(settings, graph, network));
  const nn::Metadata& file = graph.metadata;
  if (settings.class_names.empty()) {
    OBSCURA_TRY_VOID(check_class_names(graph, network));
    settings.class_names = file.class_names;
    note(settings, !file.class_names.empty(), "class_names");
  }
  note(settings, !settings.headroom && file.headroom_bits, "headroom");
  if (!settings.headroom) settings.headroom = file.headroom_bits;
  note(settings, !settings.max_error && file.max_error, "max_error");
  if (!settings.max_error) settings.max_error = file.max_error;
  return {};
}

void apply(const Settings& settings, compile::Options& options) {
  options.mean = settings.normalization.mean;
  options.deviation = settings.normalization.deviation;
  options.class_names = settings.class_names;
  options.headroom_bits = settings.headroom;
  options.max_error_std = settings.max_error.value_or(0);
  options.answer = settings.answer;
}

}  // namespace obscura::cli
