// SPDX-License-Identifier: Apache-2.0
#include "api/sweep.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/files.h"
#include "cli/marks.h"
#include "cli/options.h"
#include "cli/polynomials.h"
#include "cli/progress.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "data/plot.h"

namespace obscura::cli {
namespace {

struct SweepOptions {
  std::vector<std::string> calibrate;
  std::string noise;
  std::string plot;
  api::SweepJob job;
};

std::string text_of(const api::SweepJob& job, const api::Sweep& sweep) {
  const api::Score& whole = sweep.score;
  const auto percent = [&](std::size_t part) { return 100 * whole.share(part); };
  const auto if_labelled = [&](std::string column) { return whole.labelled ? std::move(column) : std::string(); };
  std::string text = fmt::format("{}: {} of {}", job.network, api::plural(whole.images, "image"), job.selection.text());
  text += if_labelled(fmt::format(", float {:.2f} %", percent(whole.correct)));
  if (whole.top) text += if_labelled(fmt::format(", top 5 {:.2f} %", percent(whole.top->correct)));
  text += fmt::format("\n  {:<10} {:>5}", "choice", "alpha") +
          if_labelled(fmt::format(" {:>9} {:>8}", "correct", "loss")) +
          fmt::format(" {:>10} {:>6} {:>11} {:>8}", "agreement", "depth", "products", "outside");
  if (whole.top) text += if_labelled(fmt::format(" {:>10}", "top 5")) + fmt::format(" {:>10} {:>10}", "holds", "same");
  for (const api::SweepRow& row : sweep.rows) {
    text += fmt::format("\n  {:<10} {:>5}", row.layerwise ? "layerwise" : "alike", row.alpha) +
            if_labelled(fmt::format(" {:>7.2f} % {:>8.2f}", percent(row.score.correct),
                                    percent(whole.correct) - percent(row.score.correct))) +
            fmt::format(" {:>8.2f} % {:>6} {:>11.4g} {:>8}", percent(row.score.agreeing), row.choice.depth(),
                        row.choice.products(), row.result.outside());
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
std::size_t drawn(const api::Score& score) { return score.labelled ? score.correct : score.agreeing; }

/// A point named by its alpha; by the first and the last where several are in one place.
void add_point(data::Series& series, const api::SweepRow& row, double correct) {
  series.style = data::Series::Style::marked;
  if (!series.x.empty() && series.x.back() == row.choice.depth() && series.y.back() == correct) {
    std::string& label = series.labels.back();
    label = fmt::format("{}-{}", label.substr(0, label.find('-')), row.alpha);
    return;
  }
  series.x.push_back(row.choice.depth());
  series.y.push_back(correct);
  series.labels.push_back(std::to_string(row.alpha));
}

/// Accuracy over depth: all of it, and what is near to the float network's.
base::Bytes draw(const api::SweepJob& job, const api::Sweep& sweep) {
  const api::Score& floats = sweep.score;
  const std::vector<api::SweepRow>& rows = sweep.rows;
  const auto percent = [&](std::size_t part) { return 100 * floats.share(part); };
  data::Panel panel;
  panel.axes.title = fmt::format("{}: {} of {}", std::filesystem::path(job.network).filename().string(),
                                 api::plural(floats.images, "image"), job.selection.text());
  panel.axes.x_label = "levels of all activations together";
  panel.axes.y_label = floats.labelled ? "correct [%]" : "agreement [%]";
  data::Series alike, layerwise, whole;
  alike.name = "one alpha for all";
  alike.labels_below = true;  // it needs more levels: its curve lies to the right and below
  layerwise.name = "degrees for each layer, same predicted error";
  for (const api::SweepRow& row : rows) {
    add_point(row.layerwise ? layerwise : alike, row, percent(drawn(row.score)));
  }
  const auto [least, most] = std::minmax_element(
      rows.begin(), rows.end(),
      [](const api::SweepRow& a, const api::SweepRow& b) { return a.choice.depth() < b.choice.depth(); });
  whole.name = "floats";
  whole.style = data::Series::Style::dashed;
  whole.x = {static_cast<double>(least->choice.depth()), static_cast<double>(most->choice.depth())};
  whole.y = std::vector<double>(2, percent(drawn(floats)));
  panel.series = {alike, layerwise, whole};
  if (!job.layerwise) panel.series.erase(panel.series.begin() + 1);
  const double step = std::max(1.0, 400 * floats.share(1));  // a point, or four images
  const double low = percent(drawn(floats)) - 2 * step;
  const auto [worst, best] = std::minmax_element(
      rows.begin(), rows.end(),
      [](const api::SweepRow& a, const api::SweepRow& b) { return drawn(a.score) < drawn(b.score); });
  const double least_shown = std::min(percent(drawn(worst->score)), percent(drawn(floats)));
  const double high = percent(std::max(drawn(floats), drawn(best->score)));
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

Result<api::SweepJob> job_of(const SweepOptions& options) {
  api::SweepJob job = options.job;
  if (job.from > job.to) {
    return error(Code::wrong_params, "--alpha {} {}: the first must not be above the second", job.from, job.to);
  }
  OBSCURA_TRY_VOID(check_alpha(job.from));
  OBSCURA_TRY_VOID(check_alpha(job.to));
  OBSCURA_TRY_VOID(check_margin(job.ranges.margin));
  OBSCURA_TRY(job.noise, parse_noise(options.noise, 1));
  if (!options.plot.empty()) OBSCURA_TRY_VOID(refuse_existing(options.plot));
  job.report = progress_bars();
  job.training = training_of(options.calibrate, job.selection);
  if (!job.training.none()) return job;
  return error(Code::wrong_params, "with --images, --calibrate names the training images");
}

nlohmann::ordered_json row_json(const nn::Graph& graph, const api::SweepRow& row) {
  nlohmann::ordered_json json = {{"kind", row.layerwise ? "layerwise" : "alike"}, {"alpha", row.alpha}};
  add_score(json, row.score);
  add_logit_error(json, row.error);
  json.update(describe(graph, row.choice, row.result));
  json["seconds"] = row.result.inference.seconds.run;
  return json;
}

Result<Answer> perform(const SweepOptions& options) {
  OBSCURA_TRY(const api::SweepJob job, job_of(options));
  OBSCURA_TRY(const api::Sweep sweep, api::sweep(job));
  Answer answer;
  answer.json = {{"network", job.network},
                 {"dataset", nullptr},
                 {"split", nullptr},
                 {"images", sweep.score.images},
                 {"float_correct", nullptr},
                 {"float_not_finite", sweep.score.not_finite},
                 {"calibration_images", sweep.calibration_images},
                 {"margin", job.ranges.margin}};
  if (job.selection.dataset.empty()) {
    answer.json["images_from"] = job.selection.files;
  } else {
    answer.json["dataset"] = job.selection.dataset;
    answer.json["split"] = job.selection.split;
  }
  if (sweep.score.labelled) answer.json["float_correct"] = sweep.score.correct;
  if (sweep.score.top && sweep.score.labelled) answer.json["float_top5_correct"] = sweep.score.top->correct;
  auto& list = answer.json["rows"] = nlohmann::ordered_json::array();
  for (const api::SweepRow& row : sweep.rows) list.push_back(row_json(sweep.graph, row));
  answer.json["left_out"] = sweep.left_out;
  answer.text = text_of(job, sweep);
  for (const std::string& reason : sweep.left_out) answer.text += "\n  left out: " + reason;
  if (options.plot.empty()) return answer;
  OBSCURA_TRY_VOID(base::write_file(options.plot, draw(job, sweep), {}));
  answer.json["plot"] = options.plot;
  return answer;
}

}  // namespace

Action define_sweep(CLI::App& command, const Common&) {
  const std::string explanation =
      "Replaces each activation and max-pooling of a network by minimax polynomials of precision alpha, for each\n"
      "alpha, and measures the accuracy on a data set, or on --images, compared with that in floating\n"
      "point. The polynomials are computed in floating point too: nothing is encrypted. Intervals come from training "
      "images only (--ranges, or measured first,\n"
      "on those of the data set or of --calibrate).\n"
      "With --layerwise, each alpha is followed by a choice of degrees for each layer that has the same predicted\n"
      "error of the logits at the least total depth. `loss` is in points; `outside` counts arguments that left\n"
      "their interval, where a polynomial promises nothing. " +
      explain_score();
  teach(command, explanation.c_str(),
        "obscura sweep resnet20.onnx --dataset cifar10 --mean 0.485 0.456 0.406 --std 0.229 0.224 0.225 --alpha "
        "7 14 --layerwise",
        "It writes no file but the --plot: accuracy over the levels of all activations, which holds nothing secret.");
  auto options = std::make_shared<SweepOptions>();
  command.add_option("NETWORK", options->job.network, "ONNX file")->required();
  add_selection(command, options->job.selection);
  add_calibrate(command, options->calibrate,
                "Training images: a data set's name, or a file or folder; may be given again (default: those of "
                "--dataset)");
  command.add_option_function<std::pair<int, int>>(
      "--alpha", [options](const std::pair<int, int>& range) { std::tie(options->job.from, options->job.to) = range; },
      "First and last precision (default: 7 14)");
  command.add_flag("--layerwise", options->job.layerwise, "Also choose degrees for each layer");
  command.add_option("--plot", options->plot, "Write a PNG: accuracy over depth, points named by their alpha");
  command.add_option("--calibration-images", options->job.ranges.images,
                     "Training images that give the ranges (default: 10000)");
  add_polynomial_options(command, options->job.ranges, options->noise);
  add_answer(command, options->job.settings);
  add_normalization(command, options->job.settings.normalization);
  add_bgr(command, options->job.settings.normalization);
  add_read_options(command, options->job.read);
  return [options] { return perform(*options); };
}

}  // namespace obscura::cli
