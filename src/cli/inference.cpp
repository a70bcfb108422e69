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

std::size_t batches_of(const plan::Plan& plan, std::size_t count) {
  const std::size_t slots = std::size_t{1} << (plan.params.log2_degree - 1);
  return (count + slots - 1) / slots;
}

/// One batch through client and server; appends its logits.
Result<void> infer_batch(const client::Client& client, const server::Session& session,
                         std::span<const std::uint8_t> pixels, std::size_t images, Inference& result) {
  const Stopwatch encrypt;
  std::vector<ckks::SeededCiphertext> inputs;
  {
    ProgressBar bar("encrypt");
    OBSCURA_TRY(inputs, client.encrypt(pixels, bar.callback()));
  }
  result.seconds.encrypt += encrypt.seconds();
  const Stopwatch run;
  std::vector<ckks::Ciphertext> outputs;
  {
    ProgressBar bar("run");
    OBSCURA_TRY(outputs, session.run_batch(std::move(inputs), bar.callback()));
  }
  result.seconds.run += run.seconds();
  const Stopwatch decrypt;
  const std::vector<float> logits = client.decrypt(outputs, images);
  result.logits.insert(result.logits.end(), logits.begin(), logits.end());
  result.seconds.decrypt += decrypt.seconds();
  return {};
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

Result<Inference> infer_clear(const plan::Plan& plan, std::span<const float> images, std::size_t count,
                              std::optional<std::uint64_t> noise_seed) {
  Inference result;
  const Stopwatch watch;
  ProgressBar bar("clear twin");
  const run::EncodedModel model(plan);
  OBSCURA_TRY(result.logits, run::run_clear(model, images, count, noise_seed, bar.callback()));
  result.seconds.run = watch.seconds();
  result.batches = batches_of(plan, count);
  return result;
}

Result<Inference> infer_encrypted(const wire::NamedPlan& plan, std::span<const std::uint8_t> pixels) {
  Inference result;
  const Stopwatch keygen;
  OBSCURA_TRY(const client::Client client, client::Client::generate(wire::make_offer(plan)));
  ckks::EvalKeys keys = client.make_eval_keys();
  result.seconds.keygen = keygen.seconds();
  OBSCURA_TRY(const server::Session session, server::Session::make(plan, std::move(keys)));
  const std::size_t image_bytes = plan.plan.input.elements();
  const std::size_t count = pixels.size() / image_bytes;
  for (std::size_t first = 0; first < count; first += client.slots()) {
    const std::size_t images = std::min(client.slots(), count - first);
    OBSCURA_TRY_VOID(
        infer_batch(client, session, pixels.subspan(first * image_bytes, images * image_bytes), images, result));
  }
  result.batches = batches_of(plan.plan, count);
  return result;
}

}  // namespace obscura::cli
