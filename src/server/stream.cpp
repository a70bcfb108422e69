// SPDX-License-Identifier: Apache-2.0
/// Sessions and runs on files that are open, memory and sinks.
#include <utility>

#include "server/headers.h"
#include "server/server.h"
#include "wire/eval_keys.h"

namespace obscura::server {

wire::CiphertextHeader expected_input(const plan::Plan& plan, const wire::Binding& binding) {
  wire::CiphertextHeader header;
  header.binding = binding;
  header.log2_degree = static_cast<std::uint32_t>(plan.params.log2_degree);
  header.ring = plan.params.ring;
  header.elements = plan.input.ciphertexts();
  header.images_at_once = plan.images_at_once();
  header.limbs = plan.input.limbs;
  header.seeded = true;
  header.scale = plan.input.scale;
  return header;
}

wire::CiphertextHeader output_header(const plan::Plan& plan, const wire::CiphertextHeader& input) {
  const plan::ValueInfo last = plan.value(static_cast<plan::ValueId>(plan.steps.size()));
  wire::CiphertextHeader header = input;
  header.elements = last.elements;
  header.limbs = last.limbs;
  header.parts = last.parts;
  header.seeded = false;
  header.scale = last.scale;
  return header;
}

Result<ClientSession> make_session(const wire::NamedPlan& plan, base::InputFile& keys, const SessionOptions& options) {
  OBSCURA_TRY(const auto bootstrapper, plan::make_bootstrapper(plan.plan.bootstrap, options.resources));
  OBSCURA_TRY(const auto context, plan::make_context(plan.plan.params, bootstrapper, options.resources));
  const ckks::KeyNeeds needs = plan::key_needs(*context, plan.plan.keys, bootstrapper);
  OBSCURA_TRY(wire::NamedEvalKeys named, wire::read_eval_keys(*context, needs, keys));
  OBSCURA_TRY(Session session, Session::make(plan, context, needs, std::move(named.keys), options));
  return ClientSession{std::move(session), {plan.digest, named.name.key}};
}

Result<ClientSession> make_session(const ClientSession& of_the_plan, base::InputFile& keys) {
  const Session& session = of_the_plan.session;
  OBSCURA_TRY(wire::NamedEvalKeys named, wire::read_eval_keys(*session.context(), session.key_needs(), keys));
  OBSCURA_TRY(Session other, session.with(std::move(named.keys)));
  return ClientSession{std::move(other), {of_the_plan.binding.plan, named.name.key}};
}

std::shared_ptr<const ClientSession> share(ClientSession session) {
  const auto let_go = [resources = session.session.context()->resources()](const ClientSession* shared) {
    delete shared;
    resources->trim();
  };
  return {new ClientSession(std::move(session)), let_go};
}

Result<void> run(const ClientSession& client, base::InputFile in, base::OutputFile out, const base::Progress& progress,
                 const base::SigningKey* signing) {
  const Session& session = client.session;
  OBSCURA_TRY(auto reader, wire::CiphertextReader::open(std::move(in), wire::Kind::inputs));
  wire::CiphertextHeader expected = expected_input(session.plan(), client.binding);
  expected.images = reader.header().images;
  expected.request = reader.header().request;
  OBSCURA_TRY_VOID(reader.expect(session.context(), expected));
  wire::CiphertextHeader header = output_header(session.plan(), expected);
  OBSCURA_TRY(header.inputs, reader.digest());
  OBSCURA_TRY_VOID(reader.seek_batch(0));
  OBSCURA_TRY(auto writer,
              wire::CiphertextWriter::create(std::move(out), wire::Kind::outputs, session.context(), header));
  const std::uint64_t batches = header.batches();
  for (std::uint64_t batch = 0; batch < batches; ++batch) {
    OBSCURA_TRY(auto inputs, reader.read(reader.header().elements));
    const base::Progress overall = [&](std::size_t done, std::size_t total) {
      return !progress || progress(batch * total + done, batches * total);
    };
    OBSCURA_TRY(const auto outputs, session.run_batch(std::move(inputs), overall));
    OBSCURA_TRY_VOID(writer.write(outputs));
  }
  return writer.commit(signing);
}

}  // namespace obscura::server
