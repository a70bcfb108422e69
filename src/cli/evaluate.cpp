// SPDX-License-Identifier: Apache-2.0
#include "cli/evaluate.h"

#include <fmt/format.h>

#include <algorithm>

#include "ckks/params.h"
#include "cli/marks.h"
#include "cli/options.h"
#include "cli/polynomials.h"
#include "cli/progress.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "compile/predict.h"

namespace obscura::cli {
namespace {

constexpr int kDefaultAlpha = 13;

api::Backend backend_of(const std::string& name) {
  if (name == "float") return api::Backend::floats;
  if (name == "poly") return api::Backend::polynomials;
  return name == "clear" ? api::Backend::clear : api::Backend::ckks;
}

/// An option that some backends only know what to do with.
struct Restricted {
  const char* option;
  std::vector<std::string> backends;
};

/// errors: an option that the backend would not look at.
Result<void> refuse_restricted(const CLI::App& command, const std::string& backend) {
  static const std::vector<Restricted> kRestricted = {{"--alpha", {"poly"}},
                                                      {"--depth", {"poly"}},
                                                      {"--products", {"poly"}},
                                                      {"--ranges", {"poly"}},
                                                      {"--margin", {"poly"}},
                                                      {"--noise", {"poly"}},
                                                      {"--noise-seed", {"poly", "clear"}},
                                                      {"--calibration-images", {"poly", "clear", "ckks"}},
                                                      {"--calibrate", {"poly", "clear", "ckks"}},
                                                      {"--batch", {"clear", "ckks"}},
                                                      {"--max-error", {"clear", "ckks"}},
                                                      {"--headroom", {"clear", "ckks"}},
                                                      {"--class-names", {"clear", "ckks"}},
                                                      {"--memory", {"clear", "ckks"}}};
  for (const Restricted& one : kRestricted) {
    if (command.count(one.option) == 0) continue;
    if (std::find(one.backends.begin(), one.backends.end(), backend) != one.backends.end()) continue;
    return error(Code::wrong_params, "{}: means nothing to --backend {}; it is for {}", one.option, backend,
                 fmt::join(one.backends, ", "));
  }
  return {};
}

/// errors: options that a plan has no use for.
Result<void> check_plan(const EvaluateOptions& options) {
  const api::Normalization& given = options.job.settings.normalization;
  if (options.job.settings.answer) {
    return error(Code::wrong_params, "--answer: {} is a plan, which has its kind of answer in it", options.network);
  }
  if (!given.mean.empty() || !given.std.empty() || given.standardise || given.bgr) {
    return error(Code::wrong_params,
                 "--mean, --std, --standardise, --bgr: {} is a plan, which has its normalisation in it",
                 options.network);
  }
  if (!options.calibrate.empty()) {
    return error(Code::wrong_params, "--calibrate: {} is a plan, which was calibrated when it was made",
                 options.network);
  }
  if (!api::takes_plan(backend_of(options.backend))) {
    return error(Code::unsupported, "--backend {}: {} is a plan; the float network is not in it: name the ONNX file",
                 options.backend, options.network);
  }
  return {};
}

/// What polynomials are chosen by, and the noise on them.
Result<void> take_polynomials(const EvaluateOptions& options, api::EvaluationJob& job) {
  api::PolynomialChoice& asked = job.making.polynomials;
  if (!asked.precise()) asked.alpha = kDefaultAlpha;
  if (asked.alpha) OBSCURA_TRY_VOID(check_alpha(*asked.alpha));
  OBSCURA_TRY_VOID(check_margin(job.making.ranges.margin));
  OBSCURA_TRY(job.noise, parse_noise(options.noise, options.noise_seed.value_or(1)));
  job.making.ranges.images = options.calibration_images;
  if (!job.making.training.none()) return {};
  return error(Code::wrong_params, "--backend poly: with --images, --calibrate names the training images");
}

Result<api::EvaluationJob> job_of(const EvaluateOptions& options) {
  api::EvaluationJob job = options.job;
  OBSCURA_TRY(const bool is_plan, is_frame(options.network));
  if (is_plan) OBSCURA_TRY_VOID(check_plan(options));
  (is_plan ? job.plan : job.network) = options.network;
  if (is_plan) job.network = options.model;
  job.backend = backend_of(options.backend);
  job.making.training = training_of(options.calibrate, job.selection);
  job.making.options.memory = job.memory == 0 ? server_memory_bytes() : job.memory;
  job.making.options.report = progress_bars();
  if (job.backend == api::Backend::polynomials) {
    OBSCURA_TRY_VOID(take_polynomials(options, job));
  } else {
    job.making.calibration_images = options.calibration_images;
    job.noise_seed = options.noise_seed;
  }
  return job;
}

void describe_plan(nlohmann::ordered_json& json, const std::optional<wire::NamedPlan>& named,
                   const kernels::Kernels& kernels) {
  json["ring_degree"] = nullptr;
  json["log2_qp"] = nullptr;
  json["limbs"] = nullptr;
  json["predicted_logit_error_std"] = nullptr;
  json["predicted_seconds"] = nullptr;
  if (!named) return;
  const plan::Plan& plan = named->plan;
  json["ring_degree"] = std::uint64_t{1} << plan.params.log2_degree;
  json["log2_qp"] = ckks::log2_qp(plan.params);
  json["limbs"] = plan.input.limbs;
  json["predicted_logit_error_std"] = plan.output.error_std;
  json["predicted_seconds"] = compile::seconds_here(plan, kernels);
}

std::string text_of(const EvaluateOptions& options, const api::Evaluation& result, const std::string& marks) {
  const std::size_t images = result.images.count();
  const auto& seconds = result.inference.seconds;
  std::string text = fmt::format("{} of {}, backend {}\n{}", api::plural(images, "image"), result.images.source(),
                                 options.backend, marks) +
                     fmt::format(
                         "  logit error        {}\n"
                         "  time               keygen {:.2f} s, encrypt {:.2f} s, run {:.2f} s ({:.3f} ms per image), "
                         "decrypt {:.2f} s\n"
                         "  peak memory        {:.2f} GB",
                         to_text(result.marks.error, images), seconds.keygen, seconds.encrypt, seconds.run,
                         1000 * seconds.run / static_cast<double>(images), seconds.decrypt,
                         static_cast<double>(peak_memory_bytes()) / 1e9);
  if (!result.polynomials) return text;
  const calibrate::Choice& choice = result.choice;
  return text + fmt::format(
                    "\n  polynomials        {}, {} levels in all, {:.4g} products an image; predicted logit error "
                    "{:.3g} (rms of the image)\n  outside            {} of {} arguments left their interval",
                    api::plural(choice.chosen.size(), "activation"), choice.depth(), choice.products(),
                    choice.logit_error, result.polynomials->outside(), result.polynomials->arguments());
}

/// "dataset" and "split", or null and the files.
void describe_images(nlohmann::ordered_json& json, const api::Selection& selection, const api::Images& images) {
  json["dataset"] = nullptr;
  json["split"] = nullptr;
  if (images.of_files()) {
    json["images_from"] = selection.files;
  } else {
    json["dataset"] = selection.dataset;
    json["split"] = selection.split;
  }
  json["first"] = selection.first;
}

nlohmann::ordered_json names_of(const api::Images& images) {
  auto names = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < images.count(); ++i) names.push_back(images.name(i));
  return names;
}

Answer summarise(const EvaluateOptions& options, const api::Evaluation& result) {
  const std::size_t count = result.images.count();
  const MarksReport marks = describe(result.marks, result.graph ? "float network" : "plaintext simulator");
  const auto& seconds = result.inference.seconds;
  Answer answer;
  answer.json = {{"images", count}, {"network", options.network}};
  describe_images(answer.json, options.job.selection, result.images);
  answer.json["answer"] = plan::to_string(result.answer.kind);
  answer.json.update(marks.json);
  add_logit_error(answer.json, result.marks.error);
  answer.json.update(
      {{"seconds",
        {{"keygen", seconds.keygen}, {"encrypt", seconds.encrypt}, {"run", seconds.run}, {"decrypt", seconds.decrypt}}},
       {"milliseconds_per_image", 1000 * seconds.run / static_cast<double>(count)},
       {"peak_memory_bytes", peak_memory_bytes()}});
  describe_plan(answer.json, result.plan, options.job.resources->kernels());
  answer.json["batches"] = result.inference.batches;
  answer.json["backend"] = options.backend;
  answer.json["reference"] = result.graph ? "float" : "clear";
  answer.json["from_file"] = result.settings.from_file;
  if (options.predictions && !marks.predictions.empty()) answer.json["labels"] = marks.predictions;
  if (options.predictions && result.images.of_files()) answer.json["files"] = names_of(result.images);
  if (result.memory) answer.json["predicted_memory_bytes"] = *result.memory;
  if (result.polynomials) answer.json["polynomials"] = describe(*result.graph, result.choice, *result.polynomials);
  answer.text = text_of(options, result, marks.text);
  return answer;
}

/// What polynomials are chosen by.
void add_choice(CLI::App& command, EvaluateOptions& options) {
  command.add_option("--calibration-images", options.calibration_images,
                     "Training images that give the ranges (default: 256; backend poly: 10000)");
  command.add_option("--alpha", options.job.making.polynomials.alpha,
                     "Backend poly: precision of all polynomials (default: 13)");
  command
      .add_option("--depth", options.job.making.polynomials.depth,
                  "Backend poly: levels that all activations may take together")
      ->excludes("--alpha");
  command
      .add_option("--products", options.job.making.polynomials.products,
                  "Backend poly: products of ciphertexts that all activations of one image may take together")
      ->excludes("--alpha")
      ->excludes("--depth");
  add_polynomial_options(command, options.job.making.ranges, options.noise);
}

}  // namespace

Result<Answer> evaluate(const EvaluateOptions& options, bool json) {
  OBSCURA_TRY(api::EvaluationJob job, job_of(options));
  job.before = [&](std::size_t images, std::uint64_t bytes) {
    note(fmt::format("{}: {}", api::plural(images, "image"), memory_text(bytes, options.job.memory)), json);
  };
  OBSCURA_TRY(const api::Evaluation result, api::evaluate(job));
  return summarise(options, result);
}

Action define_evaluate(CLI::App& command, const Common& common) {
  const std::string explanation =
      "Runs images of a data set, or one's own, through a network and measures accuracy, agreement with the float "
      "network, "
      "precision,\n"
      "time and memory. Backends: float (the network as it is), poly (floats with each activation and max-pooling\n"
      "replaced by minimax polynomials: one --alpha for all, or the best degrees for each layer within --depth or\n"
      "--products), clear (the plan on plain numbers, weights rounded), ckks (the plan on ciphertexts, with fresh\n"
      "keys, all in this process). For clear and ckks an ONNX file is compiled first. Ranges of values come from\n"
      "training images: those of the data set, or of --calibrate.\n"
      "Images are read from disk a batch at a time, so that memory does not grow with their number (poly holds all).\n"
      "Labels of --images come from an archive, CIFAR's binary files, the names of folders, or --labels; without any "
      "there\n"
      "is no accuracy, but all the rest.\n"
      "The float network is not in a plan: agreement and errors are then against the plaintext simulator, unless "
      "--model "
      "names it.\n"
      "Answers that are several labels have no accuracy here, since images have one label each: `agreement` is then "
      "the\nshare of images with the same labels; values have their errors alone, and one value its mean absolute "
      "error\nto the labels. " +
      explain_score();
  teach(command, explanation.c_str(),
        "obscura evaluate models/mnist-swish4.onnx --dataset mnist --split test --limit 8192 --backend ckks --json",
        "It writes no file. Both sides run here, so use it to measure, not to serve.");
  auto options = std::make_shared<EvaluateOptions>();
  options->job.making.options.batch = 0;
  command.add_option("NETWORK", options->network, "ONNX file or plan")->required();
  add_selection(command, options->job.selection);
  add_calibrate(command, options->calibrate,
                "Training images that give the ranges: a data set's name, or a file or folder; may be given again "
                "(default: those of --dataset)");
  command.add_option("--backend", options->backend, "float, poly, clear or ckks")
      ->check(CLI::IsMember({"float", "poly", "clear", "ckks"}))
      ->capture_default_str();
  command.add_option("--model", options->model, "For a plan: the ONNX file that it was compiled from");
  add_memory(command, options->job.memory);
  command.add_option("--batch", options->job.making.options.batch,
                     "Batch to compile for (default: the images, at most 16384)");
  add_choice(command, *options);
  add_settings(command, options->job.settings);
  command.add_option("--noise-seed", options->noise_seed,
                     "Backend clear: add noise of the predicted size; backend poly: the seed of --noise");
  command.add_flag("--predictions", options->predictions, "Add the predicted labels to the JSON, and the files' names");
  add_normalization(command, options->job.settings.normalization);
  add_bgr(command, options->job.settings.normalization);
  add_read_options(command, options->job.read);
  return [options, &command, &common]() -> Result<Answer> {
    OBSCURA_TRY_VOID(refuse_restricted(command, options->backend));
    options->job.resources = common.resources();
    return evaluate(*options, common.json);
  };
}

}  // namespace obscura::cli
