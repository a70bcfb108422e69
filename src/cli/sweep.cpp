// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "api/images.h"
#include "base/files.h"
#include "cli/marks.h"
#include "cli/options.h"
#include "cli/polynomials.h"
#include "cli/progress.h"
#include "cli/score.h"
#include "cli/verb.h"
#include "compile/answer.h"
#include "data/plot.h"
#include "nn/onnx.h"

namespace obscura::cli {
namespace {

struct SweepOptions {
  std::string network;
  nn::ReadOptions read;
  api::Selection selection;
  std::vector<std::string> calibrate;
  int from = 7;
  int to = 14;
  bool layerwise = false;
  std::string plot;
  api::Settings settings;
  PolynomialOptions polynomials;
};

/// The images and what the float network says of them.
struct Exam {
  nn::Graph graph;
  data::Dataset images;
  api::Normalization normalization;
  std::vector<float> pixels;
  plan::AnswerSpec answer;
  std::size_t classes = 0;
  std::vector<float> logits;
  std::vector<Prediction> predictions;
  Score score;
};

/// errors: answers that have no accuracy.
Result<void> check_answer(const plan::AnswerSpec& answer, const std::string& network) {
  if (answer.kind == plan::AnswerKind::one || answer.kind == plan::AnswerKind::binary) return {};
  return error(Code::unsupported,
               "{}: its answer is '{}', which has no accuracy to draw; `obscura evaluate --backend poly` compares its "
               "outputs with the float network's",
               network, plan::to_string(answer.kind));
}

Result<Exam> prepare(const SweepOptions& options) {
  Exam exam;
  OBSCURA_TRY(exam.graph, nn::read_onnx_file(options.network, options.read));
  api::Settings settings = options.settings;
  OBSCURA_TRY_VOID(api::take_normalization(settings, exam.graph, options.network));
  exam.normalization = settings.normalization;
  OBSCURA_TRY(exam.answer, compile::answer_of(exam.graph, settings.answer, settings.class_names));
  OBSCURA_TRY_VOID(check_answer(exam.answer, options.network));
  exam.classes = static_cast<std::size_t>(nn::element_count(exam.graph.values[exam.graph.output].shape));
  OBSCURA_TRY(const api::Images images,
              api::Images::of(options.selection, api::shape_of(exam.graph), label_bound(exam.answer, exam.classes)));
  OBSCURA_TRY_VOID(check_classes(exam.answer, images, options.network));
  OBSCURA_TRY(exam.images, images.read(0, images.count()));
  exam.pixels = api::normalise(exam.images, exam.normalization);
  OBSCURA_TRY(Inference inference, infer_float(exam.graph, exam.pixels, exam.images.count()));
  exam.logits = std::move(inference.logits);
  exam.predictions = predict(exam.logits, exam.classes, exam.answer.kind);
  exam.score = score(exam.predictions, exam.predictions, exam.images.labels, exam.classes);
  return exam;
}

/// One choice measured: a row of the table.
struct SweepRow {
  bool layerwise = false;
  int alpha = 0;
  int depth = 0;
  double products = 0;
  Score score;
  LogitError error;
  std::uint64_t outside = 0;
  nlohmann::ordered_json json;
};

Result<SweepRow> measure(const SweepOptions& options, const Exam& exam, bool layerwise, int alpha,
                         const calibrate::Choice& choice) {
  OBSCURA_TRY(const PolynomialInference result,
              infer_poly(exam.graph, choice, exam.pixels, exam.images.count(), options.polynomials));
  const std::vector<float>& logits = result.inference.logits;
  SweepRow row{layerwise, alpha, choice.depth(), choice.products(), {}, {}, result.outside(), {}};
  row.score =
      score(predict(logits, exam.classes, exam.answer.kind), exam.predictions, exam.images.labels, exam.classes);
  row.error = compare_logits(logits, exam.logits, exam.classes);
  row.json = {{"kind", layerwise ? "layerwise" : "alike"}, {"alpha", alpha}};
  add_score(row.json, row.score);
  add_logit_error(row.json, row.error);
  row.json.update(describe(exam.graph, choice, result));
  row.json["seconds"] = result.inference.seconds.run;
  return row;
}

struct Table {
  std::vector<SweepRow> rows;         ///< alpha by alpha
  std::vector<std::string> left_out;  ///< choices that there are not, each with the reason
};

/// Measures a choice, or notes why there is none. errors: all but an infeasible choice.
Result<void> add_row(const SweepOptions& options, const Exam& exam, bool layerwise, int alpha,
                     const Result<calibrate::Choice>& choice, Table& table) {
  if (!choice && choice.error().code == Code::infeasible) {
    table.left_out.push_back(
        fmt::format("alpha {}, {}: {}", alpha, layerwise ? "layerwise" : "alike", choice.error().message));
    return {};
  }
  if (!choice) return choice.error();
  OBSCURA_TRY(SweepRow row, measure(options, exam, layerwise, alpha, *choice));
  table.rows.push_back(std::move(row));
  return {};
}

/// errors: as measure; infeasible: no choice at any alpha.
Result<Table> measure_all(const SweepOptions& options, const Exam& exam, calibrate::Chooser& polynomials) {
  Table table;
  for (int alpha = options.from; alpha <= options.to; ++alpha) {
    const Result<calibrate::Choice> alike = polynomials.alike(alpha);
    OBSCURA_TRY_VOID(add_row(options, exam, false, alpha, alike, table));
    if (!options.layerwise || !alike) continue;
    const auto layerwise = polynomials.layerwise_within(alike->logit_error, calibrate::Budget::Of::depth);
    OBSCURA_TRY_VOID(add_row(options, exam, true, alpha, layerwise, table));
  }
  if (table.rows.empty()) return error(Code::infeasible, "{}", table.left_out.front());
  return table;
}

std::string text_of(const SweepOptions& options, const Exam& exam, const std::vector<SweepRow>& rows) {
  const Score& whole = exam.score;
  const auto percent = [&](std::size_t part) { return 100 * whole.share(part); };
  const auto if_labelled = [&](std::string column) { return whole.labelled ? std::move(column) : std::string(); };
  std::string text =
      fmt::format("{}: {} of {}", options.network, api::plural(whole.images, "image"), options.selection.text());
  text += if_labelled(fmt::format(", float {:.2f} %", percent(whole.correct)));
  if (whole.top) text += if_labelled(fmt::format(", top 5 {:.2f} %", percent(whole.top->correct)));
  text += fmt::format("\n  {:<10} {:>5}", "choice", "alpha") +
          if_labelled(fmt::format(" {:>9} {:>8}", "correct", "loss")) +
          fmt::format(" {:>10} {:>6} {:>11} {:>8}", "agreement", "depth", "products", "outside");
  if (whole.top) text += if_labelled(fmt::format(" {:>10}", "top 5")) + fmt::format(" {:>10} {:>10}", "holds", "same");
  for (const SweepRow& row : rows) {
    text += fmt::format("\n  {:<10} {:>5}", row.layerwise ? "layerwise" : "alike", row.alpha) +
            if_labelled(fmt::format(" {:>7.2f} % {:>8.2f}", percent(row.score.correct),
                                    percent(whole.correct) - percent(row.score.correct))) +
            fmt::format(" {:>8.2f} % {:>6} {:>11.4g} {:>8}", percent(row.score.agreeing), row.depth, row.products,
                        row.outside);
    if (row.score.top) {
      text += if_labelled(fmt::format(" {:>8.2f} %", percent(row.score.top->correct))) +
              fmt::format(" {:>8.2f} % {:>8.2f} %", percent(row.score.top->holding), percent(row.score.top->agreeing));
    }
    if (row.score.not_finite > 0) {
      text += fmt::format("  ({} without finite logits, counted as wrong)", api::plural(row.score.not_finite, "image"));
    }
  }
  return text;
}

/// What is drawn: correct images or, without labels, those where the label is the float network's.
std::size_t drawn(const Score& score) { return score.labelled ? score.correct : score.agreeing; }

/// A point named by its alpha; by the first and the last where several are in one place.
void add_point(data::Series& series, const SweepRow& row, double correct) {
  series.style = data::Series::Style::marked;
  if (!series.x.empty() && series.x.back() == row.depth && series.y.back() == correct) {
    std::string& label = series.labels.back();
    label = fmt::format("{}-{}", label.substr(0, label.find('-')), row.alpha);
    return;
  }
  series.x.push_back(row.depth);
  series.y.push_back(correct);
  series.labels.push_back(std::to_string(row.alpha));
}

/// Accuracy over depth: all of it, and what is near to the float network's.
base::Bytes draw(const SweepOptions& options, const Exam& exam, const std::vector<SweepRow>& rows) {
  const auto percent = [&](std::size_t part) { return 100 * exam.score.share(part); };
  data::Panel panel;
  panel.axes.title = fmt::format("{}: {} of {}", std::filesystem::path(options.network).filename().string(),
                                 api::plural(exam.score.images, "image"), options.selection.text());
  panel.axes.x_label = "levels of all activations together";
  panel.axes.y_label = exam.score.labelled ? "correct [%]" : "agreement [%]";
  data::Series alike, layerwise, whole;
  alike.name = "one alpha for all";
  alike.labels_below = true;  // it needs more levels: its curve lies to the right and below
  layerwise.name = "degrees for each layer, same predicted error";
  for (const SweepRow& row : rows) {
    add_point(row.layerwise ? layerwise : alike, row, percent(drawn(row.score)));
  }
  const auto [least, most] = std::minmax_element(
      rows.begin(), rows.end(), [](const SweepRow& a, const SweepRow& b) { return a.depth < b.depth; });
  whole.name = "floats";
  whole.style = data::Series::Style::dashed;
  whole.x = {static_cast<double>(least->depth), static_cast<double>(most->depth)};
  whole.y = std::vector<double>(2, percent(drawn(exam.score)));
  panel.series = {alike, layerwise, whole};
  if (!options.layerwise) panel.series.erase(panel.series.begin() + 1);
  const double step = std::max(1.0, 400 * exam.score.share(1));  // a point, or four images
  const double low = percent(drawn(exam.score)) - 2 * step;
  const auto [worst, best] = std::minmax_element(
      rows.begin(), rows.end(), [](const SweepRow& a, const SweepRow& b) { return drawn(a.score) < drawn(b.score); });
  const double least_shown = std::min(percent(drawn(worst->score)), percent(drawn(exam.score)));
  const double high = percent(std::max(drawn(exam.score), drawn(best->score)));
  const double room = std::max(high - least_shown, step) / 8;  // for the points' names
  panel.axes.y_range = std::pair(least_shown - room, high + room);
  std::vector<data::Panel> panels{panel};
  if (least_shown < low) {
    panel.axes.title = "near to the float network";
    panel.axes.y_range = std::pair(low, high + step / 4);
    panels.push_back(panel);
  }
  return data::draw_plot(panels);
}

Result<void> check(const SweepOptions& options) {
  if (options.from > options.to) {
    return error(Code::wrong_params, "--alpha {} {}: the first must not be above the second", options.from, options.to);
  }
  OBSCURA_TRY_VOID(check_alpha(options.from));
  OBSCURA_TRY_VOID(check_alpha(options.to));
  OBSCURA_TRY_VOID(check_options(options.polynomials));
  if (options.plot.empty()) return {};
  return refuse_existing(options.plot);
}

Result<std::vector<std::string>> training_names(const SweepOptions& options) {
  if (!options.calibrate.empty()) return options.calibrate;
  if (!options.selection.dataset.empty()) return std::vector{options.selection.dataset};
  return error(Code::wrong_params, "with --images, --calibrate names the training images");
}

Result<Answer> perform(const SweepOptions& options) {
  OBSCURA_TRY_VOID(check(options));
  OBSCURA_TRY(const std::vector<std::string> names, training_names(options));
  OBSCURA_TRY(const Exam exam, prepare(options));
  OBSCURA_TRY(calibrate::Chooser polynomials,
              api::make_chooser(exam.graph, {names, options.selection.data}, exam.normalization,
                                options.polynomials.ranges, progress_bars()));
  if (polynomials.calibration().ranges.empty()) {
    return error(Code::unsupported, "{}: all its activations are polynomials already; `obscura evaluate` measures it",
                 options.network);
  }
  OBSCURA_TRY(const Table table, measure_all(options, exam, polynomials));
  Answer answer;
  answer.json = {{"network", options.network},
                 {"dataset", nullptr},
                 {"split", nullptr},
                 {"images", exam.images.count()},
                 {"float_correct", nullptr},
                 {"float_not_finite", exam.score.not_finite},
                 {"calibration_images", polynomials.calibration().images},
                 {"margin", options.polynomials.ranges.margin}};
  if (options.selection.dataset.empty()) {
    answer.json["images_from"] = options.selection.files;
  } else {
    answer.json["dataset"] = options.selection.dataset;
    answer.json["split"] = options.selection.split;
  }
  if (exam.score.labelled) answer.json["float_correct"] = exam.score.correct;
  if (exam.score.top && exam.score.labelled) answer.json["float_top5_correct"] = exam.score.top->correct;
  auto& list = answer.json["rows"] = nlohmann::ordered_json::array();
  for (const SweepRow& row : table.rows) list.push_back(row.json);
  answer.json["left_out"] = table.left_out;
  answer.text = text_of(options, exam, table.rows);
  for (const std::string& reason : table.left_out) answer.text += "\n  left out: " + reason;
  if (options.plot.empty()) return answer;
  OBSCURA_TRY_VOID(base::write_file(options.plot, draw(options, exam, table.rows), {}));
  answer.json["plot"] = options.plot;
  return answer;
}

}  // namespace

Action define_sweep(CLI::App& command, const Common&) {
  const std::string explanation =
      "Replaces each activation and max-pooling of a network by minimax polynomials of precision alpha, for each\n"
      "alpha, and measures the accuracy on a data set, or on --images, beside the float network's. The polynomials are "
      "computed in\n"
      "floats: nothing is encrypted. Intervals come from training images only (--ranges, or measured first,\n"
      "on those of the data set or of --calibrate).\n"
      "With --layerwise, each alpha is followed by a choice of degrees for each layer that has the same predicted\n"
      "error of the logits at the least total depth. `loss` is in points; `outside` counts arguments that left\n"
      "their interval, where a polynomial promises nothing. " +
      explain_score();
  teach(command, explanation.c_str(),
        "obscura sweep resnet20.onnx --dataset cifar10 --mean 0.485 0.456 0.406 --deviation 0.229 0.224 0.225 --alpha "
        "7 14 --layerwise",
        "It writes no file but the --plot: accuracy over the levels of all activations, which holds nothing secret.");
  auto options = std::make_shared<SweepOptions>();
  command.add_option("NETWORK", options->network, "ONNX file")->required();
  add_selection(command, options->selection);
  add_calibrate(command, options->calibrate,
                "Training images: a data set's name, or a file or folder; may be given again (default: those of "
                "--dataset)");
  command.add_option_function<std::pair<int, int>>(
      "--alpha", [options](const std::pair<int, int>& range) { std::tie(options->from, options->to) = range; },
      "First and last precision (default: 7 14)");
  command.add_flag("--layerwise", options->layerwise, "Also choose degrees for each layer");
  command.add_option("--plot", options->plot, "Write a PNG: accuracy over depth, points named by their alpha");
  command.add_option("--calibration-images", options->polynomials.ranges.images,
                     "Training images that give the ranges (default: 10000)");
  add_polynomial_options(command, options->polynomials);
  add_answer(command, options->settings);
  add_normalization(command, options->settings.normalization);
  add_bgr(command, options->settings.normalization);
  add_read_options(command, options->read);
  return [options] { return perform(*options); };
}

}  // namespace obscura::cli
