// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/polynomials.h"
#include "cli/verb.h"
#include "nn/onnx.h"

namespace obscura::cli {
namespace {

struct Options {
  std::string network;
  std::string dataset;
  std::string data;
  std::string split = "test";
  std::optional<std::size_t> limit;
  std::size_t first = 0;
  int from = 7;
  int to = 14;
  bool layerwise = false;
  Normalization normalization;
  PolynomialOptions polynomials;
};

/// The images and what the float network says of them.
struct Exam {
  nn::Graph graph;
  data::Dataset images;
  std::vector<float> pixels;
  std::vector<std::uint32_t> labels;
  std::size_t correct = 0;
};

std::size_t count_correct(const std::vector<std::uint32_t>& labels, const data::Dataset& images) {
  std::size_t correct = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) correct += labels[i] == images.labels[i] ? 1 : 0;
  return correct;
}

Result<Exam> prepare(const Options& options) {
  Exam exam;
  OBSCURA_TRY(exam.graph, nn::read_onnx_file(options.network));
  OBSCURA_TRY(exam.images, data::load(options.dataset, options.split, data_folder(options.data),
                                      {options.first, options.limit.value_or(data::kAll)}));
  OBSCURA_TRY_VOID(check_image_size(exam.graph, options.network, exam.images));
  OBSCURA_TRY_VOID(check_normalization(options.normalization, exam.images.channels));
  exam.pixels = normalise(exam.images.pixels, exam.images.channels, exam.images.height * exam.images.width,
                          options.normalization);
  OBSCURA_TRY(const Inference inference, infer_float(exam.graph, exam.pixels, exam.images.count()));
  exam.labels = labels_of(inference.logits, inference.logits.size() / exam.images.count());
  exam.correct = count_correct(exam.labels, exam.images);
  return exam;
}

/// One choice measured: a row of the table.
Result<nlohmann::ordered_json> measure(const Options& options, const Exam& exam, const std::string& kind, int alpha,
                                       const calibrate::Choice& choice) {
  OBSCURA_TRY(const PolynomialInference result,
              infer_poly(exam.graph, choice, exam.pixels, exam.images.count(), options.polynomials));
  const auto labels = labels_of(result.inference.logits, result.inference.logits.size() / exam.images.count());
  std::size_t agreeing = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) agreeing += labels[i] == exam.labels[i] ? 1 : 0;
  nlohmann::ordered_json row = {{"kind", kind},
                                {"alpha", alpha},
                                {"correct", count_correct(labels, exam.images)},
                                {"agreement", static_cast<double>(agreeing) / static_cast<double>(labels.size())}};
  row.update(describe(exam.graph, choice, result));
  row["seconds"] = result.inference.seconds.run;
  return row;
}

std::string text_of(const Options& options, const Exam& exam, const nlohmann::ordered_json& rows) {
  const auto count = static_cast<double>(exam.images.count());
  std::string text =
      fmt::format("{}: {} of {} ({}), float {:.2f} %\n  {:<10} {:>5} {:>9} {:>8} {:>10} {:>6} {:>11} {:>8}\n",
                  options.network, plural(exam.images.count(), "image"), options.dataset, options.split,
                  100 * static_cast<double>(exam.correct) / count, "choice", "alpha", "correct", "loss", "agreement",
                  "depth", "products", "outside");
  for (const auto& row : rows) {
    const auto correct = row["correct"].get<double>();
    text +=
        fmt::format("  {:<10} {:>5} {:>7.2f} % {:>8.2f} {:>8.2f} % {:>6} {:>11.4g} {:>8}\n",
                    row["kind"].get<std::string>(), row["alpha"].get<int>(), 100 * correct / count,
                    100 * (static_cast<double>(exam.correct) - correct) / count, 100 * row["agreement"].get<double>(),
                    row["depth"].get<int>(), row["products"].get<double>(), row["outside"].get<std::uint64_t>());
  }
  text.pop_back();
  return text;
}

Result<Answer> perform(const Options& options) {
  if (options.from > options.to) {
    return error(Code::wrong_params, "--alpha {} {}: the first must not be above the second", options.from, options.to);
  }
  OBSCURA_TRY(const Exam exam, prepare(options));
  const TrainingData training{options.network, options.dataset, data_folder(options.data), options.normalization};
  OBSCURA_TRY(Polynomials polynomials, Polynomials::prepare(exam.graph, training, options.polynomials));
  if (polynomials.calibration().ranges.empty()) {
    return error(Code::unsupported, "{}: all its activations are polynomials already; `obscura evaluate` measures it",
                 options.network);
  }
  auto rows = nlohmann::ordered_json::array();
  for (int alpha = options.from; alpha <= options.to; ++alpha) {
    OBSCURA_TRY(const calibrate::Choice alike, polynomials.alike(alpha));
    OBSCURA_TRY(nlohmann::ordered_json row, measure(options, exam, "alike", alpha, alike));
    rows.push_back(std::move(row));
    if (!options.layerwise) continue;
    auto layerwise = polynomials.layerwise_within(alike.logit_error, calibrate::Budget::Of::depth);
    if (!layerwise) continue;  // finer than all candidates: only one for all has it
    OBSCURA_TRY(nlohmann::ordered_json second, measure(options, exam, "layerwise", alpha, *layerwise));
    rows.push_back(std::move(second));
  }
  Answer answer;
  answer.json = {{"network", options.network},
                 {"dataset", options.dataset},
                 {"split", options.split},
                 {"images", exam.images.count()},
                 {"float_correct", exam.correct},
                 {"calibration_images", polynomials.calibration().images},
                 {"margin", options.polynomials.margin},
                 {"rows", rows}};
  answer.text = text_of(options, exam, rows);
  return answer;
}

}  // namespace

Action define_sweep(CLI::App& command, const Common&) {
  teach(command,
        "Replaces each activation and max-pooling of a network by minimax polynomials of precision alpha, for each\n"
        "alpha, and measures the accuracy on a data set beside the float network's. The polynomials are computed in\n"
        "floats: nothing is encrypted. Intervals come from training images only (--ranges, or measured first).\n"
        "With --layerwise, each alpha is followed by a choice of degrees for each layer that has the same predicted\n"
        "error of the logits at the least total depth. `loss` is in points; `outside` counts arguments that left\n"
        "their interval, where a polynomial promises nothing.",
        "obscura sweep resnet20.onnx --dataset cifar10 --mean 0.485 0.456 0.406 --deviation 0.229 0.224 0.225 --alpha "
        "7 14 --layerwise",
        "It writes no file.");
  auto options = std::make_shared<Options>();
  command.add_option("NETWORK", options->network, "ONNX file")->required();
  command.add_option("--dataset", options->dataset, "Data set")->required();
  command.add_option("--split", options->split, "Split that is classified")
      ->check(CLI::IsMember(data::split_names()))
      ->capture_default_str();
  command.add_option("--limit", options->limit, "Images to take (default: all)");
  command.add_option("--first", options->first, "The first of them")->capture_default_str();
  command.add_option_function<std::pair<int, int>>(
      "--alpha", [options](const std::pair<int, int>& range) { std::tie(options->from, options->to) = range; },
      "First and last precision (default: 7 14)");
  command.add_flag("--layerwise", options->layerwise, "Also choose degrees for each layer");
  command.add_option("--data", options->data, "Folder of data sets (default: $OBSCURA_DATA, else ./data)");
  command.add_option("--calibration-images", options->polynomials.calibration_images,
                     "Training images that give the ranges (default: 10000)");
  add_polynomial_options(command, options->polynomials);
  add_normalization(command, options->normalization);
  return [options] { return perform(*options); };
}

}  // namespace obscura::cli
