// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include <utility>

#include "api/streams.h"
#include "api/to_answer.h"
#include "client/answer.h"
#include "obscura/client.h"
#include "wire/plan_frame.h"

namespace obscura {

struct Offer::Internal {
  plan::Offer offer;
  client::KeyCost cost;
};

struct Client::Internal {
  client::Client client;
};

Result<Offer> Offer::read(const Source& source) {
  const std::string name = source.path().string();
  OBSCURA_TRY(plan::Offer offer,
              source.is_memory() ? wire::read_offer(source.memory(), name) : wire::read_offer_file(source.path()));
  OBSCURA_TRY(const client::KeyCost cost, client::cost_of_keys(offer));
  return Offer(std::make_shared<const Internal>(Internal{std::move(offer), cost}));
}

const std::string& Offer::network() const { return internal_->offer.name; }
std::size_t Offer::channels() const { return internal_->offer.input.channels; }
std::size_t Offer::height() const { return internal_->offer.input.height; }
std::size_t Offer::width() const { return internal_->offer.input.width; }
std::size_t Offer::classes() const { return internal_->offer.output.classes; }
std::string Offer::class_name(std::uint32_t label) const {
  return client::name_of(internal_->offer.output.answer, label);
}
std::string Offer::answer() const { return plan::to_string(internal_->offer.output.answer.kind); }
std::size_t Offer::images_at_once() const { return internal_->offer.images_at_once(); }
double Offer::logit_error() const { return internal_->offer.output.error_std; }
std::uint64_t Offer::key_bytes() const { return internal_->cost.file_bytes; }
Bytes Offer::bytes() const { return wire::write_offer(internal_->offer); }

std::uint32_t Answer::label(std::size_t image) const {
  if (image >= labels.size() || labels[image].size() != 1) {
    throw ContractError("Answer::label: an image that is not there, or that has other than one label");
  }
  return labels[image][0];
}

Result<Client> Client::generate(const Offer& offer) {
  OBSCURA_TRY(client::Client made, client::Client::generate(offer.internal_->offer));
  return Client(offer, std::make_shared<const Internal>(Internal{std::move(made)}));
}

Result<Client> Client::load(const Offer& offer, const std::filesystem::path& secret) {
  OBSCURA_TRY(client::Client loaded, client::Client::load(offer.internal_->offer, secret));
  return Client(offer, std::make_shared<const Internal>(Internal{std::move(loaded)}));
}

Result<void> Client::save(const std::filesystem::path& secret, bool overwrite) const {
  return client::write_secret_file(internal_->client, secret, overwrite);
}

Result<void> Client::write_keys(const Sink& sink, const Progress& progress, std::uint64_t max_bytes) const {
  OBSCURA_TRY_VOID(client::refuse_costly(internal_->client.offer(), max_bytes));
  OBSCURA_TRY(base::OutputFile out, api::create(sink));
  OBSCURA_TRY_VOID(client::write_keys(internal_->client, out, progress));
  return out.commit();
}

Result<void> Client::encrypt(std::span<const float> images, const Sink& sink, const Progress& progress) const {
  const client::Client& client = internal_->client;
  OBSCURA_TRY(const client::ImageSource source, client::images_in(images, client.offer().input));
  OBSCURA_TRY(base::OutputFile out, api::create(sink));
  OBSCURA_TRY_VOID(client::encrypt(client, source, std::move(out), progress));
  return {};
}

Result<Answer> Client::decrypt(const Source& source, const Progress& progress) const {
  OBSCURA_TRY(base::InputFile in, api::open(source));
  OBSCURA_TRY(client::Logits logits, client::decrypt(internal_->client, std::move(in), {.progress = progress}));
  return api::to_answer(std::move(logits), internal_->client.offer().output.answer);
}

}  // namespace obscura
