// SPDX-License-Identifier: Apache-2.0
/// The client for JavaScript: functions of C over obscura::client, each of which gives a Reply that its caller frees.
/// Bytes come in memory that the caller took (malloc) and go in the reply's; nothing is in a file. An offer outlives
/// nothing: clients have a copy. web/src/module.ts is the other side.
#include <emscripten.h>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/random.h"
#include "client/client.h"
#include "web/describe.h"
#include "wire/plan_frame.h"

namespace obscura::web {

namespace {

/// A key in use: of its evaluation keys, those that are still to be made.
struct Holder {
  client::Client client;
  std::optional<client::KeyPieces> keys = {};
};

}  // namespace

struct Reply {
  std::string code;  ///< "" where all went well
  std::string text;  ///< the error's sentence, or JSON
  base::Bytes bytes;
  void* made = nullptr;
  bool secret = false;  ///< `bytes` are overwritten at the end
};

namespace {

/// What `body` gives, or why it gave nothing.
Reply* reply_of(const std::function<Result<Reply>()>& body) {
  auto reply = std::make_unique<Reply>();
  try {
    Result<Reply> made = body();
    if (made) {
      *reply = std::move(made).value();
    } else {
      *reply = Reply{base::to_string(made.error().code), made.error().message, {}, nullptr, false};
    }
  } catch (const std::bad_alloc&) {
    *reply = Reply{"infeasible", "the browser gave no more memory", {}, nullptr, false};
  } catch (const std::exception& e) {
    *reply = Reply{"internal", e.what(), {}, nullptr, false};
  }
  return reply.release();
}

base::ByteView view(const std::uint8_t* data, std::size_t size) { return std::as_bytes(std::span(data, size)); }

Reply with_bytes(base::Bytes bytes, void* made = nullptr) { return Reply{"", "", std::move(bytes), made, false}; }

}  // namespace

extern "C" {

/// What a reply is made of, and its end.
EMSCRIPTEN_KEEPALIVE const char* obscura_reply_code(const Reply* reply) { return reply->code.c_str(); }
EMSCRIPTEN_KEEPALIVE const char* obscura_reply_text(const Reply* reply) { return reply->text.c_str(); }
EMSCRIPTEN_KEEPALIVE const std::byte* obscura_reply_bytes(const Reply* reply) { return reply->bytes.data(); }
EMSCRIPTEN_KEEPALIVE std::size_t obscura_reply_size(const Reply* reply) { return reply->bytes.size(); }
EMSCRIPTEN_KEEPALIVE void* obscura_reply_made(const Reply* reply) { return reply->made; }
EMSCRIPTEN_KEEPALIVE void obscura_reply_free(Reply* reply) {
  if (reply->secret) base::zeroize(reply->bytes.data(), reply->bytes.size());
  delete reply;
}

/// An offer, and JSON that describes it.
EMSCRIPTEN_KEEPALIVE Reply* obscura_offer_read(const std::uint8_t* data, std::size_t size) {
  return reply_of([&]() -> Result<Reply> {
    base::InputFile file = base::InputFile::of_memory(view(data, size), "the offer");
    OBSCURA_TRY(plan::Offer offer, wire::read_offer(file));
    OBSCURA_TRY(std::string text, describe(offer));
    return Reply{"", std::move(text), {}, new plan::Offer(std::move(offer)), false};
  });
}
EMSCRIPTEN_KEEPALIVE void obscura_offer_free(plan::Offer* offer) { delete offer; }

/// A fresh secret key, or the one that obscura_client_secret gave.
EMSCRIPTEN_KEEPALIVE Reply* obscura_client_generate(const plan::Offer* offer) {
  return reply_of([&]() -> Result<Reply> {
    OBSCURA_TRY(client::Client made, client::Client::generate(*offer));
    return with_bytes({}, new Holder{std::move(made)});
  });
}
EMSCRIPTEN_KEEPALIVE Reply* obscura_client_load(const plan::Offer* offer, std::uint8_t* secret, std::size_t size) {
  return reply_of([&]() -> Result<Reply> {
    auto file = client::read_secret(view(secret, size), "the secret key");
    base::zeroize(secret, size);
    if (!file) return file.error();
    OBSCURA_TRY(client::Client made, client::Client::of_secret(*offer, std::move(file).value(), "the secret key"));
    return with_bytes({}, new Holder{std::move(made)});
  });
}
EMSCRIPTEN_KEEPALIVE void obscura_client_free(Holder* holder) { delete holder; }

/// The frame of the secret key: whoever has it decrypts everything.
EMSCRIPTEN_KEEPALIVE Reply* obscura_client_secret(const Holder* holder) {
  return reply_of([&]() -> Result<Reply> {
    OBSCURA_TRY(base::Bytes frame, holder->client.secret_frame(holder->client.trust(), nullptr));
    return Reply{"", "", std::move(frame), nullptr, true};
  });
}

/// {"key"}: the name under which a server keeps the evaluation keys.
EMSCRIPTEN_KEEPALIVE Reply* obscura_client_describe(const Holder* holder) {
  return reply_of([&]() -> Result<Reply> {
    return Reply{"", fmt::format(R"({{"key":"{}"}})", wire::hex(holder->client.key_name().key)), {}, nullptr, false};
  });
}

/// The next piece of the file of evaluation keys; no bytes after the last, and then they begin anew.
EMSCRIPTEN_KEEPALIVE Reply* obscura_client_next_key(Holder* holder) {
  return reply_of([&]() -> Result<Reply> {
    if (!holder->keys) {
      OBSCURA_TRY(holder->keys, client::KeyPieces::of(holder->client));
    }
    base::Bytes piece = holder->keys->next();
    if (piece.empty()) holder->keys.reset();
    return with_bytes(std::move(piece));
  });
}

/// Images of C*H*W values, 0 to 1, one after the other: the file of them encrypted, and what names it (client::Sent).
EMSCRIPTEN_KEEPALIVE Reply* obscura_client_encrypt(const Holder* holder, const float* values, std::size_t count) {
  return reply_of([&]() -> Result<Reply> {
    const client::Client& client = holder->client;
    OBSCURA_TRY(const client::ImageSource images, client::images_in(std::span(values, count), client.offer().input));
    base::Bytes bytes;
    bytes.reserve(static_cast<std::size_t>(client::encrypted_bytes(client, images.count)));
    auto out = base::OutputFile::to_sink([&](base::ByteView piece) -> Result<void> {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      return {};
    });
    OBSCURA_TRY(const client::Sent sent, client::encrypt(client, images, std::move(out)));
    return with_bytes(std::move(bytes), new client::Sent(sent));
  });
}
EMSCRIPTEN_KEEPALIVE void obscura_sent_free(client::Sent* sent) { delete sent; }

/// The server's answer to what was sent, as JSON; without `sent`, to anything that this key asked.
EMSCRIPTEN_KEEPALIVE Reply* obscura_client_decrypt(const Holder* holder, const client::Sent* sent,
                                                   const std::uint8_t* data, std::size_t size) {
  return reply_of([&]() -> Result<Reply> {
    client::DecryptOptions options;
    if (sent != nullptr) options.sent = *sent;
    base::InputFile in = base::InputFile::of_memory(view(data, size), "the answer");
    OBSCURA_TRY(const client::Logits logits, client::decrypt(holder->client, std::move(in), options));
    return Reply{"", describe(logits, holder->client.offer().output.answer), {}, nullptr, false};
  });
}

}  // extern "C"

}  // namespace obscura::web
