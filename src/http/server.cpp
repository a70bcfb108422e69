// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cctype>
#include <limits>
#include <thread>
#include <utility>

namespace obscura::http {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t kPieceBytes = std::size_t{1} << 16;
constexpr std::chrono::milliseconds kPause{50};

Head head_of(const bhttp::request_parser<bhttp::buffer_body>& parser) {
  Head head;
  const auto& message = parser.get();
  head.method = std::string(message.method_string());
  head.target = std::string(message.target());
  for (const auto& field : message) {
    std::string name(field.name_string());
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    head.headers[name] = std::string(field.value());
  }
  if (const auto length = parser.content_length()) head.length = *length;
  return head;
}

Response refusal(unsigned status, const std::string& sentence) {
  const std::string text = "{\"error\":\"" + sentence + "\"}\n";
  const auto bytes = base::as_bytes(text);
  Response response;
  response.status = status;
  response.body.assign(bytes.begin(), bytes.end());
  return response;
}

}  // namespace

std::string reason_of(unsigned status) {
  return std::string(bhttp::obsolete_reason(static_cast<bhttp::status>(status)));
}

struct Server::Internal {
  Internal(ServerOptions with, Route to)
      : options(std::move(with)), route(std::move(to)), acceptor(loop), workers(options.workers) {}

  asio::awaitable<void> accept() {
    for (;;) {
      error_code failed;
      auto socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, failed));
      if (failed == asio::error::operation_aborted) co_return;
      if (failed) {  // too many files are open, as a rule
        asio::steady_timer pause(loop, kPause);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
        continue;
      }
      if (connections.load() >= options.connections) continue;  // closed at once
      ++connections;
      asio::co_spawn(loop, serve(beast::tcp_stream(std::move(socket))),
                     [this](const std::exception_ptr&) { --connections; });
    }
  }

  /// One connection: requests, one after the other.
  asio::awaitable<void> serve(beast::tcp_stream stream) {
    beast::flat_buffer buffer(options.header_bytes + kPieceBytes);
    for (bool open = true; open && !stopping.load();) open = co_await serve_one(stream, buffer);
    error_code ignored;
    stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }

  /// Whether the connection serves for another request.
  asio::awaitable<bool> serve_one(beast::tcp_stream& stream, beast::flat_buffer& buffer) {
    bhttp::request_parser<bhttp::buffer_body> parser;
    parser.header_limit(options.header_bytes);
    parser.body_limit(std::numeric_limits<std::uint64_t>::max());  // Exchange::limit() is what holds
    error_code failed;
    stream.expires_after(options.idle);
    co_await bhttp::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, failed));
    if (failed == bhttp::error::header_limit) {
      co_return co_await send(stream, refusal(431, "the head of the request is too long"), false);
    }
    if (failed && failed.category() == bhttp::make_error_code(bhttp::error::bad_method).category() &&
        failed != bhttp::error::end_of_stream) {
      co_return co_await send(stream, refusal(400, "not a request of HTTP/1.1: " + failed.message()), false);
    }
    if (failed) co_return false;
    const Head head = head_of(parser);
    const std::unique_ptr<Exchange> exchange = route(head);
    if (auto known = exchange->at_once()) {
      co_return co_await send(stream, std::move(*known), parser.is_done() && parser.get().keep_alive());
    }
    if (head.length && *head.length > exchange->limit()) {
      const std::string sentence = "a body of " + std::to_string(*head.length) + " bytes; at most " +
                                   std::to_string(exchange->limit()) + " are taken here";
      co_return co_await send(stream, refusal(413, sentence), false);
    }
    if (const auto expects = head.headers.find("expect"); expects != head.headers.end()) {
      bhttp::response<bhttp::empty_body> go_on(bhttp::status::continue_, 11);
      co_await bhttp::async_write(stream, go_on, asio::redirect_error(asio::use_awaitable, failed));
      if (failed) co_return false;
    }
    if (auto early = co_await read_body(stream, buffer, parser, *exchange, failed)) {
      co_return co_await send(stream, std::move(*early), false);
    }
    if (failed) co_return false;
    Response response = co_await answer_of(*exchange);
    co_return co_await send(stream, std::move(response), parser.get().keep_alive());
  }

  asio::awaitable<std::optional<Response>> read_body(beast::tcp_stream& stream, beast::flat_buffer& buffer,
                                                     bhttp::request_parser<bhttp::buffer_body>& parser,
                                                     Exchange& exchange, error_code& failed) {
    std::vector<std::byte> piece(kPieceBytes);
    std::uint64_t taken = 0;
    while (!parser.is_done()) {
      auto& body = parser.get().body();
      body.data = piece.data();
      body.size = piece.size();
      stream.expires_after(options.idle);
      co_await bhttp::async_read_some(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, failed));
      if (failed == bhttp::error::need_buffer) failed = {};
      if (failed) co_return std::nullopt;
      const std::size_t got = piece.size() - parser.get().body().size;
      taken += got;
      if (taken > exchange.limit()) co_return refusal(413, "the body is longer than what is taken here");
      if (auto early = exchange.take({piece.data(), got})) co_return early;
    }
    co_return std::nullopt;
  }

  /// On a worker; this connection's coroutine sleeps meanwhile.
  asio::awaitable<Response> answer_of(Exchange& exchange) {
    Response response;
    asio::steady_timer done(loop, asio::steady_timer::time_point::max());
    asio::post(workers, [&] {
      try {
        response = exchange.answer();
      } catch (const std::exception&) {  // a bug, or no memory: one failed request, and not all of them
        response = refusal(500, "an internal error");
      }
      asio::post(loop, [&done] { done.cancel(); });
    });
    error_code woken;
    co_await done.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    co_return response;
  }

  asio::awaitable<bool> send(beast::tcp_stream& stream, Response response, bool keep_alive) {
    bhttp::response<bhttp::buffer_body> message(static_cast<bhttp::status>(response.status), 11);
    message.set(bhttp::field::content_type, response.type);
    for (const auto& [name, value] : response.headers) message.set(name, value);
    message.content_length(response.body.size() + (response.file ? response.file->remaining() : 0));
    message.keep_alive(keep_alive);
    bhttp::response_serializer<bhttp::buffer_body> serializer(message);
    error_code failed;
    stream.expires_after(options.idle);
    message.body().more = true;
    co_await bhttp::async_write_header(stream, serializer, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return false;
    std::vector<std::byte> piece = std::move(response.body);
    for (bool more = true; more;) {
      more = response.file && response.file->remaining() > 0;
      message.body().data = piece.data();
      message.body().size = piece.size();
      message.body().more = more;
      stream.expires_after(options.idle);
      co_await bhttp::async_write(stream, serializer, asio::redirect_error(asio::use_awaitable, failed));
      if (failed == bhttp::error::need_buffer) failed = {};
      if (failed) co_return false;
      if (!more) break;
      piece.resize(std::min<std::uint64_t>(kPieceBytes, response.file->remaining()));
      if (!response.file->read(piece).ok()) co_return false;
      more = true;
    }
    co_return keep_alive;
  }

  ServerOptions options;
  Route route;
  asio::io_context loop{1};
  asio::ip::tcp::acceptor acceptor;
  asio::thread_pool workers;
  std::atomic<std::size_t> connections{0};
  std::atomic<bool> stopping{false};
  std::thread thread;
};

Server::Server(std::unique_ptr<Internal> internal) : internal_(std::move(internal)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;

Server::~Server() {
  if (internal_ == nullptr) return;
  Internal& self = *internal_;
  self.stopping = true;
  asio::post(self.loop, [&self] { self.acceptor.close(); });
  self.workers.join();
  // Answers that are made are sent; connections that wait for a request are not waited for.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (self.connections.load() > 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  self.loop.stop();
  self.thread.join();
}

std::uint16_t Server::port() const { return internal_->acceptor.local_endpoint().port(); }

Result<Server> Server::start(const ServerOptions& options, Route route) {
  auto internal = std::make_unique<Internal>(options, std::move(route));
  Internal& self = *internal;
  error_code failed;
  const auto address = asio::ip::make_address(options.address, failed);
  if (failed) return error(Code::wrong_params, "{}: not an address of IPv4 or IPv6", options.address);
  const asio::ip::tcp::endpoint endpoint(address, options.port);
  self.acceptor.open(endpoint.protocol(), failed);
  if (!failed) self.acceptor.set_option(asio::socket_base::reuse_address(true), failed);
  if (!failed) self.acceptor.bind(endpoint, failed);
  if (!failed) self.acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (failed) return error(Code::io, "{}:{}: {}", options.address, options.port, failed.message());
  asio::co_spawn(self.loop, self.accept(), asio::detached);
  self.thread = std::thread([&self] { self.loop.run(); });
  return Server(std::move(internal));
}

}  // namespace obscura::http
