// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <iterator>
#include <string_view>
#include <utility>

#include "cli/support.h"

namespace obscura::cli {
namespace {

/// All numbers of a text between separators, without anything else. Throws where that is not so.
template <class Number>
std::vector<Number> parse_list(const std::string& text, char separator, const std::string& option) {
  std::vector<Number> out;
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    const auto [rest, failure] = std::from_chars(at, end, out.emplace_back());
    if (failure != std::errc() || (rest != end && *rest != separator)) {
      throw CLI::ValidationError(
          fmt::format("{}: '{}' is not a list of numbers with '{}' between", option, text, separator));
    }
    if (rest == end) return out;
    at = rest + 1;
  }
}

/// --headroom, of what is compiled.
void add_headroom(CLI::App& command, std::optional<int>& headroom) {
  command.add_option(
      "--headroom", headroom,
      "Bits between the largest value that calibration saw and the modulus (default: what the network's "
      "file says, else 3, without calibration 6): more for networks whose values go out of range on some images");
}

}  // namespace

void add_read_options(CLI::App& command, nn::ReadOptions& options) {
  command.add_option("--output", options.output,
                     "Which of several outputs of the ONNX file; what only the others need is left out");
  command
      .add_option_function<std::vector<std::string>>(
          "--input",
          [&options](const std::vector<std::string>& all) {
            for (const std::string& one : all) {
              const std::size_t at = one.rfind('=');
              if (at == std::string::npos || at == 0) {
                throw CLI::ValidationError(fmt::format("--input: '{}' is not NAME=NUMBER", one));
              }
              options.values[one.substr(0, at)] = parse_list<float>(one.substr(at + 1), ',', "--input");
            }
          },
          "An input of the ONNX file that is no image, and its number (or numbers, with commas between)")
      ->type_name("NAME=NUMBER")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      .add_option_function<std::string>(
          "--shape",
          [&options](const std::string& text) { options.shape = parse_list<std::int64_t>(text, 'x', "--shape"); },
          "Size of one image where the ONNX file leaves it open, as 3x32x32")
      ->type_name("CxHxW");
}

void add_normalization(CLI::App& command, api::Normalization& normalization) {
  command
      .add_option("--mean", normalization.mean,
                  "Mean that the network was trained with, of pixels in 0..1; one a channel (default: what the "
                  "network's file says, else 0)")
      ->delimiter(',');
  command.add_option("--std", normalization.std, "Standard deviation, likewise (default: else 1)")->delimiter(',');
  command
      .add_option_function<std::vector<double>>(
          "--standardise",
          [&normalization](const std::vector<double>& both) {
            normalization.standardise = base::Standardisation{both.at(0), both.at(1)};
            // 0 stands for images that are not standardised, which nobody asks for by this option.
            if (*normalization.standardise && !base::fault_of(*normalization.standardise)) return;
            throw CLI::ValidationError(
                "--standardise", fmt::format("{},{}; two finite numbers above 0 are allowed", both.at(0), both.at(1)));
          },
          "Each image, after mean and std, less its own mean, by its own standard deviation or FLOOR if that is more, "
          "clipped at CLIP (default: what the network's file says, else images stay as they are)")
      ->type_name("FLOOR,CLIP")
      ->delimiter(',')
      ->expected(2);
}

void add_bgr(CLI::App& command, api::Normalization& normalization) {
  command.add_flag("--bgr", normalization.bgr,
                   "The network takes blue, green, red, and --mean and --std are in that order (in floating "
                   "point only: a plan has no order of channels)");
}

Result<std::uint64_t> parse_size(const std::string& text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"", 1},         {"B", 1},        {"KB", 1e3},
                                                            {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},
                                                            {"KIB", 0x1p10}, {"MIB", 0x1p20}, {"GIB", 0x1p30}};
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  std::string unit(rest, end);
  unit.erase(0, unit.find_first_not_of(' '));
  for (char& letter : unit) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  const auto* found =
      std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& u) { return u.first == unit; });
  constexpr double kMost = 0x1p53;
  if (failure != std::errc() || found == std::end(kUnits) || !(number >= 0) || number * found->second > kMost) {
    return error(Code::wrong_params, "'{}' is not a size: a number and B, KB, MB, GB, TB, KiB, MiB or GiB", text);
  }
  return static_cast<std::uint64_t>(std::llround(number * found->second));
}

void as_size(CLI::Option& option) {
  option.type_name("SIZE")->transform([](const std::string& text) {
    const auto size = parse_size(text);
    if (!size.ok()) throw CLI::ValidationError(size.error().message);
    return std::to_string(size.value());
  });
}

void add_memory(CLI::App& command, std::uint64_t& bytes) {
  as_size(*command.add_option(
      "--memory", bytes,
      "Memory that keys, weights, ciphertexts and encoded diagonals may take, as 8GB (default: what the plan says)"));
}

void add_answer(CLI::App& command, api::Settings& settings) {
  command
      .add_option_function<std::string>(
          "--answer", [&settings](const std::string& name) { settings.answer = plan::answer_kind(name); },
          "What the outputs say: one label, several labels, a binary one, or values (default: by their number and the "
          "end of the network's file)")
      ->check(CLI::IsMember({"one", "several", "binary", "values"}));
}

void add_settings(CLI::App& command, api::Settings& settings) {
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

void add_selection(CLI::App& command, api::Selection& selection, const std::string& images) {
  selection.data = data_folder({}).string();
  CLI::Option* dataset = command.add_option("--dataset", selection.dataset,
                                            fmt::format("One of {}", fmt::join(data::dataset_names(), ", ")));
  CLI::Option* files = command.add_option(
      images, selection.files,
      "Folders (of pictures, or of one folder a class) or files: PNG, JPEG, .npy, .npz, idx or CIFAR's "
      "binary, FILE or FILE:FIRST:COUNT");
  command
      .add_option("--labels", selection.labels,
                  "True labels where the files have none: .npy, .npz, idx, or a text of one number a line")
      ->needs(files);
  command.add_option("--split", selection.split, "train, test, or val where the data set has it")
      ->check(CLI::IsMember(data::split_names()))
      ->needs(dataset)
      ->capture_default_str();
  command.add_option("--limit", selection.limit, "Images to take (default: all)");
  command.add_option("--first", selection.first, "The first of them")->capture_default_str();
  command.add_option("--data", selection.data, "Folder of data sets (default: $OBSCURA_DATA, else ./data)");
}

CLI::Option* add_calibrate(CLI::App& command, std::vector<std::string>& names, const std::string& help) {
  return command.add_option("--calibrate", names, help)->allow_extra_args(false);
}

api::TrainingData training_of(const std::vector<std::string>& calibrate, const api::Selection& selection) {
  if (!calibrate.empty() || selection.dataset.empty()) return api::training_of(calibrate, selection.data);
  return api::training_of({selection.dataset}, selection.data);
}

}  // namespace obscura::cli
