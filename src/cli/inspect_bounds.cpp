// SPDX-License-Identifier: Apache-2.0
#include "cli/inspect_bounds.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "api/images.h"
#include "base/normalise.h"
#include "cli/support.h"
#include "compile/measure/bounds.h"

namespace obscura::cli {
namespace {

/// No plan has more headroom.
constexpr double kMostBits = 40;
/// Bounds are of exact arithmetic and the weights as they are; a plan rounds weights to some bits, and adds noise.
constexpr double kSpareBits = 1;

/// "activation1.bend, activation1.slope, activation1": the last node gives the value that the others shape.
std::string last_name(const std::string& origin) {
  const std::size_t comma = origin.rfind(", ");
  return comma == std::string::npos ? origin : origin.substr(comma + 2);
}

/// Infinity is no number of JSON.
nlohmann::ordered_json finite(double x) { return std::isfinite(x) ? nlohmann::ordered_json(x) : nullptr; }

std::string bits_text(double bits) { return std::isfinite(bits) ? fmt::format("{:.1f}", bits) : "none"; }

std::vector<double> or_all(std::vector<double> numbers, std::size_t channels, double otherwise) {
  return numbers.empty() ? std::vector<double>(channels, otherwise) : std::move(numbers);
}

Result<compile::BoundedNetwork> bounded(const nn::Graph& graph, const std::string& path, const BoundsOptions& options) {
  api::Settings settings = options.settings;
  OBSCURA_TRY_VOID(api::take_normalization(settings, graph, path));
  const nn::Shape& shape = graph.values[graph.input].shape;
  const auto channels = static_cast<std::size_t>(shape.at(0));
  const std::vector<double> mean = or_all(settings.normalization.mean, channels, 0);
  const std::vector<double> deviation = or_all(settings.normalization.std, channels, 1);
  const base::Normaliser normaliser{channels, static_cast<std::size_t>(shape.at(1) * shape.at(2)), mean, deviation,
                                    settings.normalization.standardise.value_or(base::Standardisation{})};
  const api::TrainingData training = api::training_of(options.calibrate, data_folder(options.data));
  std::vector<float> images;
  if (training.none()) {
    images = base::normalise(compile::probe_images(shape), normaliser);
  } else {
    OBSCURA_TRY(images, api::calibration_images(graph, training, settings.normalization, options.calibration_images,
                                                api::kCalibrationImages));
  }
  return compile::bound_values(graph, compile::box_of_images(normaliser), images);
}

/// That holds every image; nothing where no plan can have as much.
std::optional<int> headroom_of(const compile::BoundedNetwork& network) {
  const double bits = std::ceil(network.bits) + kSpareBits;
  return bits <= kMostBits ? std::optional(static_cast<int>(bits)) : std::nullopt;
}

std::string verdict_of(const compile::BoundedNetwork& network) {
  if (const auto headroom = headroom_of(network)) {
    return fmt::format(
        "No 8-bit image exceeds what was seen by more than {:.1f} bits: compiled with these images, --headroom {} "
        "holds "
        "every one of them, with a bit to spare for rounded weights and noise.",
        network.bits, *headroom);
  }
  return fmt::format(
      "No headroom that a plan can have ({:.0f} bits at most) is proved to hold every image: the bounds grow faster "
      "than "
      "values do, since each is taken as independent of the others.",
      kMostBits);
}

}  // namespace

Result<void> add_bounds(const nn::Graph& graph, const std::string& path, const BoundsOptions& options, Answer& answer) {
  OBSCURA_TRY(const compile::BoundedNetwork network, bounded(graph, path, options));
  const std::optional<int> headroom = headroom_of(network);
  const char* kind = options.calibrate.empty() ? "synthetic" : "training";
  auto rows = nlohmann::ordered_json::array();
  std::string text = fmt::format("bounds over all 8-bit images, beside {} {} images (arguments as a plan has them)\n",
                                 network.images, kind);
  text += fmt::format("  {:24}  {:>9}  {:>10}  {:>10}  {:>6}\n", "argument of", "elements", "seen", "bound", "bits");
  for (const compile::BoundedValue& value : network.values) {
    rows.push_back({{"of", value.origin},
                    {"elements", value.elements},
                    {"seen", value.seen},
                    {"bound", finite(value.bound)},
                    {"bits", finite(value.bits())}});
    text += fmt::format("  {:24}  {:>9}  {:>10.4g}  {:>10.4g}  {:>6}\n", last_name(value.origin), value.elements,
                        value.seen, value.bound, bits_text(value.bits()));
  }
  answer.json["bounds"] = {{"images", network.images},
                           {"synthetic", options.calibrate.empty()},
                           {"values", std::move(rows)},
                           {"bits", finite(network.bits)},
                           {"headroom", headroom ? nlohmann::ordered_json(*headroom) : nullptr}};
  answer.text += text + "  " + verdict_of(network) + "\n";
  return {};
}

}  // namespace obscura::cli
