// SPDX-License-Identifier: Apache-2.0
#include "train/card.h"

namespace obscura::train {
namespace {

std::string share(const Score& score) {
  return fmt::format("{} of {} ({:.2f} %)", score.correct, score.images, 100 * score.accuracy());
}

nlohmann::json to_json(const Score& score) {
  return {{"images", score.images}, {"correct", score.correct}, {"accuracy", score.accuracy()}, {"loss", score.loss}};
}

/// Where the images that chose the epoch came from, and how.
std::string choice(const Recipe& recipe, const Outcome& outcome) {
  const std::string held_out = recipe.data.validation == 0
                                   ? fmt::format("the set's own {} validation images", outcome.validation.images)
                                   : fmt::format("{} held out of its training split by seed {}",
                                                 outcome.validation.images, recipe.data.split_seed);
  return fmt::format(
      "Trained on {} images of {}; {} chose the epoch: most images right, ties by the smaller loss. The test split was "
      "asked once, after that choice.",
      outcome.training_images, recipe.data.set, held_out);
}

std::string teaching(const Recipe& recipe) {
  std::string out;
  if (!recipe.training.start.empty()) {
    out = fmt::format(" It started from the weights of {}.", recipe.training.start.filename().string());
  }
  if (!recipe.teacher) return out;
  const TeacherRecipe& teacher = *recipe.teacher;
  out += fmt::format(" Distilled from {}: temperature {}, weight {}", teacher.model.filename().string(),
                     teacher.temperature, teacher.weight);
  if (teacher.features > 0) out += fmt::format(", features of the activations with weight {}", teacher.features);
  return out + ".";
}

std::string join_rounded(const std::vector<double>& numbers) {
  std::string out;
  for (const double x : numbers) out += fmt::format("{}{:.1f}", out.empty() ? "" : ", ", x);
  return out;
}

}  // namespace

nlohmann::json to_json(const Recipe& recipe, const Outcome& outcome) {
  nlohmann::json history = nlohmann::json::array();
  for (const EpochRecord& record : outcome.history) {
    history.push_back({{"training_loss", record.training_loss},
                       {"training_accuracy", record.training_accuracy},
                       {"validation_loss", record.validation_loss},
                       {"validation_accuracy", record.validation_accuracy}});
  }
  return {{"name", recipe.name},
          {"dataset", recipe.data.set},
          {"epochs", recipe.training.epochs},
          {"seed", recipe.training.seed},
          {"threads", outcome.threads},
          {"device", outcome.device},
          {"parameters", outcome.parameters},
          {"multiplications", outcome.multiplications},
          {"training_images", outcome.training_images},
          {"best_epoch", outcome.best_epoch},
          {"validation", to_json(outcome.validation)},
          {"test", to_json(outcome.test)},
          {"largest_pre_activation", outcome.largest_pre_activation},
          {"history", history},
          {"seconds", outcome.seconds}};
}

std::string to_card(const Recipe& recipe, const Outcome& outcome, const std::string& model,
                    const std::string& command) {
  std::string card = fmt::format("# {}\n\ninput {}, {}.\n\n", model, nn::to_string(recipe.data.shape), outcome.layers);
  card += "| | |\n|---|---|\n";
  card += fmt::format("| right on the test split | {} |\n", share(outcome.test));
  card += fmt::format("| right on the validation images | {} |\n", share(outcome.validation));
  card += fmt::format("| loss (cross entropy) test / validation | {:.4f} / {:.4f} |\n", outcome.test.loss,
                      outcome.validation.loss);
  card += fmt::format("| trained parameters | {} |\n", outcome.parameters);
  card += fmt::format("| MACs per image | {} |\n", outcome.multiplications);
  card += fmt::format("| largest pre-activations on the validation images | {} |\n",
                      join_rounded(outcome.largest_pre_activation));
  card += fmt::format("| epoch chosen | {} of {} |\n", outcome.best_epoch, outcome.history.size());
  card += fmt::format("| seed | {} |\n", recipe.training.seed);
  card += fmt::format(
      "| input | (pixel / 255 - mean) / standard deviation, with mean {} and standard deviation {}{} |\n",
      fmt::join(recipe.data.mean, ", "), fmt::join(recipe.data.std, ", "), base::describe(recipe.data.standardise));
  card += fmt::format("| time | {:.0f} s on {} |\n\n", outcome.seconds, outcome.device);
  card += "All figures are of floating-point inference.\n\n" + choice(recipe, outcome) + teaching(recipe) + "\n\n";
  card += fmt::format(
      "The same again (the same weights on a CPU of the same kind with the same number of threads):\n\n    {}\n",
      command);
  return card;
}

}  // namespace obscura::train
