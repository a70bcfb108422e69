// SPDX-License-Identifier: Apache-2.0
#include "cli/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "api/make_plan.h"
#include "ckks/params.h"
#include "cli/inference.h"
#include "cli/marks.h"
#include "cli/progress.h"
#include "cli/score.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "compile/answer.h"
#include "compile/compile.h"
#include "compile/predict.h"
#include "nn/onnx.h"
#include "wire/plan_frame.h"

namespace obscura::cli {
namespace {

constexpr std::size_t kDefaultBatch = 8192;
constexpr int kDefaultAlpha = 13;

/// What is evaluated: a network, a plan, or both.
struct Subject {
  std::optional<nn::Graph> graph;
  std::optional<wire::NamedPlan> plan;
  api::Settings settings;
  plan::AnswerSpec answer;
};

bool on_plan(const EvaluateOptions& options) { return options.backend == "clear" || options.backend == "ckks"; }

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
  const api::Normalization& given = options.settings.normalization;
  if (options.settings.answer) {
    return error(Code::wrong_params, "--answer: {} is a plan, which has its kind of answer in it", options.network);
  }
  if (!given.mean.empty() || !given.deviation.empty() || given.bgr) {
    return error(Code::wrong_params, "--mean, --deviation, --bgr: {} is a plan, which has its normalisation in it",
                 options.network);
  }
  if (!options.calibrate.empty()) {
    return error(Code::wrong_params, "--calibrate: {} is a plan, which was calibrated when it was made",
                 options.network);
  }
  if (!on_plan(options)) {
    return error(Code::unsupported, "--backend {}: {} is a plan; the float network is not in it: name the ONNX file",
                 options.backend, options.network);
  }
  return {};
}

Result<Subject> from_plan(const EvaluateOptions& options) {
  OBSCURA_TRY_VOID(check_plan(options));
  Subject subject;
  OBSCURA_TRY(subject.plan, wire::read_plan_file(options.network));
  const plan::InputSpec& input = subject.plan->plan.input;
  subject.settings.normalization = {input.mean, input.deviation, false};
  subject.answer = subject.plan->plan.output.answer;
  if (options.model.empty()) return subject;
  OBSCURA_TRY(subject.graph, nn::read_onnx_file(options.model, options.read));
  if (api::shape_of(*subject.graph) == api::shape_of(input)) return subject;
  return error(Code::wrong_params, "{}: takes images of {}, but {} those of {}", options.model,
               to_string(api::shape_of(*subject.graph)), options.network, to_string(api::shape_of(input)));
}

Result<Subject> from_network(const EvaluateOptions& options) {
  Subject subject;
  subject.settings = options.settings;
  OBSCURA_TRY(subject.graph, nn::read_onnx_file(options.network, options.read));
  const auto take = on_plan(options) ? api::take_metadata : api::take_normalization;
  OBSCURA_TRY_VOID(take(subject.settings, *subject.graph, options.network));
  OBSCURA_TRY(subject.answer,
              compile::answer_of(*subject.graph, subject.settings.answer, subject.settings.class_names));
  if (!on_plan(options)) return subject;
  OBSCURA_TRY_VOID(api::refuse_bgr(subject.settings.normalization));
  OBSCURA_TRY_VOID(api::prepare(subject.settings, *subject.graph, options.network, {}));
  return subject;
}

api::TrainingData training_of(const EvaluateOptions& options) {
  std::vector<std::string> names = options.calibrate;
  if (names.empty() && !options.selection.dataset.empty()) names.push_back(options.selection.dataset);
  return {names, options.selection.data};
}

/// Turns a network into a plan; of files without --calibrate wide margins are assumed, as `obscura compile` does.
Result<wire::NamedPlan> compile_plan(const EvaluateOptions& options, const Subject& subject, std::size_t images) {
  api::PlanJob job;
  job.training = training_of(options);
  job.calibration_images = options.calibration_images;
  job.options.batch = options.batch != 0 ? options.batch : static_cast<std::uint32_t>(std::min(images, kDefaultBatch));
  job.options.memory = options.memory == 0 ? server_memory_bytes() : options.memory;
  job.options.report = progress_bars();
  OBSCURA_TRY(plan::Plan plan, api::make_plan(subject.settings, *subject.graph, options.network, job));
  const wire::Digest digest = wire::frame_digest(wire::write_plan(plan));
  return wire::NamedPlan{std::move(plan), digest};
}

/// Images of the shape that it takes, with labels that it may answer.
Result<api::Images> find_images(const EvaluateOptions& options, const Subject& subject) {
  const plan::Plan* plan = subject.plan ? &subject.plan->plan : nullptr;
  const auto outputs = [&] {
    if (plan != nullptr) return std::size_t{plan->output.classes};
    return static_cast<std::size_t>(nn::element_count(subject.graph->values[subject.graph->output].shape));
  };
  const data::ImageShape shape = plan != nullptr ? api::shape_of(plan->input) : api::shape_of(*subject.graph);
  OBSCURA_TRY(api::Images images, api::Images::of(options.selection, shape, label_bound(subject.answer, outputs())));
  OBSCURA_TRY_VOID(check_classes(subject.answer, images, options.network));
  return images;
}

/// The backends but poly; `before` as in PlanOptions.
Result<Inference> infer(const EvaluateOptions& options, const Subject& subject, const api::Images& images,
                        const std::function<void(std::uint64_t)>& before) {
  const PlanOptions how{options.memory, options.noise_seed, before};
  if (options.backend == "clear") return infer_clear(subject.plan->plan, images, how);
  if (options.backend == "ckks") return infer_encrypted(*subject.plan, images, how);
  return infer_float(*subject.graph, images, subject.settings.normalization);
}

/// What the backend is compared with.
Result<Inference> infer_reference(const EvaluateOptions& options, const Subject& subject, const api::Images& images) {
  if (subject.graph) return infer_float(*subject.graph, images, subject.settings.normalization);
  return infer_clear(subject.plan->plan, images, {options.memory, {}, {}});
}

void describe_plan(nlohmann::ordered_json& json, const Subject& subject) {
  json["ring_degree"] = nullptr;
  json["log2_qp"] = nullptr;
  json["limbs"] = nullptr;
  json["predicted_logit_error_std"] = nullptr;
  json["predicted_seconds"] = nullptr;
  if (!subject.plan) return;
  const plan::Plan& plan = subject.plan->plan;
  json["ring_degree"] = std::uint64_t{1} << plan.params.log2_degree;
  json["log2_qp"] = ckks::log2_qp(plan.params);
  json["limbs"] = plan.input.limbs;
  json["predicted_logit_error_std"] = plan.output.error_std;
  json["predicted_seconds"] = compile::seconds_here(plan);
}

std::string text_of(const EvaluateOptions& options, std::size_t images, const Marks& marks,
                    const LogitError& difference, const Inference& inference) {
  const auto& seconds = inference.seconds;
  return fmt::format("{} of {}, backend {}\n", api::plural(images, "image"), options.selection.text(),
                     options.backend) +
         marks.text +
         fmt::format(
             "  logit error        {}\n"
             "  time               keygen {:.2f} s, encrypt {:.2f} s, run {:.2f} s ({:.3f} ms an image), "
             "decrypt {:.2f} s\n"
             "  peak memory        {:.2f} GB",
             to_text(difference, images), seconds.keygen, seconds.encrypt, seconds.run,
             1000 * seconds.run / static_cast<double>(images), seconds.decrypt,
             static_cast<double>(peak_memory_bytes()) / 1e9);
}

/// "dataset" and "split", or null and the files.
void describe_images(nlohmann::ordered_json& json, const EvaluateOptions& options, const api::Images& images) {
  const api::Selection& selection = options.selection;
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

Answer summarise(const EvaluateOptions& options, const Subject& subject, const api::Images& images,
                 const std::vector<std::uint16_t>& labels, const Inference& inference, const Inference& reference) {
  const std::size_t count = images.count();
  const std::size_t outputs = inference.logits.size() / count;
  const Marks marks = mark(
      subject.answer,
      {outputs, inference.logits, reference.logits, subject.graph ? "float network" : "plaintext simulator"}, labels);
  const LogitError difference = compare_logits(inference.logits, reference.logits, outputs);
  const auto& seconds = inference.seconds;
  Answer answer;
  answer.json = {{"images", count}, {"network", options.network}};
  describe_images(answer.json, options, images);
  answer.json["answer"] = plan::to_string(subject.answer.kind);
  answer.json.update(marks.json);
  add_logit_error(answer.json, difference);
  answer.json.update(
      {{"seconds",
        {{"keygen", seconds.keygen}, {"encrypt", seconds.encrypt}, {"run", seconds.run}, {"decrypt", seconds.decrypt}}},
       {"milliseconds_per_image", 1000 * seconds.run / static_cast<double>(count)},
       {"peak_memory_bytes", peak_memory_bytes()}});
  describe_plan(answer.json, subject);
  answer.json["batches"] = inference.batches;
  answer.json["backend"] = options.backend;
  answer.json["reference"] = subject.graph ? "float" : "clear";
  answer.json["from_file"] = subject.settings.from_file;
  if (options.predictions && !marks.predictions.empty()) answer.json["labels"] = marks.predictions;
  if (options.predictions && images.of_files()) answer.json["files"] = names_of(images);
  answer.text = text_of(options, count, marks, difference, inference);
  return answer;
}

/// The network as an ONNX file on polynomials, beside itself in floating point.
Result<Answer> perform_poly(const EvaluateOptions& options, const Subject& subject, const api::Images& source) {
  api::PolynomialChoice asked = options.choice;
  if (!asked.precise()) asked.alpha = kDefaultAlpha;
  if (asked.alpha) OBSCURA_TRY_VOID(check_alpha(*asked.alpha));
  OBSCURA_TRY_VOID(check_options(options.polynomials));
  const api::TrainingData training = training_of(options);
  if (training.none()) {
    return error(Code::wrong_params, "--backend poly: with --images, --calibrate names the training images");
  }
  OBSCURA_TRY(const data::Dataset images, source.read(0, source.count()));
  const std::vector<float> pixels = api::normalise(images, subject.settings.normalization);
  PolynomialOptions how = options.polynomials;
  how.ranges.images = options.calibration_images;
  how.noise_seed = options.noise_seed.value_or(how.noise_seed);
  OBSCURA_TRY(calibrate::Chooser polynomials,
              api::make_chooser(*subject.graph, training, subject.settings.normalization, how.ranges, progress_bars()));
  OBSCURA_TRY(const calibrate::Choice choice, api::choose(polynomials, asked));
  OBSCURA_TRY(const PolynomialInference result, infer_poly(*subject.graph, choice, pixels, images.count(), how));
  OBSCURA_TRY(const Inference reference, infer_float(*subject.graph, pixels, images.count()));
  Answer answer = summarise(options, subject, source, images.labels, result.inference, reference);
  answer.json["polynomials"] = describe(*subject.graph, choice, result);
  answer.text += fmt::format(
      "\n  polynomials        {}, {} levels in all, {:.4g} products an image; predicted logit error {:.3g} (rms of the "
      "image)\n  outside            {} of {} arguments left their interval",
      api::plural(choice.chosen.size(), "activation"), choice.depth(), choice.products(), choice.logit_error,
      result.outside(), result.arguments());
  return answer;
}

}  // namespace

Result<Answer> evaluate(const EvaluateOptions& options, bool json) {
  OBSCURA_TRY(const bool is_plan, is_frame(options.network));
  OBSCURA_TRY(Subject subject, is_plan ? from_plan(options) : from_network(options));
  OBSCURA_TRY(const api::Images images, find_images(options, subject));
  if (options.backend == "poly") return perform_poly(options, subject, images);
  if (on_plan(options) && !is_plan) {
    OBSCURA_TRY(subject.plan, compile_plan(options, subject, images.count()));
  }
  std::optional<std::uint64_t> needed;
  const auto before = [&](std::uint64_t bytes) {
    needed = bytes;
    note(fmt::format("{}: {}", api::plural(images.count(), "image"), memory_text(bytes, options.memory)), json);
  };
  OBSCURA_TRY(const Inference inference, infer(options, subject, images, before));
  std::optional<Inference> other;  // the float network is its own reference
  if (on_plan(options)) {
    OBSCURA_TRY(other, infer_reference(options, subject, images));
  }
  Answer answer = summarise(options, subject, images, inference.labels, inference, other ? *other : inference);
  if (needed) answer.json["predicted_memory_bytes"] = *needed;
  return answer;
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
      "error\nbeside the labels. " +
      explain_score();
  teach(command, explanation.c_str(),
        "obscura evaluate models/mnist-swish4.onnx --dataset mnist --split test --limit 8192 --backend ckks --json",
        "It writes no file. Both sides run here, so use it to measure, not to serve.");
  auto options = std::make_shared<EvaluateOptions>();
  command.add_option("NETWORK", options->network, "ONNX file or plan")->required();
  add_selection(command, options->selection);
  add_calibrate(command, options->calibrate,
                "Training images that give the ranges: a data set's name, or a file or folder; may be given again "
                "(default: those of --dataset)");
  command.add_option("--backend", options->backend, "float, poly, clear or ckks")
      ->check(CLI::IsMember({"float", "poly", "clear", "ckks"}))
      ->capture_default_str();
  command.add_option("--model", options->model, "For a plan: the ONNX file that it was compiled from");
  add_memory(command, options->memory);
  command.add_option("--batch", options->batch, "Batch to compile for (default: the images, at most 8192)");
  command.add_option("--calibration-images", options->calibration_images,
                     "Training images that give the ranges (default: 256; backend poly: 10000)");
  command.add_option("--alpha", options->choice.alpha, "Backend poly: precision of all polynomials (default: 13)");
  command.add_option("--depth", options->choice.depth, "Backend poly: levels that all activations may take together")
      ->excludes("--alpha");
  command
      .add_option("--products", options->choice.products,
                  "Backend poly: products of ciphertexts that all activations of one image may take together")
      ->excludes("--alpha")
      ->excludes("--depth");
  add_polynomial_options(command, options->polynomials);
  add_settings(command, options->settings);
  command.add_option("--noise-seed", options->noise_seed,
                     "Backend clear: add noise of the predicted size; backend poly: the seed of --noise");
  command.add_flag("--predictions", options->predictions, "Add the predicted labels to the JSON, and the files' names");
  add_normalization(command, options->settings.normalization);
  add_bgr(command, options->settings.normalization);
  add_read_options(command, options->read);
  return [options, &command, &common]() -> Result<Answer> {
    OBSCURA_TRY_VOID(refuse_restricted(command, options->backend));
    return evaluate(*options, common.json);
  };
}

}  // namespace obscura::cli
