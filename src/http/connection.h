// SPDX-License-Identifier: Apache-2.0
/// One connection of a server, whatever carries it. Internal to server.cpp.
#pragma once

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "http/beast.h"
#include "http/server.h"
#include "http/tls.h"

namespace obscura::http {

/// What all connections of a server share. The loop ends last of what runs: it holds the coroutines, which count here.
struct Shared {
  Shared(ServerOptions with, Route to) : options(std::move(with)), route(std::move(to)), workers(options.workers) {}

  ServerOptions options;
  Route route;
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> answering{0};  ///< requests that are whole and have no answer yet
  std::atomic<bool> stopping{false};
  asio::io_context loop{1};
  asio::thread_pool workers;
};

inline Response refusal(unsigned status, const std::string& sentence) {
  const std::string text = "{\"error\":\"" + sentence + "\"}\n";
  const auto bytes = base::as_bytes(text);
  Response response;
  response.status = status;
  response.body.assign(bytes.begin(), bytes.end());
  return response;
}

inline constexpr const char* kRequestHeader = "X-Request-Id";

/// What is told of a request when it has ended.
class Account {
 public:
  Account() : start_(std::chrono::steady_clock::now()) { told_.request = fmt::format("{:016x}", random_word()); }
  void begin(Head& head) {
    start_ = std::chrono::steady_clock::now();
    const auto given = head.headers.find("x-request-id");
    if (given != head.headers.end() && is_request_id(given->second)) told_.request = given->second;
    told_.method = head.method;
    told_.path = head.target.substr(0, head.target.find('?'));
    head.request = told_.request;
  }
  const std::string& request() const { return told_.request; }
  void answer(unsigned status) { told_.status = status; }
  void end(const ServerOptions& options) {
    if (!options.served || (told_.method.empty() && told_.status == 0)) return;  // a connection that nobody used
    told_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    options.served(told_);
  }

 private:
  static std::uint64_t random_word() {
    std::uint64_t word = 0;
    base::fill_random({reinterpret_cast<std::uint8_t*>(&word), sizeof word});
    return word;
  }
  Served told_;
  std::chrono::steady_clock::time_point start_;
};

/// Between two questions: short at first, so that what is quick is not slowed down, then longer.
class Pause {
 public:
  explicit Pause(asio::io_context& loop) : timer_(loop) {}
  void restart() { next_ = kFirst; }
  asio::awaitable<void> wait() {
    timer_.expires_after(next_);
    next_ = std::min(next_ * 2, kLongest);
    error_code ignored;
    co_await timer_.async_wait(into(ignored));
  }

 private:
  static constexpr std::chrono::milliseconds kFirst{2}, kLongest{50};
  asio::steady_timer timer_;
  std::chrono::milliseconds next_ = kFirst;
};

/// A request that is whole and has no answer yet.
class Answering {
 public:
  explicit Answering(Shared& shared) : shared_(shared) { ++shared_.answering; }
  Answering(const Answering&) = delete;
  ~Answering() { --shared_.answering; }

 private:
  Shared& shared_;
};

using Parser = bhttp::request_parser<bhttp::buffer_body>;

inline Head head_of(const Parser& parser, const std::string& client) {
  Head head;
  const auto& message = parser.get();
  head.method = std::string(message.method_string());
  head.target = std::string(message.target());
  head.headers = headers_of(message);
  if (const auto length = parser.content_length()) head.length = *length;
  head.client = client;
  return head;
}

/// Whether the client closed its side. Nothing is read: what it may have sent before stays for the next request.
template <class Stream>
bool gone(Stream& stream) {
  pollfd look{beast::get_lowest_layer(stream).socket().native_handle(), POLLRDHUP, 0};
  return ::poll(&look, 1, 0) > 0;
}

template <class Stream>
class Connection {
 public:
  Connection(Shared& shared, Stream stream)
      : shared_(shared), stream_(std::move(stream)), buffer_(shared.options.header_bytes + kPieceBytes) {}

  /// Requests, one after the other.
  asio::awaitable<void> run() {
    bool open = co_await shake_hands();
    while (open && !shared_.stopping.load()) open = co_await serve_one();
    co_await end();
  }

 private:
  static constexpr std::chrono::seconds kFarewell{1};
  static constexpr std::size_t kFarewellBytes = std::size_t{1} << 20;

  void expect_progress() { beast::get_lowest_layer(stream_).expires_after(shared_.options.idle); }

  asio::awaitable<bool> shake_hands() {
    if constexpr (kIsSecure<Stream>) {
      error_code failed;
      expect_progress();
      co_await stream_.async_handshake(asio::ssl::stream_base::server, into(failed));
      if (speaks_http(failed)) {
        const std::string answer =
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nThis port speaks TLS: https://\n";
        co_await asio::async_write(stream_.next_layer(), asio::buffer(answer), into(failed));
        co_return false;
      }
      if (failed) co_return false;
      secured_ = true;
      client_ = common_name_of_peer(stream_.native_handle());
    }
    co_return true;
  }

  /// Whether the connection serves for another request.
  asio::awaitable<bool> serve_one() {
    account_ = Account();
    const bool more = co_await serve_request();
    account_.end(shared_.options);
    co_return more;
  }

  asio::awaitable<bool> serve_request() {
    Parser parser;
    parser.header_limit(shared_.options.header_bytes);
    parser.body_limit(std::numeric_limits<std::uint64_t>::max());  // Exchange::limit() is what holds
    error_code failed;
    expect_progress();
    co_await bhttp::async_read_header(stream_, buffer_, parser, into(failed));
    if (failed == bhttp::error::header_limit) {
      co_return co_await send(refusal(431, "the head of the request is too long"), false);
    }
    if (failed && failed.category() == bhttp::make_error_code(bhttp::error::bad_method).category() &&
        failed != bhttp::error::end_of_stream) {
      co_return co_await send(refusal(400, "not a request of HTTP/1.1: " + failed.message()), false);
    }
    if (failed) co_return false;
    Head head = head_of(parser, client_);
    account_.begin(head);
    const std::unique_ptr<Exchange> exchange = shared_.route(head);
    if (auto known = exchange->at_once()) {
      co_return co_await respond(*exchange, std::move(known), parser.is_done() && parser.get().keep_alive());
    }
    if (head.length && *head.length > exchange->limit()) {
      const std::string sentence = "a body of " + std::to_string(*head.length) + " bytes; at most " +
                                   std::to_string(exchange->limit()) + " are taken here";
      co_return co_await send(refusal(413, sentence), false);
    }
    if (head.headers.count("expect") != 0) {
      bhttp::response<bhttp::empty_body> go_on(bhttp::status::continue_, 11);
      co_await bhttp::async_write(stream_, go_on, into(failed));
      if (failed) co_return false;
    }
    if (auto early = co_await read_body(parser, *exchange, failed)) {
      co_return co_await send(std::move(*early), false);
    }
    if (failed) co_return false;
    co_return co_await respond(*exchange, std::nullopt, parser.get().keep_alive());
  }

  asio::awaitable<std::optional<Response>> read_body(Parser& parser, Exchange& exchange, error_code& failed) {
    buffer_.reserve(kPieceBytes);
    std::vector<std::byte> piece(kPieceBytes);
    std::uint64_t taken = 0;
    while (!parser.is_done()) {
      auto& body = parser.get().body();
      body.data = piece.data();
      body.size = piece.size();
      expect_progress();
      co_await bhttp::async_read_some(stream_, buffer_, parser, into(failed));
      if (failed == bhttp::error::need_buffer) failed = {};
      if (failed) co_return std::nullopt;
      const std::size_t got = piece.size() - parser.get().body().size;
      taken += got;
      if (taken > exchange.limit()) co_return refusal(413, "the body is longer than what is taken here");
      if (auto early = exchange.take({piece.data(), got})) co_return early;
    }
    co_return std::nullopt;
  }

  /// Makes the answer, unless it is known, and sends it.
  asio::awaitable<bool> respond(Exchange& exchange, std::optional<Response> known, bool keep_alive) {
    Response response;
    {
      const Answering counted(shared_);
      // Counted first: who stops the server looks at what is counted after it said so.
      if (shared_.stopping.load()) co_return co_await send(refusal(503, "the server is ending"), false);
      if (known) {
        response = std::move(*known);
      } else {
        response = co_await answer_of(exchange);
      }
      if (!co_await settle(response)) co_return false;
    }
    if (response.events) co_return co_await send_events(response);
    co_return co_await send(std::move(response), keep_alive);
  }

  /// On a worker; this connection's coroutine sleeps meanwhile.
  asio::awaitable<Response> answer_of(Exchange& exchange) {
    Response response;
    asio::steady_timer done(shared_.loop, asio::steady_timer::time_point::max());
    asio::post(shared_.workers, [&] {
      try {
        response = exchange.answer();
      } catch (const std::exception&) {  // a bug, or no memory: one failed request, and not all of them
        response = refusal(500, "an internal error");
      }
      asio::post(shared_.loop, [&done] { done.cancel(); });
    });
    error_code woken;
    co_await done.async_wait(into(woken));
    co_return response;
  }

  /// Waits for what comes later. False: the client went away.
  asio::awaitable<bool> settle(Response& response) {
    Pause pause(shared_.loop);
    while (response.later) {
      if (gone(stream_)) co_return false;
      std::optional<Response> made;
      try {
        made = response.later();
      } catch (const std::exception&) {
        made = refusal(500, "an internal error");
      }
      if (made) {
        response = std::move(*made);
      } else {
        co_await pause.wait();
      }
    }
    co_return true;
  }

  template <class Message>
  void start(Message& message, const Response& response) {
    for (const auto& [name, value] : response.headers) message.set(name, value);
    message.set(kRequestHeader, account_.request());
    account_.answer(response.status);
  }

  asio::awaitable<bool> send_events(const Response& response) {
    bhttp::response<bhttp::empty_body> message(static_cast<bhttp::status>(response.status), 11);
    message.set(bhttp::field::content_type, "text/event-stream");
    message.set(bhttp::field::cache_control, "no-store");
    start(message, response);
    message.chunked(true);
    message.keep_alive(false);
    bhttp::response_serializer<bhttp::empty_body> serializer(message);
    error_code failed;
    expect_progress();
    co_await bhttp::async_write_header(stream_, serializer, into(failed));
    Pause pause(shared_.loop);
    auto spoken = std::chrono::steady_clock::now();
    while (!failed && !gone(stream_) && !shared_.stopping.load()) {
      std::optional<std::string> text = response.events();
      expect_progress();
      if (!text) {
        co_await asio::async_write(stream_, bhttp::make_chunk_last(), into(failed));
        break;
      }
      const auto now = std::chrono::steady_clock::now();
      if (text->empty() && now - spoken >= shared_.options.alive) *text = ":\n\n";
      if (text->empty()) {
        co_await pause.wait();
        continue;
      }
      co_await asio::async_write(stream_, bhttp::make_chunk(asio::buffer(*text)), into(failed));
      spoken = now;
      pause.restart();
    }
    co_return false;
  }

  asio::awaitable<bool> send(Response response, bool keep_alive) {
    bhttp::response<bhttp::buffer_body> message(static_cast<bhttp::status>(response.status), 11);
    message.set(bhttp::field::content_type, response.type);
    start(message, response);
    message.content_length(response.body.size() + (response.file ? response.file->remaining() : 0));
    message.keep_alive(keep_alive);
    bhttp::response_serializer<bhttp::buffer_body> serializer(message);
    error_code failed;
    expect_progress();
    message.body().more = true;
    co_await bhttp::async_write_header(stream_, serializer, into(failed));
    if (failed) co_return false;
    std::vector<std::byte> piece = std::move(response.body);
    for (bool more = true; more;) {
      more = response.file && response.file->remaining() > 0;
      message.body().data = piece.data();
      message.body().size = piece.size();
      message.body().more = more;
      expect_progress();
      co_await bhttp::async_write(stream_, serializer, into(failed));
      if (failed == bhttp::error::need_buffer) failed = {};
      if (failed) co_return false;
      if (!more) break;
      piece.resize(std::min<std::uint64_t>(kPieceBytes, response.file->remaining()));
      if (!response.file->read(piece).ok()) co_return false;
      more = true;
    }
    co_return keep_alive;
  }

  /// What the client still sends is taken for a moment: closing over it would take the answer away from the client too.
  asio::awaitable<void> end() {
    auto& lowest = beast::get_lowest_layer(stream_);
    lowest.expires_after(kFarewell);
    error_code failed;
    if constexpr (kIsSecure<Stream>) {
      if (secured_) co_await stream_.async_shutdown(into(failed));
      failed = {};
    }
    lowest.socket().shutdown(asio::ip::tcp::socket::shutdown_send, failed);
    std::vector<std::byte> piece(kPieceBytes);
    for (std::size_t taken = 0; !failed && taken < kFarewellBytes;) {
      taken += co_await lowest.async_read_some(asio::buffer(piece), into(failed));
    }
  }

  Shared& shared_;
  Stream stream_;
  beast::flat_buffer buffer_;
  Account account_;  ///< of the request that is served
  bool secured_ = false;
  std::string client_;  ///< whose certificate it is
};

template <class Stream>
asio::awaitable<void> serve(Shared& shared, Stream stream) {
  Connection<Stream> connection(shared, std::move(stream));
  co_await connection.run();
}

}  // namespace obscura::http
