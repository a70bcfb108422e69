// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "api/images.h"
#include "base/files.h"
#include "calibrate/ranges_file.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "data/plot.h"
#include "nn/onnx.h"

namespace obscura::cli {
namespace {

struct CalibrateOptions {
  std::string network;
  nn::ReadOptions read;
  std::string dataset;
  std::vector<std::string> files;
  std::string data;
  std::string output;
  std::string plot;
  std::optional<std::size_t> limit;
  api::Settings settings;
};

std::vector<std::string> names_of(const CalibrateOptions& options) {
  return options.dataset.empty() ? options.files : std::vector{options.dataset};
}

Answer summarise(const CalibrateOptions& options, const nn::Graph& graph, const calibrate::Calibration& calibration,
                 double seconds) {
  Answer answer;
  answer.json = {
      {"network", graph.name},
      {"ranges", options.output},
      {"dataset", options.dataset.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(options.dataset)},
      {"images", calibration.images},
      {"seconds", seconds}};
  if (!options.plot.empty()) answer.json["plot"] = options.plot;
  auto& list = answer.json["activations"] = nlohmann::ordered_json::array();
  answer.text = fmt::format("{}: {} of {} training images of {}\n  {:<28} {:<10} {:>10} {:>10} {:>12}\n",
                            options.output, api::plural(calibration.ranges.size(), "activation"), calibration.images,
                            fmt::join(names_of(options), " "), "node", "operator", "least", "largest", "99.9 % below");
  for (const calibrate::Range& range : calibration.ranges) {
    const double most = range.quantile(0.999);
    list.push_back({{"node", range.name},
                    {"operator", range.operation},
                    {"low", range.low},
                    {"high", range.high},
                    {"quantile_999", most}});
    answer.text += fmt::format("  {:<28} {:<10} {:>10.4g} {:>10.4g} {:>12.4g}\n", range.name, range.operation,
                               range.low, range.high, most);
  }
  answer.text.pop_back();
  return answer;
}

constexpr std::size_t kMaxPanels = 12;
constexpr std::size_t kBars = 256;

/// How often arguments fell into each of kBars parts of the range.
data::Panel draw(const calibrate::Range& range) {
  data::Panel panel;
  panel.axes.title = fmt::format("{} ({}): {:.4g} to {:.4g}, 99.9 % within {:.4g} of 0", range.name, range.operation,
                                 range.low, range.high, range.quantile(0.999));
  panel.axes.x_label = "argument";
  panel.axes.y_label = "count";
  panel.axes.log_y = true;
  data::Series bars;
  bars.style = data::Series::Style::bars;
  std::vector<std::uint64_t> counts(kBars);
  const std::size_t bins = range.inputs.counts.size();
  for (std::size_t bin = 0; bin < bins; ++bin) counts[bin * kBars / bins] += range.inputs.counts[bin];
  for (std::size_t k = 0; k < kBars; ++k) {
    bars.x.push_back(range.low + (range.high - range.low) * (static_cast<double>(k) + 0.5) / kBars);
    bars.y.push_back(static_cast<double>(counts[k]));
  }
  // From below 1, so that a part with a single argument is seen.
  panel.axes.y_range = std::pair(0.5, 2 * *std::max_element(bars.y.begin(), bars.y.end()));
  panel.series.push_back(std::move(bars));
  return panel;
}

/// At most kMaxPanels activations, spread over the network from its first to its last.
base::Bytes draw(const calibrate::Calibration& calibration) {
  const std::size_t all = calibration.ranges.size();
  const std::size_t count = std::min(all, kMaxPanels);
  std::vector<data::Panel> panels;
  for (std::size_t i = 0; i < count; ++i) {
    panels.push_back(draw(calibration.ranges[count == 1 ? 0 : i * (all - 1) / (count - 1)]));
  }
  return data::draw_plot(panels);
}

/// Both files or, where one of them cannot be written, none.
Result<void> write(const CalibrateOptions& options, const nn::Graph& graph, const calibrate::Calibration& calibration) {
  OBSCURA_TRY(base::OutputFile ranges, base::OutputFile::create(options.output, {}));
  OBSCURA_TRY_VOID(ranges.write(calibrate::write_ranges(calibration, graph.name)));
  if (!options.plot.empty()) OBSCURA_TRY_VOID(base::write_file(options.plot, draw(calibration), {}));
  return ranges.commit();
}

Result<Answer> perform(const CalibrateOptions& options) {
  const api::Stopwatch watch;
  OBSCURA_TRY_VOID(refuse_existing(options.output));
  if (!options.plot.empty()) OBSCURA_TRY_VOID(refuse_existing(options.plot));
  if (options.dataset.empty() == options.files.empty()) {
    return error(Code::wrong_params, "name the training images: a data set with --dataset, or --images, and not both");
  }
  if (options.plot == options.output) {
    return error(Code::wrong_params, "--plot {}: the ranges go there already", options.plot);
  }
  OBSCURA_TRY(const nn::Graph graph, nn::read_onnx_file(options.network, options.read));
  api::Settings settings = options.settings;
  OBSCURA_TRY_VOID(api::take_normalization(settings, graph, options.network));
  if (options.limit == std::size_t{0}) return error(Code::wrong_params, "--limit 0: at least one image is needed");
  OBSCURA_TRY(const std::vector<float> images,
              api::calibration_images(graph, api::training_of(names_of(options), data_folder(options.data)),
                                      settings.normalization, options.limit, calibrate::kRangeImages));
  const auto image_size = static_cast<std::size_t>(nn::element_count(graph.values[graph.input].shape));
  calibrate::Calibration calibration;
  {
    ProgressBar bar("ranges");
    OBSCURA_TRY(calibration, calibrate::measure_ranges(graph, images, images.size() / image_size, bar.callback()));
  }
  if (calibration.ranges.empty()) {
    return error(Code::unsupported, "{}: all its activations are polynomials already; there are no ranges to measure",
                 options.network);
  }
  OBSCURA_TRY_VOID(write(options, graph, calibration));
  return summarise(options, graph, calibration, watch.seconds());
}

}  // namespace

Action define_calibrate(CLI::App& command, const Common&) {
  teach(
      command,
      "Runs training images through a network in floating point and records, for each activation that is no "
      "polynomial, the\n"
      "extremes and the histogram of its arguments. Polynomials hold on an interval only: these files say on which.\n"
      "`obscura evaluate --backend poly --ranges FILE` and `obscura sweep` use them. --plot shows the histograms of up "
      "to\n12 activations, spread over the network.",
      "obscura calibrate resnet20.onnx --dataset cifar10 --mean 0.485 0.456 0.406 --std 0.229 0.224 0.225 -o "
      "resnet20.ranges.json",
      "The file is JSON. It tells of the training images no more than these histograms, and belongs to the server.");
  auto options = std::make_shared<CalibrateOptions>();
  command.add_option("NETWORK", options->network, "ONNX file")->required();
  command.add_option("--dataset", options->dataset, "Data set whose training images are used");
  command.add_option("--images", options->files,
                     "Or files and folders of training images, as `obscura encrypt` takes them");
  command.add_option("-o,--out", options->output, "The file of ranges to write")->required();
  command.add_option("--plot", options->plot, "Write a PNG with histograms of the arguments");
  command.add_option(
      "--limit", options->limit,
      fmt::format("How many of them (default: {}, or all where there are fewer)", calibrate::kRangeImages));
  command.add_option("--data", options->data, "Folder of data sets (default: $OBSCURA_DATA, else ./data)");
  add_normalization(command, options->settings.normalization);
  add_bgr(command, options->settings.normalization);
  add_read_options(command, options->read);
  return [options] { return perform(*options); };
}

}  // namespace obscura::cli
