// SPDX-License-Identifier: Apache-2.0
#include "api/inference.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "api/simulator.h"
#include "api/stopwatch.h"
#include "ckks/noise.h"
#include "client/client.h"
#include "eval/network.h"
#include "server/server.h"

namespace obscura::api {
namespace {

/// Floats of images that are held at once.
constexpr std::size_t kFloatsAtOnce = std::size_t{1} << 25;

/// Takes the images `at_once` at a time; `body` gets each part and its number.
Result<void> for_each_part(const Images& images, std::size_t at_once, Inference& result,
                           const std::function<Result<void>(const data::Dataset& part, std::size_t number)>& body) {
  for (std::size_t first = 0, number = 0; first < images.count(); first += at_once, ++number) {
    OBSCURA_TRY(const data::Dataset part, images.read(first, std::min(at_once, images.count() - first)));
    result.labels.insert(result.labels.end(), part.labels.begin(), part.labels.end());
    OBSCURA_TRY_VOID(body(part, number));
  }
  return {};
}

void append(std::vector<float>& all, const std::vector<float>& some) {
  all.insert(all.end(), some.begin(), some.end());
}

/// A report of one thing.
base::Progress progress_of(const compile::Report& report, const std::string& what) {
  if (!report) return {};
  return [=](std::size_t done, std::size_t total) { return report(what, done, total); };
}

/// Progress over all batches, each of which takes a share of its time from `from` to `to`.
base::Progress part_of(const base::Progress& all, std::size_t batch, std::size_t batches, double from, double to) {
  if (!all) return {};
  constexpr std::size_t kTicks = 10000;
  return [=](std::size_t done, std::size_t total) {
    const double share =
        from + (to - from) * static_cast<double>(done) / static_cast<double>(std::max<std::size_t>(total, 1));
    return all(batch * kTicks + static_cast<std::size_t>(share * kTicks), batches * kTicks);
  };
}

struct Party {
  client::Client client;
  server::Session session;
};

/// One batch through client and server; appends its logits.
Result<void> infer_batch(const Party& party, const data::Dataset& images, std::size_t batch, const base::Progress& all,
                         Inference& result) {
  auto& seconds = result.seconds;
  // Encryption takes the share of a batch that it took so far.
  const double share = batch == 0 ? 0.1 : seconds.encrypt / (seconds.encrypt + seconds.run);
  const Stopwatch encrypt;
  OBSCURA_TRY(auto inputs, party.client.encrypt(images.floats(), part_of(all, batch, result.batches, 0, share)));
  seconds.encrypt += encrypt.seconds();
  const Stopwatch run;
  OBSCURA_TRY(const auto outputs,
              party.session.run_batch(std::move(inputs), part_of(all, batch, result.batches, share, 1)));
  seconds.run += run.seconds();
  const Stopwatch decrypt;
  append(result.logits, party.client.decrypt(outputs, images.count()));
  seconds.decrypt += decrypt.seconds();
  return {};
}

/// Each batch has noise of its own; the first has that of the seed itself.
std::optional<std::uint64_t> seed_of(std::optional<std::uint64_t> seed, std::size_t batch) {
  constexpr std::uint64_t kOddConstant = 0x9E3779B97F4A7C15;
  if (seed) *seed += kOddConstant * batch;
  return seed;
}

/// The deviation that one level leaves in a slot at scale 2^46 and N = 2^16: the rounding of its rescale.
Result<double> deviation_of_level() {
  constexpr int kLog2Degree = 16, kScaleBits = 46;
  ckks::ParamsLiteral literal;
  literal.log2_degree = kLog2Degree;
  OBSCURA_TRY(literal.chain, ckks::make_primes(kLog2Degree, kScaleBits, 3, {}));
  literal.special = {literal.chain.back()};
  literal.chain.pop_back();
  OBSCURA_TRY(const ckks::Params params, ckks::Params::make(literal));
  return std::ldexp(ckks::noise_of_rounding(params, 2), -kScaleBits);
}

/// Standard deviation of the noise on each activation's output, by node.
Result<std::map<std::size_t, double>> noise_of(const calibrate::Choice& choice, const Noise& noise) {
  std::map<std::size_t, double> out;
  OBSCURA_TRY(const double level, deviation_of_level());
  for (const calibrate::Chosen& one : choice.chosen) {
    const auto& certificate = one.activation.certificate;
    const double bound = std::max(std::abs(certificate.low), std::abs(certificate.high));
    out[one.node] = bound * (noise.bits ? std::exp2(-*noise.bits) : level * std::sqrt(static_cast<double>(one.depth)));
  }
  return out;
}

}  // namespace

Result<Inference> infer_float(const nn::Graph& graph, std::span<const float> images, std::size_t count,
                              const compile::Report& report) {
  Inference result;
  const Stopwatch watch;
  OBSCURA_TRY(const eval::Network network, eval::Network::make(graph, {}));
  eval::Options options;
  options.progress = progress_of(report, "float network");
  OBSCURA_TRY(eval::Outcome outcome, network.run(images, count, options));
  result.logits = std::move(outcome.logits);
  result.seconds.run = watch.seconds();
  result.batches = 1;
  return result;
}

Result<Inference> infer_float(const nn::Graph& graph, const Images& images, const Normalization& normalization,
                              const compile::Report& report) {
  Inference result;
  result.batches = 1;
  OBSCURA_TRY(const eval::Network network, eval::Network::make(graph, {}));
  const base::Progress progress = progress_of(report, "float network");
  const std::size_t at_once = std::max<std::size_t>(kFloatsAtOnce / images.shape().elements(), 1);
  const std::size_t parts = (images.count() + at_once - 1) / at_once;
  const auto run_part = [&](const data::Dataset& part, std::size_t number) -> Result<void> {
    eval::Options options;
    options.progress = part_of(progress, number, parts, 0, 1);
    const auto pixels = normalise(part, normalization);
    const Stopwatch watch;
    OBSCURA_TRY(const eval::Outcome outcome, network.run(pixels, part.count(), options));
    result.seconds.run += watch.seconds();
    append(result.logits, outcome.logits);
    return {};
  };
  OBSCURA_TRY_VOID(for_each_part(images, at_once, result, run_part));
  return result;
}

std::uint64_t PolynomialInference::outside() const {
  std::uint64_t sum = 0;
  for (const auto& [node, one] : excess) sum += one.outside;
  return sum;
}

std::uint64_t PolynomialInference::arguments() const {
  std::uint64_t sum = 0;
  for (const auto& [node, one] : excess) sum += one.count;
  return sum;
}

Result<PolynomialInference> infer_poly(const nn::Graph& graph, const calibrate::Choice& choice,
                                       std::span<const float> images, std::size_t count,
                                       const std::optional<Noise>& noise, const compile::Report& report) {
  PolynomialInference result;
  const Stopwatch watch;
  OBSCURA_TRY(const eval::Network network, eval::Network::make(graph, choice.substitution()));
  eval::Options how;
  if (noise) {
    OBSCURA_TRY(how.noise, noise_of(choice, *noise));
    how.noise_seed = noise->seed;
  }
  how.progress = progress_of(report, "polynomials");
  OBSCURA_TRY(eval::Outcome outcome, network.run(images, count, how));
  result.inference.logits = std::move(outcome.logits);
  result.inference.seconds.run = watch.seconds();
  result.inference.batches = 1;
  result.excess = std::move(outcome.excess);
  return result;
}

Result<Inference> infer_clear(const plan::Plan& plan, const Images& images, const PlanOptions& options) {
  Inference result;
  OBSCURA_TRY(const Simulator simulator, Simulator::make(plan, options.memory, options.noise_seed.has_value()));
  if (options.before) options.before(simulator.memory());
  const base::Progress progress = progress_of(options.report, "plaintext simulator");
  // The plaintext simulator goes through few images as through many, so parts are of the same size in all layouts.
  const std::size_t slots = plan.params.slots();
  result.batches = (images.count() + slots - 1) / slots;
  const auto run_batch = [&](const data::Dataset& part, std::size_t batch) -> Result<void> {
    const Stopwatch watch;
    OBSCURA_TRY(const std::vector<float> logits, simulator.run(part.floats(), seed_of(options.noise_seed, batch),
                                                               part_of(progress, batch, result.batches, 0, 1)));
    result.seconds.run += watch.seconds();
    append(result.logits, logits);
    return {};
  };
  OBSCURA_TRY_VOID(for_each_part(images, slots, result, run_batch));
  return result;
}

Result<Inference> infer_encrypted(const wire::NamedPlan& plan, const Images& images, const PlanOptions& options) {
  Inference result;
  const Stopwatch keygen;
  OBSCURA_TRY(client::Client client, client::Client::generate(wire::make_offer(plan), options.resources));
  ckks::EvalKeys keys = client.make_eval_keys();
  result.seconds.keygen = keygen.seconds();
  OBSCURA_TRY(server::Session session,
              server::Session::make(plan, std::move(keys), {.memory = options.memory, .resources = options.resources}));
  if (options.before) options.before(session.memory());
  const std::size_t slots = client.images_at_once();
  const Party party{std::move(client), std::move(session)};
  result.batches = (images.count() + slots - 1) / slots;
  const base::Progress progress = progress_of(options.report, "encrypted");
  const auto run_batch = [&](const data::Dataset& part, std::size_t batch) {
    return infer_batch(party, part, batch, progress, result);
  };
  OBSCURA_TRY_VOID(for_each_part(images, slots, result, run_batch));
  return result;
}

}  // namespace obscura::api
