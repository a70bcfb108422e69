// SPDX-License-Identifier: Apache-2.0
/// The client of a service (`obscura-server serve`): from images to labels over a network, by one call. What the header
/// obscura/client.h does through files, this does through HTTP.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "obscura/client.h"

namespace obscura {

struct RemoteOptions {
  /// Where keys are kept, a folder for each set of parameters (mode 0700; the secret key 0600); it is made where it is
  /// absent. Whoever has it decrypts everything.
  std::filesystem::path folder = {};
  std::string token = {};  ///< of servers that want one
  /// PEM files for https://: whom to trust in place of this machine's certificates; this client's certificate and its
  /// private key, for servers that ask for one.
  std::filesystem::path ca = {}, certificate = {}, key = {};
  /// The server's public key of `obscura signkey`: offers and answers of others are refused.
  std::filesystem::path trust = {};
  /// Asked for the passphrase of the secret key's file: of one that is made, and of one that has a passphrase. None:
  /// a key that is made has none.
  std::function<std::string()> passphrase = {};
  std::uint64_t max_key_bytes = 4'000'000'000;  ///< of evaluation keys that an offer may ask for
  /// Called with what is done ("keys", "sending keys", "sending images", "the server computes", "decrypt") and how much
  /// of it; false stops with Code::cancelled, on the server too. Images of one batch are encrypted while they are sent,
  /// on a second thread; of several before, which is told as "encrypt".
  std::function<bool(const std::string& what, std::size_t done, std::size_t total)> progress = {};
};

/// A model of a server, and this client's key for it.
/// threads: one call at a time; all cores, through threads of the C++ runtime
class OBSCURA_API RemoteClient {
 public:
  /// Fetches the model's offer from http://HOST[:PORT] or https://HOST[:PORT]. The key for its parameters is that of
  /// the folder, or is made now and kept there.
  /// errors  wrong_params: no URL, no folder, a certificate that is not trusted, an offer of somebody else than
  ///         `trust`, no token or not a valid one, a wrong passphrase; missing_key: no such model; infeasible: more
  ///         than max_key_bytes; io: no connection, or the folder cannot be written; bad_format: no such server;
  ///         cancelled
  static Result<RemoteClient> connect(const std::string& url, const std::string& model, RemoteOptions options);

  const Offer& offer() const { return offer_; }
  /// Whether connect() made the key.
  bool made_key() const;
  /// Images as for Client::encrypt. Evaluation keys are sent before, where the server has none of this client; an
  /// upload that broke off continues where it was. Images leave this process encrypted, the answer is decrypted here.
  /// errors  wrong_params: no image, or not whole images, or an answer that is not to these; io; busy: too much to do,
  ///         or over this client's quota: later; cancelled; what the server says, with its status
  Result<Answer> classify(std::span<const float> images) const;

 private:
  struct Internal;
  RemoteClient(Offer offer, std::shared_ptr<Internal> internal)
      : offer_(std::move(offer)), internal_(std::move(internal)) {}
  Offer offer_;
  std::shared_ptr<Internal> internal_;
};

}  // namespace obscura
