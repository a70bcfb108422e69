// SPDX-License-Identifier: Apache-2.0
/// obscura-train: what `obscura train` starts.
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "base/files.h"
#include "nn/onnx.h"
#include "train/card.h"
#include "train/curve.h"
#include "train/layers.h"
#include "train/train.h"

namespace obscura::train {
namespace {

std::atomic<bool> stopped{false};

struct Arguments {
  std::string recipe;
  Overrides overrides;
  Options options;
  std::string model;
  bool check = false;
  bool json = false;
};

void define(CLI::App& app, Arguments& arguments) {
  Options& options = arguments.options;
  app.add_option("RECIPE", arguments.recipe, "TOML file; docs/TRAINING.md explains its keys, models/recipes/ has some")
      ->required();
  app.add_option("-o,--out", arguments.model,
                 "The ONNX file to write; it must not exist, as X.md (the card) and X.png (the curve) beside it");
  app.add_flag("--check", arguments.check, "Only read the recipe and print its layers, parameters and multiplications");
  app.add_flag(
      "--resume", options.resume,
      "Go on from X.checkpoint, which is written after each epoch and removed at the end; where there is none, "
      "from the start");
  app.add_option("--seed", arguments.overrides.seed, "In place of the recipe's training.seed");
  app.add_option("--epochs", arguments.overrides.epochs, "In place of the recipe's training.epochs")
      ->check(CLI::Range(1, 100000));
  app.add_option("--teacher", arguments.overrides.teacher, "In place of the recipe's teacher.model");
  app.add_option("--limit", options.limit, "Use only the first images of each split, for a try");
  app.add_option("--data", options.data_folder, "Folder of the data sets; else $OBSCURA_DATA, else ./data");
  app.add_option("--device", options.device, "auto, cpu or cuda")->capture_default_str();
  app.add_option("--threads", options.threads, "0 = all cores")->capture_default_str();
  app.add_flag("--json", arguments.json, "One JSON object on the last line of standard output");
  app.footer(
      "The epoch is chosen on images held out of the training split, never on the test split.\n"
      "Example: obscura train models/recipes/mnist-square.toml -o my.onnx\n"
      "The ONNX file holds the weights: it belongs to whoever runs the server.");
}

std::string clock_text(double seconds) {
  const long whole = std::lround(seconds);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

/// One line on a terminal, redrawn; one line an epoch elsewhere.
class Display {
 public:
  Display() : terminal_(isatty(STDERR_FILENO) != 0) {}

  bool operator()(const Moment& moment) {
    const auto done = static_cast<double>(moment.step - moment.first_step);
    const auto all = static_cast<double>(moment.steps - moment.first_step);
    const double share = static_cast<double>(moment.step) / static_cast<double>(moment.steps);
    const std::string left = done > 0 ? clock_text(moment.seconds * (all - done) / done) : "-:--";
    if (terminal_ && (moment.epoch_ended || moment.seconds - drawn_ > 0.2)) {
      drawn_ = moment.seconds;
      const auto filled = static_cast<int>(share * kWidth);
      fmt::print(stderr, "\r[{:=<{}}{: <{}}] epoch {}/{}  loss {:.4f}  validation {:.2f} %  ETA {}\x1b[K", "", filled,
                 "", kWidth - filled, moment.epoch, moment.epochs, moment.training_loss,
                 100 * moment.validation_accuracy, left);
      std::fflush(stderr);
    } else if (!terminal_ && moment.epoch_ended) {
      fmt::print(stderr, "epoch {}/{}  loss {:.4f}  validation {:.2f} %  loss {:.4f}  ETA {}\n", moment.epoch,
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

Result<void> check(const Arguments& arguments, const Recipe& recipe) {
  OBSCURA_TRY(const std::vector<Step> steps, expand(recipe));
  fmt::print(stderr, "{}", describe(recipe, steps));
  if (!arguments.json) return {};
  nlohmann::json object = {
      {"name", recipe.name}, {"dataset", recipe.data.set}, {"parameters", 0}, {"multiplications", 0}};
  std::int64_t parameters = 0;
  std::int64_t multiplications = 0;
  for (const Step& step : steps) {
    parameters += step.parameters;
    multiplications += step.multiplications;
  }
  object["parameters"] = parameters;
  object["multiplications"] = multiplications;
  fmt::print("{}\n", object.dump());
  return {};
}

/// The command line that gives the same again.
std::string command_of(const Arguments& arguments, const std::string& model) {
  std::string out = fmt::format("obscura train {}", arguments.recipe);
  const Overrides& overrides = arguments.overrides;
  if (overrides.seed) out += fmt::format(" --seed {}", *overrides.seed);
  if (overrides.epochs) out += fmt::format(" --epochs {}", *overrides.epochs);
  if (overrides.teacher) out += fmt::format(" --teacher {}", overrides.teacher->string());
  if (arguments.options.limit != data::kAll) out += fmt::format(" --limit {}", arguments.options.limit);
  return out + " -o " + model;
}

Result<void> run(Arguments& arguments) {
  OBSCURA_TRY(const Recipe recipe, read_recipe(arguments.recipe, arguments.overrides));
  if (arguments.check) return check(arguments, recipe);
  if (arguments.model.empty()) return error(Code::io, "no output: -o MODEL.onnx says where the network is written");
  const std::filesystem::path path = arguments.model;
  const auto beside = [&](const char* ending) { return std::filesystem::path(path).replace_extension(ending); };
  // A place that cannot be written is known before the long work; nothing is left open through it, so that a run that
  // is killed leaves its checkpoint alone.
  for (const std::filesystem::path& file : {path, beside(".md"), beside(".png")}) {
    if (const auto place = base::OutputFile::create(file, {}); !place.ok()) return place.error();
  }
  arguments.options.checkpoint = beside(".checkpoint");
  Display display;
  const auto outcome = train(recipe, arguments.options, std::ref(display));
  display.end();
  if (!outcome.ok()) return outcome.error();
  const std::string name = path.filename().string();
  const std::string text = to_card(recipe, *outcome, name, command_of(arguments, name));
  OBSCURA_TRY_VOID(base::write_file(beside(".png"), draw_curve(recipe.name, *outcome), {}));
  OBSCURA_TRY_VOID(base::write_file(beside(".md"), base::as_bytes(text), {}));
  OBSCURA_TRY_VOID(base::write_file(path, nn::write_onnx(outcome->graph), {}));
  std::error_code gone;
  std::filesystem::remove(arguments.options.checkpoint, gone);
  fmt::print(stderr, "{}: epoch {} of {}; right on validation {} of {}, on test {} of {} ({:.2f} %); {:.0f} s\n",
             arguments.model, outcome->best_epoch, outcome->history.size(), outcome->validation.correct,
             outcome->validation.images, outcome->test.correct, outcome->test.images, 100 * outcome->test.accuracy(),
             outcome->seconds);
  if (arguments.json) {
    nlohmann::json object = to_json(recipe, *outcome);
    object["model"] = arguments.model;
    fmt::print("{}\n", object.dump());
  }
  return {};
}

int main(int count, char** words) {
  CLI::App app("Trains a network by a recipe and writes it as ordinary ONNX.", "obscura train");
  Arguments arguments;
  if (const char* folder = std::getenv("OBSCURA_DATA"); folder != nullptr) arguments.options.data_folder = folder;
  define(app, arguments);
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? 0 : 2;
  }
  std::signal(SIGINT, [](int) { stopped = true; });
  std::signal(SIGTERM, [](int) { stopped = true; });
  const auto done = run(arguments);
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
