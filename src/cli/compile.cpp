// SPDX-License-Identifier: Apache-2.0
#include "compile/compile.h"

#include <fmt/format.h>

#include "api/images.h"
#include "api/make_plan.h"
#include "base/files.h"
#include "cli/answers.h"
#include "cli/options.h"
#include "cli/polynomials.h"
#include "cli/progress.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "nn/onnx.h"
#include "wire/plan_frame.h"

namespace obscura::cli {
namespace {

struct CompileOptions {
  std::string model;
  nn::ReadOptions read;
  std::string output;
  std::string data;
  std::string layout = "auto";
  std::string ring = "auto";
  std::vector<std::string> calibrate;
  api::Settings settings;
  api::PlanJob job;
  bool passes = false;
  std::string dump_after;
};

compile::LayoutChoice layout_of(const std::string& name) {
  if (name == "image") return compile::LayoutChoice::image;
  return name == "batch" ? compile::LayoutChoice::batch : compile::LayoutChoice::automatic;
}

std::optional<ckks::RingType> ring_of(const std::string& name) {
  for (const auto ring : {ckks::RingType::standard, ckks::RingType::conjugate_invariant}) {
    if (name == ckks::name_of(ring)) return ring;
  }
  return std::nullopt;
}

nlohmann::ordered_json passes_json(const compile::Passes& passes) {
  auto out = nlohmann::ordered_json::array();
  for (std::size_t k = 0; k < compile::kPasses; ++k) {
    const auto pass = static_cast<compile::Pass>(k);
    const compile::Passes::Record& record = passes[pass];
    if (record.runs == 0) continue;
    out.push_back({{"pass", compile::name_of(pass)},
                   {"runs", record.runs},
                   {"seconds", record.seconds},
                   {"size", record.size},
                   {"of", record.unit}});
  }
  return out;
}

/// One line for each pass that ran.
std::string passes_text(const compile::Passes& passes) {
  std::string out = fmt::format("{:12}{:>8}{:>11}  {}\n", "pass", "runs", "seconds", "gave to the plan");
  for (std::size_t k = 0; k < compile::kPasses; ++k) {
    const auto pass = static_cast<compile::Pass>(k);
    const compile::Passes::Record& record = passes[pass];
    if (record.runs == 0) continue;
    const std::string size = record.unit.empty() ? "-" : fmt::format("{} {}", record.size, record.unit);
    out += fmt::format("{:12}{:>8}{:>11.3f}  {}\n", compile::name_of(pass), record.runs, record.seconds, size);
  }
  return out;
}

/// What --passes and --dump-after ask for.
void answer_passes(const CompileOptions& options, const compile::Passes& passes, Answer& answer) {
  if (options.passes) {
    answer.json["passes"] = passes_json(passes);
    fmt::print(stderr, "{}", passes_text(passes));
  }
  if (!passes.dump()) return;
  answer.json["dump"] = *passes.dump();
  answer.text = *passes.dump() + answer.text;
}

/// What can be told before anything is read.
Result<void> check(const CompileOptions& options) {
  OBSCURA_TRY_VOID(refuse_existing(options.output));
  OBSCURA_TRY_VOID(check_margin(options.job.ranges.margin));
  if (options.job.polynomials.alpha) OBSCURA_TRY_VOID(check_alpha(*options.job.polynomials.alpha));
  if (!options.job.polynomials.precise() || !options.calibrate.empty()) return {};
  return error(Code::wrong_params,
               "--alpha, --depth, --products: --calibrate names the training images that they are chosen by");
}

Result<Answer> perform(const CompileOptions& options) {
  const api::Stopwatch watch;
  OBSCURA_TRY_VOID(check(options));
  OBSCURA_TRY(const nn::Graph graph, nn::read_onnx_file(options.model, options.read));
  api::Settings settings = options.settings;
  api::PlanJob job = options.job;
  job.training = api::training_of(options.calibrate, data_folder(options.data));
  job.options.layout = layout_of(options.layout);
  job.options.ring = ring_of(options.ring);
  if (job.options.memory == 0) job.options.memory = server_memory_bytes();
  job.options.report = progress_bars();
  compile::Passes passes(compile::pass_named(options.dump_after));
  if (options.passes || !options.dump_after.empty()) job.options.passes = &passes;
  OBSCURA_TRY_VOID(api::prepare(settings, graph, options.model, job));
  OBSCURA_TRY(const plan::Plan plan, api::make_plan(settings, graph, options.model, job));
  if (!options.dump_after.empty() && !passes.dump()) {
    return error(Code::wrong_params, "--dump-after {}: {} did not need that pass", options.dump_after, options.model);
  }
  OBSCURA_TRY_VOID(base::write_file(options.output, wire::write_plan(plan), {}));
  Answer answer;
  answer.json = {{"network", plan.name},
                 {"plan", options.output},
                 {"batch", plan.batch},
                 {"layout", plan::is_batch(plan) ? "batch" : "image"},
                 {"images_at_once", plan.images_at_once()},
                 {"ring", ckks::name_of(plan.params.ring)},
                 {"ring_degree", std::uint64_t{1} << plan.params.log2_degree},
                 {"log2_qp", ckks::log2_qp(plan.params)},
                 {"limbs", plan.input.limbs},
                 {"steps", plan.steps.size()},
                 {"predicted_seconds", plan.predicted_seconds},
                 {"memory_bytes", job.options.memory},
                 {"predicted_memory_bytes", plan.predicted_bytes},
                 {"kept_bytes", plan.kept_bytes},
                 {"predicted_logit_error_std", plan.output.error_std},
                 {"answer", answer_json(plan.output.answer)},
                 {"from_file", settings.from_file},
                 {"reasons", plan.reasons},
                 {"seconds", watch.seconds()},
                 {"peak_memory_bytes", peak_memory_bytes()}};
  answer.text = fmt::format("{}: plan of {} steps for {} at a time in {}\n", options.output, plan.steps.size(),
                            api::plural(plan.images_at_once(), "image"), plan.name);
  answer.text += fmt::format("  To run it {}.\n", memory_text(plan.predicted_bytes, job.options.memory));
  answer.text += fmt::format("  Answer: {}.\n", plan::describe(plan.output.answer, plan.output.classes));
  if (!settings.from_file.empty()) {
    answer.text += fmt::format("  From the network's file: {}.\n", fmt::join(settings.from_file, ", "));
  }
  for (const std::string& reason : plan.reasons) answer.text += "  " + reason + "\n";
  answer_passes(options, passes, answer);
  return answer;
}

/// What stands for functions and maxima.
void add_approximation(CLI::App& command, api::PlanJob& job) {
  CLI::Option* alpha = command.add_option(
      "--alpha", job.polynomials.alpha,
      "Polynomials for ReLU and other functions, each within bound * 2^-ALPHA (default: the cheapest within "
      "--max-loss)");
  command
      .add_option("--depth", job.polynomials.depth,
                  "Polynomials of the best degrees for each layer: levels that all activations may take together")
      ->excludes("--alpha");
  command
      .add_option("--products", job.polynomials.products,
                  "The same: products of ciphertexts that all activations of one image may take together")
      ->excludes("--alpha")
      ->excludes("--depth");
  command
      .add_option(
          "--max-loss", job.polynomials.max_loss,
          "Share of the training images whose answer polynomials may change (default: 0.002, or where none are so "
          "precise up to about 0.01, which the plan says)")
      ->check(CLI::Range(0.0, 1.0))
      ->excludes(alpha)
      ->excludes("--depth")
      ->excludes("--products");
  command.add_option("--ranges", job.ranges.file,
                     "Ranges of the activations, a file of `obscura calibrate` (default: measure them)");
  command
      .add_option("--margin", job.ranges.margin,
                  "Polynomials hold this much beyond the calibrated extremes, a share of the largest argument")
      ->capture_default_str();
}

}  // namespace

Action define_compile(CLI::App& command, const Common&) {
  teach(
      command,
      "Chooses everything that is fixed before the first image comes: what is fused, the ring, the primes, the scales\n"
      "and the bits of the weights. It says what it chose and why; `obscura inspect` shows every step.\n"
      "What the network's file says of its normalisation, class names, headroom and error is used where no option "
      "says\n"
      "otherwise. With --calibrate, training images give the ranges of all values; without, wide margins are assumed.\n"
      "It takes the name of a data set, or files and folders of images as `obscura encrypt` does.\n"
      "Functions that are no polynomials, as ReLU and max-pooling, are replaced by polynomials: with --calibrate by "
      "the\n"
      "cheapest ones that change the answers of at most a share of the training images (--max-loss), or as --alpha,\n"
      "--depth or --products says; networks deeper than a secure modulus bootstrap (--layout image).",
      "obscura compile models/mnist-swish4.onnx --batch 8192 --calibrate mnist -o swish4.plan",
      "The plan holds the network's weights: it stays on the server. Clients get the offer (obscura offer).");
  auto options = std::make_shared<CompileOptions>();
  options->job.options.memory = 0;  // of this machine
  command.add_option("MODEL", options->model, "ONNX file of the network")->required();
  command.add_option("-o,--out", options->output, "The plan to write")->required();
  command.add_option("--batch", options->job.options.batch, "Images classified at a time")->capture_default_str();
  command
      .add_option(
          "--layout", options->layout,
          "image: one image in the slots of few ciphertexts; batch: an image in each slot; auto: what is cheaper")
      ->check(CLI::IsMember({"auto", "image", "batch"}))
      ->capture_default_str();
  add_calibrate(command, options->calibrate,
                "Training images that give the ranges of values: a data set's name, or a file or folder; may be given "
                "again");
  command.add_option("--data", options->data, "Folder of data sets (default: $OBSCURA_DATA, else ./data)");
  command.add_option("--calibration-images", options->job.calibration_images, "How many of them (default: 256)");
  add_settings(command, options->settings);
  as_size(*command.add_option(
      "--max-keys", options->job.options.max_key_bytes,
      "Largest size of the evaluation keys in the server's memory, as 1.5GB: slower where they would be larger (image "
      "layout)"));
  as_size(*command.add_option("--memory", options->job.options.memory,
                              "Memory that the server may take for keys, weights, ciphertexts and encoded diagonals "
                              "together, as 3.6GB (default: "
                              "three quarters of this machine's)"));
  command.add_option("--log2-degree", options->job.options.log2_degree, "Force the ring's degree, 2 to this power");
  command
      .add_option("--ring", options->ring,
                  "standard: N/2 complex slots, can bootstrap; conjugate-invariant: N real slots, so twice the images; "
                  "auto: what is faster")
      ->check(CLI::IsMember({"auto", "standard", "conjugate-invariant"}))
      ->capture_default_str();
  add_approximation(command, options->job);
  add_normalization(command, options->settings.normalization);
  add_read_options(command, options->read);
  command.add_flag("--passes", options->passes,
                   "Say what each pass of the compiler took and gave (standard error; with --json in the object)");
  command.add_option("--dump-after", options->dump_after, "Print what this pass gave to the plan, as text")
      ->check(CLI::IsMember(compile::pass_names()));
  return [options] { return perform(*options); };
}

}  // namespace obscura::cli
