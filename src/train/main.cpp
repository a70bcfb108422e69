// SPDX-License-Identifier: Apache-2.0
/// obscura-train: what `obscura train` starts.
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "base/files.h"
#include "nn/onnx.h"
#include "train/card.h"
#include "train/train.h"

namespace obscura::train {
namespace {

std::atomic<bool> stopped{false};

struct Options {
  Recipe recipe;
  std::string model;
  std::string card;
  bool json = false;
};

void define(CLI::App& app, Options& options) {
  Recipe& recipe = options.recipe;
  app.option_defaults()->always_capture_default();
  app.add_option("--network", recipe.network, fmt::format("One of {}", fmt::join(network_names(), ", ")));
  app.add_option("--dataset", recipe.dataset, fmt::format("One of {}", fmt::join(data::dataset_names(), ", ")));
  app.add_option("--data", recipe.data_folder, "Folder of the data sets; else $OBSCURA_DATA, else ./data");
  app.add_option("-o,--output", options.model, "The ONNX file to write; it must not exist")->required();
  app.add_option("--card", options.card, "Write what was measured, and the command, as Markdown; it must not exist");
  app.add_option("--epochs", recipe.epochs, "Passes over the training images");
  app.add_option("--batch-size", recipe.batch_size, "Images a step");
  app.add_option("--learning-rate", recipe.learning_rate, "Peak of the cosine schedule");
  app.add_option("--weight-decay", recipe.weight_decay, "Decoupled; keeps weights small, for fewer bits");
  app.add_option("--label-smoothing", recipe.label_smoothing, "Share of the target spread over all classes");
  app.add_option("--activation-range", recipe.activation_range,
                 "r: Swish is fitted on [-r, r], and larger pre-activations are penalised");
  app.add_option("--range-penalty", recipe.range_penalty, "Weight of that penalty");
  app.add_option("--average-decay", recipe.average_decay, "Moving average of the weights; 0 = none");
  app.add_option("--augmentation", recipe.augmentation, "Times rotation 15 degrees, zoom 0.1, shift 0.1; 0 = none");
  app.add_option("--elastic", recipe.elastic, "Pixels of a smooth random displacement; 0 = none");
  app.add_option("--seed", recipe.seed, "Decides weights, split, order and augmentation");
  app.add_option("--threads", recipe.threads, "0 = all cores");
  app.add_option("--limit", recipe.limit, "Use only the first images of each split")
      ->capture_default_str()
      ->default_str("all");
  app.add_flag("--json", options.json, "One JSON object on the last line of standard output");
  app.footer(
      "The epoch is chosen on a tenth of the training split, never on the test split.\n"
      "Example: obscura train --network mnist-square --epochs 20 -o my.onnx\n"
      "The ONNX file holds the weights: it belongs to whoever runs the server.");
}

/// One line on a terminal, redrawn; one line an epoch elsewhere.
class Display {
 public:
  Display() : terminal_(isatty(STDERR_FILENO) != 0) {}

  bool operator()(const Moment& moment) {
    const double share = static_cast<double>(moment.step) / static_cast<double>(moment.steps);
    const double left = share > 0 ? moment.seconds * (1 - share) / share : 0;
    if (terminal_ && (moment.epoch_ended || moment.seconds - drawn_ > 0.2)) {
      drawn_ = moment.seconds;
      const auto filled = static_cast<int>(share * kWidth);
      fmt::print(stderr, "\r[{:#<{}}{:.<{}}] epoch {}/{}  loss {:.4f}  validation {:.2f} %  {:.0f} s left \x1b[K", "",
                 filled, "", kWidth - filled, moment.epoch, moment.epochs, moment.training_loss,
                 100 * moment.validation_accuracy, left);
      std::fflush(stderr);
    } else if (!terminal_ && moment.epoch_ended) {
      fmt::print(stderr, "epoch {}/{}  loss {:.4f}  validation {:.2f} %  loss {:.4f}  {:.0f} s left\n", moment.epoch,
                 moment.epochs, moment.training_loss, 100 * moment.validation_accuracy, moment.validation_loss, left);
    }
    return !stopped.load();
  }
  void end() const {
    if (terminal_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  static constexpr int kWidth = 24;
  bool terminal_;
  double drawn_ = -1;
};

Result<void> run(const Options& options) {
  // Both files are opened before the long work, so that a place that cannot be written is known at once.
  OBSCURA_TRY(base::OutputFile model, base::OutputFile::create(options.model, {}));
  std::optional<base::OutputFile> card;
  if (!options.card.empty()) {
    OBSCURA_TRY(card, base::OutputFile::create(options.card, {}));
  }
  Display display;
  const auto outcome = train(options.recipe, std::ref(display));
  display.end();
  if (!outcome.ok()) return outcome.error();
  OBSCURA_TRY_VOID(model.write(nn::write_onnx(outcome->graph)));
  if (card) {
    const std::string name = std::filesystem::path(options.model).filename().string();
    const std::string text = to_card(options.recipe, *outcome, name, command_of(options.recipe, name));
    OBSCURA_TRY_VOID(card->write(base::as_bytes(text)));
    OBSCURA_TRY_VOID(card->commit());
  }
  OBSCURA_TRY_VOID(model.commit());
  fmt::print(stderr, "{}: epoch {} of {}; right on validation {} of {}, on test {} of {} ({:.2f} %); {:.0f} s\n",
             options.model, outcome->best_epoch, options.recipe.epochs, outcome->validation.correct,
             outcome->validation.images, outcome->test.correct, outcome->test.images, 100 * outcome->test.accuracy(),
             outcome->seconds);
  if (options.json) {
    nlohmann::json object = to_json(options.recipe, *outcome);
    object["model"] = options.model;
    fmt::print("{}\n", object.dump());
  }
  return {};
}

int main(int count, char** words) {
  CLI::App app("Trains a network with polynomial activations and writes it as ordinary ONNX.", "obscura train");
  Options options;
  if (const char* folder = std::getenv("OBSCURA_DATA"); folder != nullptr) options.recipe.data_folder = folder;
  define(app, options);
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? 0 : 2;
  }
  std::signal(SIGINT, [](int) { stopped = true; });
  std::signal(SIGTERM, [](int) { stopped = true; });
  const auto done = run(options);
  if (done.ok()) return 0;
  fmt::print(stderr, "obscura: {}\n", done.error().message);
  return 1;
}

}  // namespace
}  // namespace obscura::train

int main(int count, char** words) {
  // Every step frees what the next one needs again; handing it back to the system in between costs a quarter of the
  // time.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  try {
    return obscura::train::main(count, words);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "obscura: internal error: {}\n", problem.what());
    return 1;
  }
}
