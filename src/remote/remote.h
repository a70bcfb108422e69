// SPDX-License-Identifier: Apache-2.0
/// The client of a service: from images to labels over a network. It makes keys once for each set of parameters and
/// keeps them, sends them where the server lacks them, encrypts, asks, and decrypts.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "client/client.h"
#include "http/client.h"

namespace obscura::remote {

struct RemoteOptions {
  /// Where keys are kept, a folder for each set of parameters (mode 0700).
  std::filesystem::path folder = {};
  std::uint64_t max_keys = std::uint64_t{4'000'000'000};  ///< bytes of keys that an offer may ask for
  std::optional<base::VerifyKey> trust = {};              ///< whose offers and answers alone are taken
  client::PassphraseSource new_passphrase = {};           ///< of a key that is made
  client::PassphraseSource passphrase = {};               ///< of a key that is there
  std::string token = {};                                 ///< of servers that want one
  http::ClientTls tls = {};                               ///< for https://
  /// Called before the first key is made.
  std::function<void(const client::KeyCost&)> before_keys = {};
  /// (what, done, total) from time to time; false stops with Code::cancelled.
  std::function<bool(const std::string& what, std::size_t done, std::size_t total)> progress = {};
  std::shared_ptr<ckks::Resources> resources = ckks::Resources::make();
};

class RemoteClient {
 public:
  /// Fetches the model's offer, and has a key for it: that of the folder, or a new one.
  /// errors  io: no server, no model; those of wire::read_offer and client::keygen
  static Result<RemoteClient> connect(const std::string& url, const std::string& model, RemoteOptions options = {});

  const plan::Offer& offer() const { return client_.offer(); }
  /// Whether connect() made the key.
  bool made_key() const { return made_key_; }
  /// The images' logits. Keys are sent before, where the server has none of this client; an upload that broke off goes
  /// on. What takes long is a job of the server: its progress is told, and where this stops, so does the job.
  /// errors  io; those of client::encrypt and client::decrypt; what the server says
  Result<client::Logits> classify(const client::ImageSource& images);

 private:
  RemoteClient(http::Url url, std::string model, RemoteOptions options, client::Client client,
               std::filesystem::path folder, bool made);
  Result<void> send_keys();
  Result<bool> send_rest_of(base::InputFile& keys, Result<void>& failed);
  http::Call call_to(const std::string& method, const std::string& target) const;
  http::Call call_with(std::uint64_t bytes) const;
  Result<http::Reply> send_images(http::Call call);
  Result<http::Reply> stream_images(const client::ImageSource& images, client::Sent& sent);
  Result<http::Reply> send_file_of_images(const client::ImageSource& images, client::Sent& sent);
  Result<http::Reply> follow(const std::string& job);
  Result<http::Reply> follow_once(const std::string& job);
  Result<http::Reply> ask(const client::ImageSource& images, client::Sent& sent);
  base::Progress part(const char* what) const;
  http::Url url_;
  std::string model_;
  RemoteOptions options_;
  client::Client client_;
  std::filesystem::path folder_;
  bool made_key_ = false;
};

}  // namespace obscura::remote
