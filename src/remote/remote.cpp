// SPDX-License-Identifier: Apache-2.0
#include "remote/remote.h"

#include <algorithm>
#include <cstdlib>
#include <future>
#include <thread>
#include <utility>

#include "base/random.h"
#include "base/temporary.h"
#include "protocol/protocol.h"
#include "remote/pipe.h"
#include "wire/plan_frame.h"
#include "wire/signature.h"

namespace obscura::remote {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxOffer = std::uint64_t{1} << 24;
/// What the server does not compute in this time becomes a job, whose progress it tells.
constexpr const char* kPatience = "respond-async, wait=2";
constexpr int kTries = 5;  ///< of what breaks off
constexpr std::chrono::seconds kPause{1};
/// Of a load balancer, whose server did not answer.
constexpr unsigned kBadGateway = 502;
constexpr std::uint64_t kMaxAnswer = std::uint64_t{2} << 30;

/// Nobody waits for the pipe's bytes any more, however this scope ends.
struct Stopped {
  Pipe& pipe;
  ~Stopped() { pipe.stop(); }
};

std::string random_name() {
  base::Seed random{};
  base::fill_random(random);
  return wire::hex(std::span(random).first(8));
}

http::Call authorised(const RemoteOptions& options, const std::string& method, const std::string& target) {
  http::Call call;
  call.method = method;
  call.target = target;
  call.tls = options.tls;
  if (!options.token.empty()) call.headers["Authorization"] = "Bearer " + options.token;
  return call;
}

/// What the server says in an answer that is none of `expected`.
Result<http::Reply> expect(const http::Url& url, http::Call call, std::initializer_list<unsigned> expected) {
  const std::string target = call.target;
  OBSCURA_TRY(http::Reply reply, http::send(url, std::move(call)));
  if (std::find(expected.begin(), expected.end(), reply.status) != expected.end()) return reply;
  const Code code = reply.status == 404   ? Code::missing_key
                    : reply.status == 429 ? Code::busy
                    : reply.status < 500  ? Code::wrong_params
                                          : Code::io;
  std::string sentence = protocol::read_error(reply.body);
  if (!base::is_readable(sentence)) sentence = "it gave no reason";
  return error(code, "{}:{}{}: {}: {}", url.host, url.port, target, reply.status, sentence);
}

/// The key of a folder, or a new one there.
Result<client::Client> key_of(const plan::Offer& offer, const fs::path& folder, const RemoteOptions& options,
                              bool& made) {
  const fs::path secret = folder / "secret";
  made = !fs::exists(secret);
  if (made) {
    std::error_code failed;
    fs::create_directories(folder, failed);
    if (!failed) fs::permissions(folder, fs::perms::owner_all, failed);
    if (failed) return error(Code::io, "{}: {}", folder.string(), failed.message());
    OBSCURA_TRY(const client::KeyCost cost, client::cost_of_keys(offer));
    if (options.before_keys && cost.file_bytes <= options.max_keys) options.before_keys(cost);
    client::KeygenOptions how;
    how.max_bytes = options.max_keys;
    how.trust = options.trust;
    how.passphrase = options.new_passphrase;
    how.resources = options.resources;
    how.overwrite = true;  // of evaluation keys whose secret never came to be
    if (options.progress) {
      how.progress = [&](std::size_t done, std::size_t total) { return options.progress("keys", done, total); };
    }
    OBSCURA_TRY_VOID(client::keygen(offer, secret, folder / "eval", how));
  }
  client::SecretSource source(secret, made && options.new_passphrase ? options.new_passphrase : options.passphrase);
  source.trust = options.trust;
  return client::Client::load(offer, source, options.resources);
}

}  // namespace

RemoteClient::RemoteClient(http::Url url, std::string model, RemoteOptions options, client::Client client,
                           fs::path folder, bool made)
    : url_(std::move(url)),
      model_(std::move(model)),
      options_(std::move(options)),
      client_(std::move(client)),
      folder_(std::move(folder)),
      made_key_(made) {}

Result<RemoteClient> RemoteClient::connect(const std::string& url, const std::string& model, RemoteOptions options) {
  OBSCURA_TRY(http::Url to, http::parse_url(url));
  if (options.folder.empty()) return error(Code::wrong_params, "no folder for keys is named");
  if (!protocol::is_name(model)) {
    return error(Code::wrong_params, "{}: a model's name has 1 to 64 letters, digits, '.', '-' and '_'", model);
  }
  http::Call call = authorised(options, "GET", "/v2/models/" + model + "/offer");
  call.max_answer = kMaxOffer;
  OBSCURA_TRY(const http::Reply reply, expect(to, std::move(call), {200}));
  base::InputFile file = base::InputFile::of_memory(reply.body, "the offer of " + model);
  OBSCURA_TRY(const plan::Offer offer, wire::read_offer(file));
  if (options.trust) OBSCURA_TRY_VOID(wire::require_signer(offer.signer, *options.trust, "the offer of " + model));
  const fs::path folder = options.folder / "keys" / client::name_of_keys(offer);
  bool made = false;
  OBSCURA_TRY(client::Client client, key_of(offer, folder, options, made));
  return RemoteClient(std::move(to), model, std::move(options), std::move(client), folder, made);
}

base::Progress RemoteClient::part(const char* what) const {
  if (!options_.progress) return {};
  return [this, what](std::size_t done, std::size_t total) { return options_.progress(what, done, total); };
}

http::Call RemoteClient::call_to(const std::string& method, const std::string& target) const {
  return authorised(options_, method, target);
}

Result<void> RemoteClient::send_keys() {
  OBSCURA_TRY(base::InputFile keys, base::InputFile::open(folder_ / "eval"));
  Result<void> last = {};
  for (int tries = 0; tries < kTries; ++tries) {
    if (tries > 0) std::this_thread::sleep_for(kPause);
    OBSCURA_TRY(const bool there, send_rest_of(keys, last));
    if (there) return {};
  }
  return last;
}

/// One try, from where the server stands: whether it has them all. `failed` is why not, where another try may do.
Result<bool> RemoteClient::send_rest_of(base::InputFile& keys, Result<void>& failed) {
  const std::string target = "/v2/keys/" + wire::hex(client_.key_name().key);
  OBSCURA_TRY(const http::Reply there, expect(url_, call_to("GET", target), {200, 404}));
  if (there.status == 200) return true;
  const std::uint64_t total = keys.size();
  std::uint64_t first = protocol::read_received(there.body);
  if (first >= total) first = 0;  // of other keys of this name
  OBSCURA_TRY_VOID(keys.seek(first));
  http::Call put = call_to("PUT", target);
  put.headers["Content-Type"] = "application/octet-stream";
  if (first > 0) put.headers["Content-Range"] = fmt::format("bytes {}-{}/{}", first, total - 1, total);
  put.file = &keys;
  if (const auto told = part("sending keys")) {
    put.progress = [told, first, total](std::size_t done, std::size_t) { return told(first + done, total); };
  }
  const auto reply = expect(url_, std::move(put), {201});
  if (reply) return true;
  // The connection broke off, or what is there does not go together with this.
  if (reply.error().code != Code::io && first == 0) return reply.error();
  failed = reply.error();
  return false;
}

/// Of a job, until it has ended: its answer. The job outlives the server that tells of it, where others share its
/// database: what breaks off is asked again.
Result<http::Reply> RemoteClient::follow(const std::string& job) {
  for (int tries = 1;; ++tries) {
    Result<http::Reply> answer = follow_once(job);
    if (answer || answer.error().code != Code::io || tries == kTries) return answer;
    std::this_thread::sleep_for(kPause);
  }
}

Result<http::Reply> RemoteClient::follow_once(const std::string& job) {
  http::Call watch = call_to("GET", job + "/events");
  const auto told = part("the server computes");
  watch.event = [&](const http::Event& event) {
    const auto [done, total] = protocol::read_work(event.data);
    return !told || told(done, total);
  };
  watch.progress = [&](std::size_t, std::size_t) { return true; };
  const auto watched = expect(url_, std::move(watch), {200});
  if (!watched) {
    if (watched.error().code != Code::cancelled) return watched.error();
    return error(Code::cancelled, "stopped while {} computed; it stops too", url_.host);
  }
  http::Call get = call_to("GET", job + "/result");
  get.max_answer = kMaxAnswer;
  return expect(url_, std::move(get), {200});
}

/// A request whose encrypted images, so many bytes, come after its head.
http::Call RemoteClient::call_with(std::uint64_t bytes) const {
  const std::string head = protocol::write_request({random_name(), "", wire::hex(client_.key_name().key), bytes});
  http::Call call = call_to("POST", "/v2/models/" + model_ + "/infer");
  call.headers["Content-Type"] = "application/octet-stream";
  call.headers["Prefer"] = kPatience;
  call.headers[protocol::kHeadLength] = std::to_string(head.size());
  const base::ByteView text = base::as_bytes(head);
  call.body.assign(text.begin(), text.end());
  const base::Bytes prefix = protocol::write_prefix(bytes);
  call.body.insert(call.body.end(), prefix.begin(), prefix.end());
  call.progress = part("sending images");
  call.max_answer = kMaxAnswer;
  return call;
}

/// Images of one batch: sent while they are encrypted, and in no file.
Result<http::Reply> RemoteClient::stream_images(const client::ImageSource& images, client::Sent& sent) {
  Pipe pipe;
  auto encrypting = std::async(std::launch::async, [&]() -> Result<client::Sent> {
    try {
      auto out = base::OutputFile::to_sink([&](auto bytes) { return pipe.put(bytes); });
      auto encrypted = client::encrypt(client_, images, std::move(out));
      pipe.end(encrypted ? error(Code::io, "fewer bytes than images have") : encrypted.error());
      return encrypted;
    } catch (...) {
      pipe.end(error(Code::io, "the images could not be encrypted"));
      throw;
    }
  });
  const Stopped stopped{pipe};  // before the end of `encrypting`, which waits for its thread
  http::Call call = call_with(client::encrypted_bytes(client_, images.count));
  call.more = [&](std::span<std::byte> piece) { return pipe.take(piece); };
  call.more_bytes = client::encrypted_bytes(client_, images.count);
  auto reply = send_images(std::move(call));
  pipe.stop();
  Result<client::Sent> encrypted = encrypting.get();
  if (!reply || reply->status == kBadGateway) return reply;
  OBSCURA_TRY(sent, std::move(encrypted));
  return reply;
}

/// Images of several batches: a server does not wait for as long as the images of the next one may take to be read.
Result<http::Reply> RemoteClient::send_file_of_images(const client::ImageSource& images, client::Sent& sent) {
  const base::Temporary file(folder_ / ("request-" + random_name()));
  OBSCURA_TRY(base::OutputFile out, base::OutputFile::create(file.path(), {.overwrite = false, .secret = true}));
  OBSCURA_TRY(sent, client::encrypt(client_, images, std::move(out), part("encrypt")));
  OBSCURA_TRY(base::InputFile encrypted, base::InputFile::open(file.path()));
  http::Call call = call_with(encrypted.size());
  call.file = &encrypted;
  return send_images(std::move(call));
}

Result<http::Reply> RemoteClient::send_images(http::Call call) {
  OBSCURA_TRY(http::Reply reply, expect(url_, std::move(call), {200, 202, kBadGateway}));
  if (reply.status != 202) return reply;
  const auto location = reply.headers.find("location");
  const std::string job = location == reply.headers.end() ? "" : location->second;
  if (!job.starts_with("/v2/jobs/")) {
    return error(Code::bad_format, "{}:{}: a job of no name", url_.host, url_.port);
  }
  auto answer = follow(job);
  // Fetched, or not wanted any more.
  static_cast<void>(http::send(url_, call_to("DELETE", job)));
  return answer;
}

/// The answer to a request, which is made again where a server of several ended on it: the load balancer says so.
Result<http::Reply> RemoteClient::ask(const client::ImageSource& images, client::Sent& sent) {
  const bool one_batch = images.count <= client_.images_at_once();
  for (int tries = 1;; ++tries) {
    OBSCURA_TRY(http::Reply reply, one_batch ? stream_images(images, sent) : send_file_of_images(images, sent));
    if (reply.status != kBadGateway) return reply;
    if (tries == kTries) return error(Code::io, "{}:{}: no server answers behind it", url_.host, url_.port);
    std::this_thread::sleep_for(kPause);
  }
}

Result<client::Logits> RemoteClient::classify(const client::ImageSource& images) {
  OBSCURA_TRY_VOID(send_keys());
  client::Sent sent;
  OBSCURA_TRY(const http::Reply reply, ask(images, sent));
  const auto length = reply.headers.find(protocol::kHeadLength);
  const std::size_t json = length == reply.headers.end() ? 0 : std::strtoul(length->second.c_str(), nullptr, 10);
  if (json == 0 || json > protocol::kMaxHead || reply.body.size() < json + protocol::kPrefixBytes) {
    return error(Code::bad_format, "{}:{}: an answer without an encrypted answer", url_.host, url_.port);
  }
  const base::ByteView body(reply.body);
  OBSCURA_TRY(const protocol::TensorHead answer,
              protocol::read_answer(std::string(reinterpret_cast<const char*>(body.data()), json)));
  const base::ByteView tensor = body.subspan(json + protocol::kPrefixBytes);
  if (tensor.size() != answer.bytes) {
    return error(Code::bad_format, "{}:{}: an answer of {} bytes; it announced {}", url_.host, url_.port, tensor.size(),
                 answer.bytes);
  }
  return client::decrypt(client_, base::InputFile::of_memory(tensor, "the answer of " + url_.host),
                         {.progress = part("decrypt"), .sent = sent});
}

}  // namespace obscura::remote
