// SPDX-License-Identifier: Apache-2.0
/// What the tests of http share: bytes on a bare socket, and exchanges that answer as a function says.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "http/client.h"
#include "http/server.h"

namespace obscura::http {

inline Response text(unsigned status, const std::string& words) {
  Response response;
  response.status = status;
  const base::ByteView bytes = base::as_bytes(words);
  response.body.assign(bytes.begin(), bytes.end());
  return response;
}

inline std::string body_of(const Reply& reply) {
  return {reinterpret_cast<const char*>(reply.body.data()), reply.body.size()};
}

inline Url url_of(const Server& server) { return {"127.0.0.1", std::to_string(server.port())}; }

/// Whether it comes to be, in a time that a busy machine has too.
inline bool eventually(const std::function<bool()>& condition) {
  for (int k = 0; k < 6000; ++k) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

/// A connection to a server, without any knowledge of HTTP.
class Socket {
 public:
  explicit Socket(const Server& server) : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server.port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(descriptor_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  }
  Socket(const Socket&) = delete;
  ~Socket() { close(descriptor_); }
  void write(const std::string& bytes) const {
    EXPECT_EQ(::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// All that came up to these words, or to the connection's end.
  std::string read_until(const std::string& words) {
    char piece[4096];
    while (got_.find(words) == std::string::npos) {
      const ssize_t n = recv(descriptor_, piece, sizeof piece, 0);
      if (n <= 0) break;
      got_.append(piece, static_cast<std::size_t>(n));
    }
    return got_;
  }
  std::string read_all() { return read_until("(these words never come)"); }

 private:
  int descriptor_;
  std::string got_;
};

/// What comes back for these bytes, until the server ends the connection.
inline std::string raw(const Server& server, const std::string& bytes) {
  Socket socket(server);
  socket.write(bytes);
  return socket.read_all();
}

/// Counts the bytes of the body and answers as `answer` says; `alive`, where given, counts these exchanges.
class Scripted final : public Exchange {
 public:
  using Answer = std::function<Response(std::uint64_t bytes)>;
  explicit Scripted(Answer answer, std::atomic<int>* alive = nullptr) : answer_(std::move(answer)), alive_(alive) {
    if (alive_ != nullptr) ++*alive_;
  }
  Scripted(const Scripted&) = delete;
  ~Scripted() override {
    if (alive_ != nullptr) --*alive_;
  }
  std::uint64_t limit() const override { return std::uint64_t{100} << 20; }
  std::optional<Response> take(base::ByteView piece) override {
    bytes_ += piece.size();
    return std::nullopt;
  }
  Response answer() override { return answer_(bytes_); }

 private:
  Answer answer_;
  std::atomic<int>* alive_;
  std::uint64_t bytes_ = 0;
};

}  // namespace obscura::http
