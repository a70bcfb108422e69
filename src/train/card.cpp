// SPDX-License-Identifier: Apache-2.0
#include "train/card.h"

#include <algorithm>
#include <fstream>
#include <thread>

namespace obscura::train {
namespace {

std::string processor() {
  std::ifstream facts("/proc/cpuinfo");
  for (std::string line; std::getline(facts, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "an unnamed processor";
}

std::uint32_t threads_of(const Recipe& recipe) {
  return recipe.threads == 0 ? std::max(1U, std::thread::hardware_concurrency()) : recipe.threads;
}

std::string share(const Score& score) {
  return fmt::format("{} of {} ({:.2f} %)", score.correct, score.images, 100 * score.accuracy());
}

nlohmann::json to_json(const Score& score) {
  return {{"images", score.images}, {"correct", score.correct}, {"accuracy", score.accuracy()}, {"loss", score.loss}};
}

/// "conv 5x5x5, stride 2": a line for each layer.
std::string layers(const Recipe& recipe) {
  const std::string activation =
      recipe.network == "mnist-square"
          ? "x^2"
          : fmt::format("degree-4 polynomial of Swish fitted on [-{0}, {0}]", recipe.activation_range);
  return fmt::format(
      "input 1x28x28, pixel / 255; conv 5x5 to 5 channels, stride 2; batch norm; {0}; conv 5x5 to 50 channels, "
      "stride 2; batch norm; {0}; flatten to 800; dense to 10",
      activation);
}

}  // namespace

nlohmann::json to_json(const Recipe& recipe, const Outcome& outcome) {
  return {{"network", recipe.network},
          {"dataset", recipe.dataset},
          {"epochs", recipe.epochs},
          {"seed", recipe.seed},
          {"threads", threads_of(recipe)},
          {"parameters", outcome.parameters},
          {"training_images", outcome.training_images},
          {"best_epoch", outcome.best_epoch},
          {"validation", to_json(outcome.validation)},
          {"test", to_json(outcome.test)},
          {"largest_pre_activation", outcome.largest_pre_activation},
          {"seconds", outcome.seconds}};
}

std::string command_of(const Recipe& recipe, const std::string& model) {
  std::string command = fmt::format(
      "obscura train --network {} --dataset {} --epochs {} --batch-size {} --learning-rate {} "
      "--weight-decay {} "
      "--label-smoothing {} --activation-range {} --range-penalty {} --average-decay {} --augmentation {} --elastic {} "
      "--seed {} "
      "--threads {}",
      recipe.network, recipe.dataset, recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.weight_decay,
      recipe.label_smoothing, recipe.activation_range, recipe.range_penalty, recipe.average_decay, recipe.augmentation,
      recipe.elastic, recipe.seed, threads_of(recipe));
  if (recipe.limit != data::kAll) command += fmt::format(" --limit {}", recipe.limit);
  return command + " -o " + model;
}

std::string to_card(const Recipe& recipe, const Outcome& outcome, const std::string& model,
                    const std::string& command) {
  std::string card = fmt::format("# {}\n\n{}.\n\n", model, layers(recipe));
  card += "| | |\n|---|---|\n";
  card += fmt::format("| right on the test split | {} |\n", share(outcome.test));
  card += fmt::format("| right on the validation split | {} |\n", share(outcome.validation));
  card += fmt::format("| loss (cross entropy) test / validation | {:.4f} / {:.4f} |\n", outcome.test.loss,
                      outcome.validation.loss);
  card += fmt::format("| trained parameters | {} |\n", outcome.parameters);
  card += fmt::format("| largest pre-activation on the validation split | {:.1f}, {:.1f} |\n",
                      outcome.largest_pre_activation[0], outcome.largest_pre_activation[1]);
  card += fmt::format("| epoch chosen | {} of {} |\n", outcome.best_epoch, recipe.epochs);
  card += fmt::format("| seed | {} |\n", recipe.seed);
  card += fmt::format("| time | {:.0f} s on {} thread{} of {} |\n\n", outcome.seconds, threads_of(recipe),
                      threads_of(recipe) == 1 ? "" : "s", processor());
  card += "All figures are of the float network.\n\n";
  card += fmt::format(
      "Trained on {} images of the {} training split; the other {}, drawn by the seed, chose the epoch: most images "
      "right, ties by the smaller loss. The test split was asked once, after that choice. Every image was turned "
      "(15 degrees), zoomed (0.1) and shifted (0.1) at random, times {}, and bent by a smooth displacement of {} "
      "pixels. AdamW, cosine schedule after a short warm-up, moving average of the weights.\n\n",
      outcome.training_images, recipe.dataset, outcome.validation.images, recipe.augmentation, recipe.elastic);
  card += fmt::format(
      "The same weights again, with the same number of threads on the same kind of machine:\n\n"
      "    {}\n",
      command);
  return card;
}

}  // namespace obscura::train
