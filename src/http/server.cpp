// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <thread>
#include <utility>

#include "http/connection.h"

namespace obscura::http {

std::string reason_of(unsigned status) {
  return std::string(bhttp::obsolete_reason(static_cast<bhttp::status>(status)));
}

bool is_request_id(const std::string& text) {
  constexpr std::size_t kMost = 64;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  };
  return !text.empty() && text.size() <= kMost && std::all_of(text.begin(), text.end(), allowed);
}

struct Server::Internal {
  Internal(const ServerOptions& options, Route route) : shared(options, std::move(route)), acceptor(shared.loop) {}

  asio::awaitable<void> accept() {
    for (;;) {
      error_code failed;
      auto socket = co_await acceptor.async_accept(into(failed));
      if (failed == asio::error::operation_aborted) co_return;
      if (failed) {  // too many files are open, as a rule
        asio::steady_timer pause(shared.loop, kPause);
        co_await pause.async_wait(into(failed));
        continue;
      }
      if (shared.connections.load() < shared.options.connections) take(std::move(socket));  // else closed at once
    }
  }

  void take(asio::ip::tcp::socket socket) {
    notice_death(socket.native_handle());
    ++shared.connections;
    const auto ended = [this](const std::exception_ptr&) { --shared.connections; };
    try {
      if (tls) {
        asio::co_spawn(shared.loop, serve(shared, Secure(Plain(std::move(socket)), *tls)), ended);
      } else {
        asio::co_spawn(shared.loop, serve(shared, Plain(std::move(socket))), ended);
      }
    } catch (const std::exception&) {  // no memory, for this one
      --shared.connections;
    }
  }

  /// A machine that lost its power or network closes nothing: 2 minutes without a sign of it end its connection.
  static void notice_death(int socket) {
    const std::pair<int, int> settings[] = {{TCP_KEEPIDLE, 60}, {TCP_KEEPINTVL, 10}, {TCP_KEEPCNT, 6}};
    for (const auto& [name, value] : settings) setsockopt(socket, IPPROTO_TCP, name, &value, sizeof value);
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }

  static constexpr std::chrono::milliseconds kPause{50};
  std::optional<asio::ssl::context> tls;
  Shared shared;
  asio::ip::tcp::acceptor acceptor;
  std::thread thread;
};

Server::Server(std::unique_ptr<Internal> internal) : internal_(std::move(internal)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;

Server::~Server() {
  if (internal_ == nullptr) return;
  Shared& shared = internal_->shared;
  constexpr std::chrono::milliseconds kLook{5};
  shared.stopping = true;
  asio::post(shared.loop, [this] { internal_->acceptor.close(); });
  while (shared.answering.load() > 0) std::this_thread::sleep_for(kLook);
  shared.workers.join();
  // Answers that are made are sent; connections that wait for a request are not waited for.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (shared.connections.load() > 0 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(kLook);
  shared.loop.stop();
  internal_->thread.join();
}

std::uint16_t Server::port() const { return internal_->acceptor.local_endpoint().port(); }

Result<Server> Server::start(const ServerOptions& options, Route route) {
  auto internal = std::make_unique<Internal>(options, std::move(route));
  Internal& self = *internal;
  if (options.tls) {
    OBSCURA_TRY(self.tls, server_context(*options.tls));
  }
  error_code failed;
  const auto address = asio::ip::make_address(options.address, failed);
  if (failed) return error(Code::wrong_params, "{}: not an address of IPv4 or IPv6", options.address);
  const asio::ip::tcp::endpoint endpoint(address, options.port);
  self.acceptor.open(endpoint.protocol(), failed);
  if (!failed) self.acceptor.set_option(asio::socket_base::reuse_address(true), failed);
  if (!failed) self.acceptor.bind(endpoint, failed);
  if (!failed) self.acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (failed) return error(Code::io, "{}:{}: {}", options.address, options.port, failed.message());
  asio::co_spawn(self.shared.loop, self.accept(), asio::detached);
  self.thread = std::thread([&self] { self.shared.loop.run(); });
  return Server(std::move(internal));
}

}  // namespace obscura::http
