// SPDX-License-Identifier: Apache-2.0
#include "cli/support.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "base/files.h"
#include "base/normalise.h"
#include "cli/images.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "compile/readiness.h"
#include "data/records.h"

namespace obscura::cli {
void teach(CLI::App& command, const char* explanation, const char* example, const char* files) {
  command.footer(fmt::format("{}\n\nExample:\n  {}\n\n{}", explanation, example, files));
}

std::filesystem::path data_folder(const std::string& option) {
  if (!option.empty()) return option;
  const char* variable = std::getenv("OBSCURA_DATA");
  return variable != nullptr && *variable != '\0' ? variable : "data";
}

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

Result<void> refuse_existing(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::exists(std::filesystem::symlink_status(path, ignored))) {
    return error(Code::io, "{}: exists already; nothing is overwritten: remove it or choose another name",
                 path.string());
  }
  return {};
}

Result<bool> is_frame(const std::filesystem::path& path) {
  OBSCURA_TRY(base::InputFile file, base::InputFile::open(path));
  constexpr std::array<std::byte, 4> kMagic{std::byte{'O'}, std::byte{'B'}, std::byte{'S'}, std::byte{'C'}};
  std::array<std::byte, 4> head{};
  if (file.size() < head.size()) return false;
  OBSCURA_TRY_VOID(file.read(head));
  return head == kMagic;
}

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

void add_normalization(CLI::App& command, Normalization& normalization) {
  command
      .add_option("--mean", normalization.mean,
                  "Mean that the network was trained with, of pixels in 0..1; one a channel (default: what the "
                  "network's file says, else 0)")
      ->delimiter(',');
  command.add_option("--deviation", normalization.deviation, "Standard deviation, likewise (default: else 1)")
      ->delimiter(',');
}

void add_bgr(CLI::App& command, Normalization& normalization) {
  command.add_flag("--bgr", normalization.bgr,
                   "The network takes blue, green, red, and --mean and --deviation are in that order (in floating "
                   "point only: a plan has no order of channels)");
}

void add_headroom(CLI::App& command, std::optional<int>& headroom) {
  command.add_option(
      "--headroom", headroom,
      "Bits between the largest value that calibration saw and the modulus (default: what the network's "
      "file says, else 3, without calibration 6): more for networks whose values go out of range on some images");
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

std::uint64_t server_memory_bytes() {
  const auto pages = static_cast<std::uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
  const std::uint64_t bytes = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return bytes == 0 ? compile::kDefaultMemory : bytes / 4 * 3;
}

void add_memory(CLI::App& command, std::uint64_t& bytes) {
  as_size(*command.add_option(
      "--memory", bytes,
      "Memory that keys, weights, ciphertexts and encoded diagonals may take, as 8GB (default: what the plan says)"));
}

Result<void> check_normalization(const Normalization& normalization, std::size_t channels) {
  const auto check = [&](const char* name, const std::vector<double>& values, bool zero_allowed) -> Result<void> {
    if (!values.empty() && values.size() != channels) {
      return error(Code::wrong_params, "{}: {} numbers given, but the images have {} channels", name, values.size(),
                   channels);
    }
    for (const double value : values) {
      if (!std::isfinite(value) || (!zero_allowed && value <= 0)) {
        return error(Code::wrong_params, "{}: {} is not allowed here (a finite number{})", name, value,
                     zero_allowed ? "" : " above 0");
      }
    }
    return {};
  };
  if (normalization.bgr && channels != 3) {
    return error(Code::wrong_params, "--bgr: the images have {} channels; only three have an order", channels);
  }
  OBSCURA_TRY_VOID(check("--mean", normalization.mean, true));
  return check("--deviation", normalization.deviation, false);
}

Result<void> refuse_bgr(const Normalization& normalization) {
  if (!normalization.bgr) return {};
  return error(Code::unsupported,
               "--bgr: a plan takes red, green, blue; swap the input channels of the network's first convolution, and "
               "give --mean and --deviation in the order red, green, blue");
}

std::vector<float> normalise(const data::Dataset& images, const Normalization& normalization) {
  std::vector<float> values = images.floats();
  const std::size_t area = images.height * images.width;
  if (normalization.bgr) {
    const std::size_t image = 3 * area;
    for (std::size_t first = 0; first < values.size(); first += image) {
      const auto red = values.begin() + static_cast<std::ptrdiff_t>(first);
      std::swap_ranges(red, red + static_cast<std::ptrdiff_t>(area), red + static_cast<std::ptrdiff_t>(2 * area));
    }
  }
  return base::normalise(values, images.channels, area, normalization.mean, normalization.deviation);
}

Result<std::vector<float>> calibration_images(const nn::Graph& graph, const TrainingData& training,
                                              std::optional<std::size_t> count, std::size_t usual) {
  if (count == std::size_t{0}) return error(Code::wrong_params, "--calibration-images 0: at least one image is needed");
  const data::ImageShape shape = shape_of(graph);
  OBSCURA_TRY_VOID(check_normalization(training.normalization, shape.channels));
  OBSCURA_TRY(const Images images, Images::of_training(training.names, training.folder, shape));
  data::Range range{0, count.value_or(usual), !count.has_value()};
  OBSCURA_TRY_VOID(data::check_range(fmt::format("{}", fmt::join(training.names, " ")), images.count(), range));
  if (!images.of_files() || range.count == images.count()) {
    OBSCURA_TRY(const data::Dataset some, images.read(0, range.count));
    return normalise(some, training.normalization);
  }
  std::vector<float> out;
  for (std::size_t i = 0; i < range.count; ++i) {
    OBSCURA_TRY(const data::Dataset one, images.read(i * images.count() / range.count, 1));
    const std::vector<float> values = normalise(one, training.normalization);
    out.insert(out.end(), values.begin(), values.end());
  }
  return out;
}

Result<void> require_ready(const std::string& path, const nn::Graph& graph, compile::LayoutChoice layout,
                           bool approximated) {
  const auto ready = compile::require_ready(graph, layout, approximated);
  if (ready.ok()) return ready;
  return error(ready.error().code, "{}: {}; `obscura inspect {}` lists all nodes", path, ready.error().message, path);
}

Result<plan::Plan> compile_network(const std::string& path, const nn::Graph& graph, const compile::Options& options) {
  compile::Options how = options;
  how.report = progress_bars();
  auto plan = compile::compile(graph, how);
  if (plan) return plan;
  return error(plan.error().code, "{}: {}", path, plan.error().message);
}

std::string json_text(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string plural(std::size_t count, const std::string& noun) {
  const char* ending = count == 1 ? "" : noun.ends_with("ch") ? "es" : "s";
  return fmt::format("{} {}{}", count, noun, ending);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.3g} {}", value, kUnits[unit]);
}

std::string memory_text(std::uint64_t needed, std::uint64_t allowed) {
  const std::string text = fmt::format("needs about {} of memory", bytes_text(needed));
  return allowed == 0 ? text : text + fmt::format(" of the {} allowed", bytes_text(allowed));
}

std::uint64_t file_bytes(const std::filesystem::path& path) {
  std::error_code failed;
  const std::uint64_t size = std::filesystem::file_size(path, failed);
  return failed ? 0 : size;
}

}  // namespace obscura::cli
