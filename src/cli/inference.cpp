// SPDX-License-Identifier: Apache-2.0
#include "cli/inference.h"

#include <algorithm>

#include "cli/progress.h"
#include "cli/support.h"
#include "client/client.h"
#include "eval/network.h"
#include "run/clear_backend.h"
#include "server/server.h"

namespace obscura::cli {
namespace {

/// Floats of images that are held at once.
constexpr std::size_t kFloatsAtOnce = std::size_t{1} << 25;

/// Takes the images `at_once` at a time; `body` gets each part and its number.
Result<void> for_each_part(const api::Images& images, std::size_t at_once, Inference& result,
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

/// A bar over all batches, each of which takes a share of its time from `from` to `to`.
base::Progress part_of(const base::Progress& bar, std::size_t batch, std::size_t batches, double from, double to) {
  constexpr std::size_t kTicks = 10000;
  return [=](std::size_t done, std::size_t total) {
    const double share =
        from + (to - from) * static_cast<double>(done) / static_cast<double>(std::max<std::size_t>(total, 1));
    return bar(batch * kTicks + static_cast<std::size_t>(share * kTicks), batches * kTicks);
  };
}

struct Party {
  client::Client client;
  server::Session session;
};

/// One batch through client and server; appends its logits.
Result<void> infer_batch(const Party& party, const data::Dataset& images, std::size_t batch, const base::Progress& bar,
                         Inference& result) {
  auto& seconds = result.seconds;
  // Encryption takes the share of a batch that it took so far.
  const double share = batch == 0 ? 0.1 : seconds.encrypt / (seconds.encrypt + seconds.run);
  const Stopwatch encrypt;
  OBSCURA_TRY(auto inputs, party.client.encrypt(images.floats(), part_of(bar, batch, result.batches, 0, share)));
  seconds.encrypt += encrypt.seconds();
  const Stopwatch run;
  OBSCURA_TRY(const auto outputs,
              party.session.run_batch(std::move(inputs), part_of(bar, batch, result.batches, share, 1)));
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

}  // namespace

Result<Inference> infer_float(const nn::Graph& graph, std::span<const float> images, std::size_t count) {
  Inference result;
  const Stopwatch watch;
  OBSCURA_TRY(const eval::Network network, eval::Network::make(graph, {}));
  ProgressBar bar("float network");
  eval::Options options;
  options.progress = bar.callback();
  OBSCURA_TRY(eval::Outcome outcome, network.run(images, count, options));
  result.logits = std::move(outcome.logits);
  result.seconds.run = watch.seconds();
  result.batches = 1;
  return result;
}

Result<Inference> infer_float(const nn::Graph& graph, const api::Images& images,
                              const api::Normalization& normalization) {
  Inference result;
  result.batches = 1;
  OBSCURA_TRY(const eval::Network network, eval::Network::make(graph, {}));
  ProgressBar bar("float network");
  const base::Progress progress = bar.callback();
  const std::size_t at_once = std::max<std::size_t>(kFloatsAtOnce / images.shape().elements(), 1);
  const std::size_t parts = (images.count() + at_once - 1) / at_once;
  const auto run_part = [&](const data::Dataset& part, std::size_t number) -> Result<void> {
    eval::Options options;
    options.progress = part_of(progress, number, parts, 0, 1);
    const auto pixels = api::normalise(part, normalization);
    const Stopwatch watch;
    OBSCURA_TRY(const eval::Outcome outcome, network.run(pixels, part.count(), options));
    result.seconds.run += watch.seconds();
    append(result.logits, outcome.logits);
    return {};
  };
  OBSCURA_TRY_VOID(for_each_part(images, at_once, result, run_part));
  return result;
}

Result<Inference> infer_clear(const plan::Plan& plan, const api::Images& images, const PlanOptions& options) {
  Inference result;
  OBSCURA_TRY(server::Allotment allotment, server::allot(plan, options.memory));
  if (options.before) options.before(allotment.bytes);
  ProgressBar bar("plaintext simulator");
  const base::Progress progress = bar.callback();
  std::shared_ptr<const ckks::Bootstrapper> bootstrapper;  // predicts noise
  if (options.noise_seed) {
    OBSCURA_TRY(bootstrapper, plan::make_bootstrapper(plan.bootstrap));
  }
  const run::EncodedModel model(plan, std::move(allotment.schedule), std::move(bootstrapper));
  // The plaintext simulator goes through few images as through many, so parts are of the same size in all layouts.
  const std::size_t slots = std::size_t{1} << (plan.params.log2_degree - 1);
  result.batches = (images.count() + slots - 1) / slots;
  const auto run_batch = [&](const data::Dataset& part, std::size_t batch) -> Result<void> {
    const std::vector<float> pixels = client::normalise(plan.input, part.floats());
    const Stopwatch watch;
    OBSCURA_TRY(const std::vector<float> logits,
                run::run_clear(model, pixels, part.count(), seed_of(options.noise_seed, batch),
                               part_of(progress, batch, result.batches, 0, 1)));
    result.seconds.run += watch.seconds();
    append(result.logits, logits);
    return {};
  };
  OBSCURA_TRY_VOID(for_each_part(images, slots, result, run_batch));
  return result;
}

Result<Inference> infer_encrypted(const wire::NamedPlan& plan, const api::Images& images, const PlanOptions& options) {
  Inference result;
  const Stopwatch keygen;
  OBSCURA_TRY(client::Client client, client::Client::generate(wire::make_offer(plan)));
  ckks::EvalKeys keys = client.make_eval_keys();
  result.seconds.keygen = keygen.seconds();
  OBSCURA_TRY(server::Session session, server::Session::make(plan, std::move(keys), options.memory));
  if (options.before) options.before(session.memory());
  const std::size_t slots = client.images_at_once();
  const Party party{std::move(client), std::move(session)};
  result.batches = (images.count() + slots - 1) / slots;
  ProgressBar bar("encrypted");
  const base::Progress progress = bar.callback();
  const auto run_batch = [&](const data::Dataset& part, std::size_t batch) {
    return infer_batch(party, part, batch, progress, result);
  };
  OBSCURA_TRY_VOID(for_each_part(images, slots, result, run_batch));
  return result;
}

}  // namespace obscura::cli
