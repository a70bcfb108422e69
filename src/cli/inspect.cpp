// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "cli/answers.h"
#include "cli/inspect_network.h"
#include "cli/inspect_ranks.h"
#include "cli/options.h"
#include "cli/support.h"
#include "cli/verb.h"
#include "wire/ciphertexts.h"
#include "wire/eval_keys.h"
#include "wire/plan_frame.h"
#include "wire/signature.h"
#include "wire/state.h"
#include "wire/whole.h"

namespace obscura::cli {
namespace {

using Json = nlohmann::ordered_json;

Json params_json(const ckks::ParamsLiteral& params) {
  return {{"ring", ckks::name_of(params.ring)},
          {"ring_degree", std::uint64_t{1} << params.log2_degree},
          {"log2_qp", ckks::log2_qp(params)},
          {"limbs", params.chain.size()},
          {"chain", params.chain},
          {"special", params.special},
          {"digit_limbs", params.digit_limbs}};
}

std::string params_text(const ckks::ParamsLiteral& params) {
  return fmt::format("{} ring, N = {}, log2(QP) = {:.1f}, {} + {} primes", ckks::name_of(params.ring),
                     std::uint64_t{1} << params.log2_degree, ckks::log2_qp(params), params.chain.size(),
                     params.special.size());
}

Json bootstrap_json(const std::optional<plan::BootstrapSpec>& spec) {
  if (!spec) return nullptr;
  return {{"slots", std::uint64_t{1} << spec->literal.log2_slots},
          {"levels", spec->literal.levels},
          {"level_bits", spec->literal.level_bits},
          {"input_scale", spec->input_scale},
          {"output_scale", spec->output_scale}};
}

Result<Answer> inspect_plan(const std::string& path) {
  OBSCURA_TRY(const wire::NamedPlan named, wire::read_plan_file(path));
  const std::string digest = wire::short_name(named.digest);
  const std::string text = plan::to_text(named.plan);
  return Answer{{{"kind", "plan"},
                 {"network", named.plan.name},
                 {"digest", digest},
                 {"batch", named.plan.batch},
                 {"params", params_json(named.plan.params)},
                 {"answer", answer_json(named.plan.output.answer)},
                 {"bootstrapping", bootstrap_json(named.plan.bootstrap)},
                 {"predicted_seconds", named.plan.predicted_seconds},
                 {"predicted_memory_bytes", named.plan.predicted_bytes},
                 {"kept_bytes", named.plan.kept_bytes},
                 {"predicted_logit_error_std", named.plan.output.error_std},
                 {"predicted_logit_noise_std", named.plan.output.noise_std},
                 {"predicted_logit_noise_growth", named.plan.output.noise_growth},
                 {"reasons", named.plan.reasons},
                 {"text", text}},
                text};
}

Result<Answer> inspect_offer(const std::string& path) {
  OBSCURA_TRY(const plan::Offer offer, wire::read_offer_file(path));
  const plan::InputSpec& input = offer.input;
  const std::string digest = wire::short_name(offer.plan_digest);
  return Answer{{{"kind", "offer"},
                 {"network", offer.name},
                 {"plan_digest", digest},
                 {"params", params_json(offer.params)},
                 {"input", {input.channels, input.height, input.width}},
                 {"mean", input.mean},
                 {"std", input.std},
                 {"standardise", standardise_json(input.standardise)},
                 {"classes", offer.output.classes},
                 {"answer", answer_json(offer.output.answer)},
                 {"layout", plan::is_batch(offer) ? "batch" : "image"},
                 {"images_at_once", offer.images_at_once()},
                 {"relinearization_key", offer.keys.relinearization},
                 {"rotation_keys", offer.keys.rotations.size()},
                 {"conjugation_key", offer.keys.conjugation > 0},
                 {"bootstrapping", bootstrap_json(offer.bootstrap)}},
                fmt::format("offer of plan {} ({})\n  {}\n  images {}x{}x{}, mean [{}], std [{}]{}, {} classes\n"
                            "  {} at once\n"
                            "  answer: {}; class names: {}\n"
                            "  keys: {}, {}{}{}",
                            digest, offer.name, params_text(offer.params), input.channels, input.height, input.width,
                            fmt::join(input.mean, ", "), fmt::join(input.std, ", "), base::describe(input.standardise),
                            offer.output.classes, api::plural(offer.images_at_once(), "image"),
                            plan::describe(offer.output.answer, offer.output.classes),
                            plan::describe_class_names(offer.output.answer),
                            offer.keys.relinearization ? "relinearisation" : "no relinearisation",
                            api::plural(offer.keys.rotations.size(), "rotation"),
                            offer.keys.conjugation > 0 ? ", conjugation" : "",
                            offer.bootstrap ? ", those of bootstrapping" : "")};
}

Result<Answer> inspect_keys(const std::string& path) {
  OBSCURA_TRY(const wire::EvalKeysHeader header, wire::inspect_eval_keys(path));
  const std::string params = wire::short_name(header.name.params);
  const std::string key = wire::short_name(header.name.key);
  std::uint32_t most = 0;
  for (const auto& galois : header.galois) most = std::max(most, galois.limbs);
  const std::uint64_t conjugation = ckks::conjugation_element(std::size_t{1} << header.log2_degree);
  const auto conjugations = static_cast<std::size_t>(std::count_if(
      header.galois.begin(), header.galois.end(), [&](const auto& galois) { return galois.element == conjugation; }));
  const std::size_t rotations = header.galois.size() - conjugations;
  const std::string limbs = header.galois.empty() ? "" : fmt::format(" for up to {}", api::plural(most, "limb"));
  return Answer{
      {{"kind", "evaluation keys"},
       {"params_digest", params},
       {"key", key},
       {"ring", ckks::name_of(header.ring)},
       {"ring_degree", std::uint64_t{1} << header.log2_degree},
       {"relinearization_keys", header.relinearization ? 1 : 0},
       {"rotation_keys", rotations},
       {"conjugation_key", conjugations > 0},
       {"bootstrapping_keys", header.bootstrap},
       {"digit_limbs", header.digit_limbs},
       {"bytes", file_bytes(path)}},
      fmt::format("evaluation keys {} for parameters {}\n  {} ring, N = {}, {} + {} primes in digits of {}: {}, "
                  "{}{}{}{}, {}",
                  key, params, ckks::name_of(header.ring), std::uint64_t{1} << header.log2_degree, header.chain,
                  header.special, header.digit_limbs,
                  api::plural(header.relinearization ? 1 : 0, "relinearisation key"),
                  api::plural(rotations, "rotation key"), conjugations > 0 ? ", conjugation" : "", limbs,
                  header.bootstrap > 0
                      ? fmt::format(", {} of bootstrapping's sparse secret", api::plural(header.bootstrap, "key"))
                      : "",
                  bytes_text(file_bytes(path)))};
}

Result<Answer> inspect_ciphertexts(const std::string& path, wire::Kind kind) {
  OBSCURA_TRY(const wire::CiphertextReader reader, wire::CiphertextReader::open(path, kind));
  const wire::CiphertextHeader& header = reader.header();
  const char* name = kind == wire::Kind::inputs ? "encrypted images" : "encrypted answer";
  const std::string plan = wire::short_name(header.binding.plan);
  const std::string key = wire::short_name(header.binding.key);
  return Answer{{{"kind", name},
                 {"plan_digest", plan},
                 {"key", key},
                 {"request", wire::short_name(header.request)},
                 {"images", header.images},
                 {"batches", header.batches()},
                 {"ring", ckks::name_of(header.ring)},
                 {"ring_degree", std::uint64_t{1} << header.log2_degree},
                 {"elements", header.elements},
                 {"limbs", header.limbs},
                 {"parts", header.parts},
                 {"seeded", header.seeded},
                 {"scale", header.scale},
                 {"bytes", file_bytes(path)}},
                fmt::format("{} of key {} for plan {}, request {}\n  {} in {}, each of {}, N = {}, {}, {} parts{}, {}",
                            name, key, plan, wire::short_name(header.request), api::plural(header.images, "image"),
                            api::plural(header.batches(), "batch"), api::plural(header.elements, "ciphertext"),
                            std::uint64_t{1} << header.log2_degree, api::plural(header.limbs, "limb"), header.parts,
                            header.seeded ? " (one of them a seed)" : "", bytes_text(file_bytes(path)))};
}

Result<Answer> inspect_state(const std::string& path) {
  OBSCURA_TRY(const wire::StateReader reader, wire::StateReader::open(path));
  const wire::StateHeader& header = reader.header();
  const std::string plan = wire::short_name(header.binding.plan);
  const std::string key = wire::short_name(header.binding.key);
  return Answer{{{"kind", "state"},
                 {"plan_digest", plan},
                 {"key", key},
                 {"batch", header.batch},
                 {"tasks", header.tasks},
                 {"ciphertexts", header.live.size()},
                 {"bytes", file_bytes(path)}},
                fmt::format("state of an unfinished run, under key {} for plan {}\n  batch {}, {} done: {}, {}", key,
                            plan, header.batch, api::plural(header.tasks, "task"),
                            api::plural(header.live.size(), "ciphertext"), bytes_text(file_bytes(path)))};
}

Result<Answer> inspect_trust(const std::string& path) {
  OBSCURA_TRY(const base::VerifyKey key, wire::read_trust_file(path));
  const std::string name = wire::short_name(key);
  return Answer{{{"kind", "key to trust"}, {"key", name}, {"bytes", file_bytes(path)}},
                fmt::format("key {}: with --trust, what it did not sign is refused", name)};
}

struct InspectOptions {
  std::string path;
  nn::ReadOptions read;
  BoundsOptions bounds;
  RanksOptions ranks;
};

/// What a whole file of this kind says of itself.
Result<Answer> inspect_file(const std::string& path, wire::Kind kind) {
  switch (kind) {
    case wire::Kind::plan:
      return inspect_plan(path);
    case wire::Kind::offer:
      return inspect_offer(path);
    case wire::Kind::evaluation_keys:
      return inspect_keys(path);
    case wire::Kind::inputs:
    case wire::Kind::outputs:
      return inspect_ciphertexts(path, kind);
    case wire::Kind::state:
      return inspect_state(path);
    case wire::Kind::secret_key:
      return Answer{{{"kind", "secret key"}, {"bytes", file_bytes(path)}},
                    "secret key: whoever has this file decrypts everything; nothing of it is printed"};
    case wire::Kind::signing_key:
      return Answer{{{"kind", "signing key"}, {"bytes", file_bytes(path)}},
                    "signing key: whoever has this file signs in its owner's name; nothing of it is printed"};
    case wire::Kind::trust:
      return inspect_trust(path);
    case wire::Kind::record:
    case wire::Kind::key:
    case wire::Kind::signature:
      break;
  }
  return error(Code::unsupported, "{}: {}, which stands only inside of other files", path, wire::describe(kind));
}

Result<Answer> perform(const InspectOptions& options) {
  const std::string& path = options.path;
  OBSCURA_TRY(const bool ours, is_frame(path));
  if (!ours) return inspect_network(path, options.read, options.bounds);
  if (options.bounds.wanted) {
    return error(Code::wrong_params, "--bounds: {} is no ONNX network; only of those are bounds known", path);
  }
  OBSCURA_TRY(const wire::Whole whole, wire::check_whole(path));
  if (options.ranks.ranks > 0) {
    OBSCURA_TRY(const wire::NamedPlan named, wire::read_plan_file(path));  // says so where it is none
    return inspect_ranks(named.plan, options.ranks);
  }
  OBSCURA_TRY(Answer answer, inspect_file(path, whole.kind));
  if (whole.signer) {
    answer.json["signed_by"] = wire::short_name(*whole.signer);
    answer.text += fmt::format("\n  signed by {}", wire::short_name(*whole.signer));
  }
  return answer;
}
}  // namespace

Action define_inspect(CLI::App& command, const Common&) {
  teach(
      command,
      "Prints what a file holds: every step of a plan with its limbs, scale and predicted error, and why the planner\n"
      "chose so; what an offer, keys or ciphertexts say of themselves. Of an ONNX network: its nodes with their\n"
      "parameters, and what stands for each of them under encryption: itself, a polynomial near it, or nothing. The "
      "verdict\nat the end says whether it compiles, with which options, or what to change in PyTorch or Keras. "
      "--bounds follows the\n"
      "interval of every value through a network of polynomials: a proof of what no 8-bit image exceeds.\n"
      "--ranks says of a plan how long its images take on many machines (docs/SCALING.md).",
      "obscura inspect my.onnx",
      "Of a secret key it prints nothing. The text of a plan shows the shape of the network, not its weights.");
  auto options = std::make_shared<InspectOptions>();
  command.add_option("FILE", options->path, "A plan, offer, evaluation keys, ciphertexts, or an ONNX file")->required();
  add_read_options(command, options->read);
  command.add_flag(
      "--bounds", options->bounds.wanted,
      "Of a network of polynomials: what no 8-bit image exceeds before each activation, beside the largest "
      "seen");
  add_calibrate(command, options->bounds.calibrate,
                "Training images for --bounds: a data set's name, or a file or folder; may be given again");
  command.add_option("--calibration-images", options->bounds.calibration_images, "How many of them (default: 256)");
  command.add_option("--data", options->bounds.data, "Folder of data sets (default: $OBSCURA_DATA, else ./data)");
  add_normalization(command, options->bounds.settings.normalization);
  add_ranks(command, options->ranks);
  return [options] { return perform(*options); };
}

}  // namespace obscura::cli
