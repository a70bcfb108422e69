// SPDX-License-Identifier: Apache-2.0
#include "obscura/server.h"

#include <utility>

#include "api/streams.h"
#include "server/server.h"
#include "wire/plan_frame.h"

namespace obscura {

struct EvaluationKeys::Internal {
  std::shared_ptr<const server::ClientSession> client;
};

struct Server::Internal {
  wire::NamedPlan plan;
  Options options;
  std::shared_ptr<ckks::Resources> resources = ckks::Resources::make();  ///< of all clients' sessions
};

std::uint64_t EvaluationKeys::memory() const { return internal_->client->session.memory(); }

Result<Server> Server::open(const Source& plan, const Options& options) {
  const std::string name = plan.path().string();
  OBSCURA_TRY(wire::NamedPlan named,
              plan.is_memory() ? wire::read_plan(plan.memory(), name) : wire::read_plan_file(plan.path()));
  return Server(std::make_shared<const Internal>(Internal{std::move(named), options}));
}

const std::string& Server::network() const { return internal_->plan.plan.name; }
std::size_t Server::images_at_once() const { return internal_->plan.plan.images_at_once(); }
double Server::predicted_seconds() const { return internal_->plan.plan.predicted_seconds; }
Bytes Server::offer() const { return wire::write_offer(wire::make_offer(internal_->plan)); }

Result<EvaluationKeys> Server::read_keys(const Source& source) const {
  OBSCURA_TRY(base::InputFile file, api::open(source));
  OBSCURA_TRY(server::ClientSession client,
              server::make_session(internal_->plan, file,
                                   {.memory = internal_->options.memory, .resources = internal_->resources}));
  return EvaluationKeys(
      std::make_shared<const EvaluationKeys::Internal>(EvaluationKeys::Internal{server::share(std::move(client))}));
}

Result<void> Server::run(const EvaluationKeys& keys, const Source& images, const Sink& logits,
                         const Progress& progress) const {
  OBSCURA_TRY(base::InputFile in, api::open(images));
  OBSCURA_TRY(base::OutputFile out, api::create(logits));
  return server::run(*keys.internal_->client, std::move(in), std::move(out), progress);
}

}  // namespace obscura
