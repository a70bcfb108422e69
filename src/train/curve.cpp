// SPDX-License-Identifier: Apache-2.0
#include "train/curve.h"

#include "data/plot.h"

namespace obscura::train {
namespace {

data::Series series(const std::string& name, const std::vector<EpochRecord>& history, double EpochRecord::*field,
                    double factor) {
  data::Series out;
  out.name = name;
  for (std::size_t i = 0; i < history.size(); ++i) {
    out.x.push_back(static_cast<double>(i + 1));
    out.y.push_back(history[i].*field * factor);
  }
  // One point makes no line.
  if (history.size() == 1) out.style = data::Series::Style::points;
  return out;
}

data::Series chosen(const Outcome& outcome, double y) {
  data::Series out;
  out.name = "chosen epoch";
  out.style = data::Series::Style::points;
  out.x = {static_cast<double>(outcome.best_epoch)};
  out.y = {y};
  return out;
}

}  // namespace

base::Bytes draw_curve(const std::string& title, const Outcome& outcome) {
  data::Panel accuracy;
  accuracy.axes = {title, "epoch", "accuracy in %", false, false, {}, {}};
  accuracy.series = {series("training (augmented)", outcome.history, &EpochRecord::training_accuracy, 100),
                     series("validation", outcome.history, &EpochRecord::validation_accuracy, 100),
                     chosen(outcome, 100 * outcome.validation.accuracy())};
  data::Panel loss;
  loss.axes = {"", "epoch", "loss", false, true, {}, {}};
  loss.series = {series("training (augmented, with penalties)", outcome.history, &EpochRecord::training_loss, 1),
                 series("validation", outcome.history, &EpochRecord::validation_loss, 1),
                 chosen(outcome, outcome.validation.loss)};
  const std::vector<data::Panel> panels = {accuracy, loss};
  return data::draw_plot(panels);
}

}  // namespace obscura::train
