// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cctype>
#include <utility>

#include "http/beast.h"
#include "http/tls.h"

namespace obscura::http {

namespace {

constexpr std::chrono::seconds kPieceWait{30};
constexpr std::chrono::seconds kEventWait{60};
constexpr std::chrono::milliseconds kAskEvery{200};  ///< whether to go on, also while the server is silent

/// One request and what is left of it when it ends.
template <class Stream>
class Sending {
 public:
  Sending(const Url& to, Call& call, Stream stream)
      : to_(to),
        call_(call),
        stream_(std::move(stream)),
        total_(call.body.size() + (call.file != nullptr ? call.file->remaining() : 0) + call.more_bytes) {}

  asio::awaitable<void> run() {
    asio::ip::tcp::resolver resolver(stream_.get_executor());
    error_code failed;
    const auto found = co_await resolver.async_resolve(to_.host, to_.port, into(failed));
    if (fail(failed, "cannot be found")) co_return;
    allow(kPieceWait);
    co_await beast::get_lowest_layer(stream_).async_connect(found, into(failed));
    if (fail(failed, "cannot be reached")) co_return;
    if (!co_await shake_hands()) co_return;
    co_await send_request();
    // A server that refuses a body may answer before it has read it.
    if (outcome_.ok() || (outcome_.error().code == Code::io && !incomplete_)) co_await read_answer();
  }

  /// Whether the caller still wants the answer; where not, the result is `cancelled`.
  bool wanted() {
    if (!call_.progress || call_.progress(sent_, total_)) return true;
    outcome_ = sent_ < total_ ? error(Code::cancelled, "stopped after {} of {} bytes", sent_, total_)
                              : error(Code::cancelled, "stopped while {}:{} had not answered yet", to_.host, to_.port);
    return false;
  }

  Result<Reply> result() {
    if (!outcome_.ok()) return outcome_.error();
    return std::move(reply_);
  }

 private:
  void allow(std::chrono::seconds time) { beast::get_lowest_layer(stream_).expires_after(time); }

  asio::awaitable<bool> shake_hands() {
    if constexpr (kIsSecure<Stream>) {
      outcome_ = expect_host(stream_.native_handle(), to_.host);
      if (!outcome_.ok()) co_return false;
      Doubt doubt;
      stream_.set_verify_callback([&doubt](bool good, asio::ssl::verify_context& checked) {
        if (!good) doubt = doubt_of(checked.native_handle());
        return good;
      });
      error_code failed;
      co_await stream_.async_handshake(asio::ssl::stream_base::client, into(failed));
      if (failed) outcome_ = explain(to_, failed, doubt);
    }
    co_return outcome_.ok();
  }

  bool fail(const error_code& failed, const char* what) {
    if (failed) outcome_ = error(Code::io, "{}:{} {}: {}", to_.host, to_.port, what, failed.message());
    return static_cast<bool>(failed);
  }

  asio::awaitable<void> send_request() {
    bhttp::request<bhttp::buffer_body> message(bhttp::string_to_verb(call_.method), call_.target, 11);
    message.set(bhttp::field::host, to_.host);
    message.set(bhttp::field::user_agent, "obscura");
    for (const auto& [name, value] : call_.headers) message.set(name, value);
    if (total_ > 0) message.content_length(total_);
    message.keep_alive(false);
    bhttp::request_serializer<bhttp::buffer_body> serializer(message);
    error_code failed;
    allow(kPieceWait);
    message.body().more = total_ > 0;
    co_await bhttp::async_write_header(stream_, serializer, into(failed));
    if (fail(failed, "broke off")) co_return;
    std::vector<std::byte> piece = std::move(call_.body);
    for (std::uint64_t given = 0; given < total_ || total_ == 0;) {
      given += piece.size();
      message.body() = {piece.data(), piece.size(), given < total_};
      allow(kPieceWait);
      co_await bhttp::async_write(stream_, serializer, into(failed));
      if (failed == bhttp::error::need_buffer) failed = {};
      if (fail(failed, "broke off")) co_return;
      sent_ = given;
      if (!wanted() || sent_ >= total_) co_return;
      outcome_ = next(piece, total_ - given);
      incomplete_ = !outcome_.ok();
      if (incomplete_) co_return;
    }
  }

  /// The next piece of a body of which so many bytes are left.
  Result<void> next(std::vector<std::byte>& piece, std::uint64_t left) {
    const bool of_file = left > call_.more_bytes;
    const std::uint64_t here = of_file ? left - call_.more_bytes : left;
    piece.resize(std::min<std::uint64_t>(kPieceBytes, here));
    return of_file ? call_.file->read(piece) : call_.more(piece);
  }

  asio::awaitable<void> read_answer() {
    bhttp::response_parser<bhttp::buffer_body> parser;
    parser.body_limit(call_.max_answer);
    beast::flat_buffer buffer;
    buffer.reserve(kPieceBytes);
    error_code failed;
    allow(call_.wait);
    co_await bhttp::async_read_header(stream_, buffer, parser, into(failed));
    if (is_alert(failed)) {  // of TLS 1.3, whose handshake ends before the server has seen this client's certificate
      outcome_ = explain(to_, failed, {});
      co_return;
    }
    if (failed && !outcome_.ok()) co_return;  // why sending broke off says more
    outcome_ = {};
    if (fail_to_read(failed)) co_return;
    reply_.status = parser.get().result_int();
    reply_.headers = headers_of(parser.get());
    const auto type = reply_.headers.find("content-type");
    const bool events = call_.event && type != reply_.headers.end() && type->second.rfind("text/event-stream", 0) == 0;
    if (events) parser.body_limit(boost::none);
    EventReader reader(call_.event, call_.max_answer);
    std::vector<std::byte> piece(kPieceBytes);
    while (!parser.is_done()) {
      auto& body = parser.get().body();
      body.data = piece.data();
      body.size = piece.size();
      allow(events ? kEventWait : kPieceWait);
      co_await bhttp::async_read_some(stream_, buffer, parser, into(failed));
      if (failed == bhttp::error::need_buffer) failed = {};
      if (fail_to_read(failed)) co_return;
      const base::ByteView got(piece.data(), piece.size() - parser.get().body().size);
      if (!events) {
        reply_.body.insert(reply_.body.end(), got.begin(), got.end());
      } else if (auto read = reader.feed(got); !read.ok()) {
        outcome_ = error(read.error().code, "{}:{}: {}", to_.host, to_.port, read.error().message);
        co_return;
      }
    }
  }

  bool fail_to_read(const error_code& failed) {
    if (failed != bhttp::error::body_limit) return fail(failed, reply_.status == 0 ? "gave no answer" : "broke off");
    outcome_ = error(Code::bad_format, "{}:{}: an answer of more than {} bytes", to_.host, to_.port, call_.max_answer);
    return true;
  }

  const Url& to_;
  Call& call_;
  Stream stream_;
  std::uint64_t total_;
  std::uint64_t sent_ = 0;
  Result<void> outcome_ = {};
  bool incomplete_ = false;  ///< the body, which the server waits for in vain
  Reply reply_;
};

template <class Stream>
Result<Reply> run(asio::io_context& loop, Sending<Stream> sending) {
  std::exception_ptr thrown;
  asio::co_spawn(loop, sending.run(), [&](const std::exception_ptr& e) { thrown = e; });
  do {
    loop.run_for(kAskEvery);
  } while (!loop.stopped() && sending.wanted());
  if (thrown) std::rethrow_exception(thrown);
  return sending.result();
}

}  // namespace

Result<Url> parse_url(const std::string& text) {
  static const std::string kPlain = "http://", kSecure = "https://";
  Url url;
  url.tls = text.rfind(kSecure, 0) == 0;
  if (!url.tls && text.rfind(kPlain, 0) != 0) {
    return error(Code::wrong_params, "{}: a server is named as http://HOST:PORT or https://HOST:PORT", text);
  }
  if (url.tls) url.port = "443";
  std::string rest = text.substr(url.tls ? kSecure.size() : kPlain.size());
  while (!rest.empty() && rest.back() == '/') rest.pop_back();
  const std::size_t colon = rest.rfind(':');
  const bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
  url.host = has_port ? rest.substr(0, colon) : rest;
  if (has_port) url.port = rest.substr(colon + 1);
  const bool digits =
      !url.port.empty() && url.port.size() <= 5 &&
      std::all_of(url.port.begin(), url.port.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  if (url.host.empty() || url.host.find('/') != std::string::npos || !digits) {
    return error(Code::wrong_params, "{}: a server is named as http://HOST:PORT or https://HOST:PORT", text);
  }
  if (url.host.front() == '[' && url.host.back() == ']') url.host = url.host.substr(1, url.host.size() - 2);
  return url;
}

Result<Reply> send(const Url& to, Call call) {
  asio::io_context loop(1);
  if (!to.tls) return run(loop, Sending<Plain>(to, call, Plain(loop)));
  OBSCURA_TRY(asio::ssl::context tls, client_context(call.tls));
  return run(loop, Sending<Secure>(to, call, Secure(loop, tls)));
}

}  // namespace obscura::http
