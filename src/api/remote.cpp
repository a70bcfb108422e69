// SPDX-License-Identifier: Apache-2.0
#include "obscura/remote.h"

#include <algorithm>
#include <utility>

#include "api/to_answer.h"
#include "remote/remote.h"
#include "wire/plan_frame.h"
#include "wire/signature.h"

namespace obscura {

struct RemoteClient::Internal {
  remote::RemoteClient client;
};

namespace {

client::PassphraseSource locked(const std::function<std::string()>& ask) {
  if (!ask) return {};
  return [ask]() -> Result<base::LockedBytes> {
    const std::string text = ask();
    if (text.empty()) return error(Code::wrong_params, "an empty passphrase; one of a character or more is wanted");
    base::LockedBytes out(text.size());
    std::copy(text.begin(), text.end(), out.span().begin());
    return out;
  };
}

}  // namespace

Result<RemoteClient> RemoteClient::connect(const std::string& url, const std::string& model, RemoteOptions options) {
  remote::RemoteOptions how;
  how.folder = options.folder;
  how.max_keys = options.max_key_bytes;
  if (!options.trust.empty()) {
    OBSCURA_TRY(how.trust, wire::read_trust_file(options.trust));
  }
  how.passphrase = how.new_passphrase = locked(options.passphrase);
  how.token = std::move(options.token);
  how.tls = {options.ca, options.certificate, options.key};
  how.progress = std::move(options.progress);
  OBSCURA_TRY(remote::RemoteClient client, remote::RemoteClient::connect(url, model, std::move(how)));
  const Bytes bytes = wire::write_offer(client.offer());
  OBSCURA_TRY(Offer offer, Offer::read(Source(ByteView(bytes), "the offer of " + model)));
  return RemoteClient(std::move(offer), std::make_shared<Internal>(Internal{std::move(client)}));
}

bool RemoteClient::made_key() const { return internal_->client.made_key(); }

Result<Answer> RemoteClient::classify(std::span<const float> images) const {
  const plan::Offer& offer = internal_->client.offer();
  OBSCURA_TRY(const client::ImageSource source, client::images_in(images, offer.input));
  OBSCURA_TRY(client::Logits logits, internal_->client.classify(source));
  return api::to_answer(std::move(logits), offer.output.answer);
}

}  // namespace obscura
