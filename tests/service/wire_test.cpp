// SPDX-License-Identifier: Apache-2.0
/// What goes over the wire: a relay between client and server keeps every byte of a session.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include "http/certificate.h"
#include "service/configuration.h"
#include "service_fixture.h"

namespace obscura::service {
namespace {

/// Listens on a free port and passes all on to another, both ways.
class Relay {
 public:
  explicit Relay(std::uint16_t to) : to_(to), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in own = loopback(0);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&own), sizeof own);
    ::listen(listener_, 64);
    socklen_t size = sizeof own;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&own), &size);
    port_ = ntohs(own.sin_port);
    accepting_ = std::thread([this] { accept(); });
  }
  ~Relay() {
    ::shutdown(listener_, SHUT_RDWR);
    ::close(listener_);
    accepting_.join();
    for (std::thread& one : passing_) one.join();
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  std::uint16_t port() const { return port_; }
  std::string seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return to;
  }
  void accept() {
    for (int client = 0; (client = ::accept(listener_, nullptr, nullptr)) >= 0;) {
      const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in to = loopback(to_);
      if (::connect(server, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) std::abort();
      passing_.emplace_back([this, client, server] {
        std::thread back([this, client, server] { pass(server, client); });
        pass(client, server);
        back.join();
        ::close(client);
        ::close(server);
      });
    }
  }
  void pass(int from, int to) {
    char piece[65536];
    for (ssize_t n = 0; (n = ::recv(from, piece, sizeof piece, 0)) > 0;) {
      {
        const std::lock_guard lock(mutex_);
        seen_.append(piece, static_cast<std::size_t>(n));
      }
      for (ssize_t sent = 0; sent < n;) {
        const ssize_t more = ::send(to, piece + sent, static_cast<std::size_t>(n - sent), MSG_NOSIGNAL);
        if (more <= 0) break;
        sent += more;
      }
    }
    ::shutdown(to, SHUT_WR);
  }

  std::uint16_t to_, port_ = 0;
  int listener_;
  std::mutex mutex_;
  std::string seen_;
  std::thread accepting_;
  std::vector<std::thread> passing_;
};

template <class Number>
std::string bytes_of(Number number) {
  std::string out(sizeof number, 0);
  std::memcpy(out.data(), &number, sizeof number);
  return out;
}

class WireTest : public ServiceTest {
 protected:
  /// Nothing of what only the client knows.
  static void expect_none(const std::string& seen, std::span<const float> numbers, const char* what) {
    ASSERT_FALSE(numbers.empty());
    for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) {
      // Two numbers one after the other: 4 bytes alone come about by chance.
      EXPECT_EQ(seen.find(bytes_of(numbers[i]) + bytes_of(numbers[i + 1])), std::string::npos) << what;
      EXPECT_EQ(seen.find(bytes_of<double>(numbers[i])), std::string::npos) << what;
      EXPECT_EQ(seen.find(fmt::format("{:.6f}", numbers[i])), std::string::npos) << what;
    }
  }
  std::string session(const http::ServerOptions& http, const std::string& scheme, const std::string& token,
                      const fs::path& ca) {
    ServiceOptions options;
    options.worker = OBSCURA_SERVER;
    options.tokens = !token.empty();
    service_.emplace(Service::open(folder_ / "plans", options).value());
    server_.emplace(http::Server::start(http, service_->route()).value());
    Relay relay(server_->port());
    auto remote_options = options_of("alice" + scheme);
    remote_options.token = token;
    remote_options.tls.ca = ca;
    const std::string url = scheme + "://127.0.0.1:" + std::to_string(relay.port());
    const std::vector<float> pixels = testing::random_pixels(3);
    auto remote = remote::RemoteClient::connect(url, "square", remote_options);
    EXPECT_TRUE(remote.ok()) << remote.error().message;
    const auto logits = remote->classify(client::images_in(pixels, remote->offer().input).value());
    EXPECT_TRUE(logits.ok()) << logits.error().message;
    const std::string seen = relay.seen();
    EXPECT_GT(seen.size(), 100'000U) << "keys, images and the answer went through it";
    expect_none(seen, pixels, "pixels");
    expect_none(seen, logits->values, "logits");
    return seen;
  }
};

TEST_F(WireTest, HasNoImageAndNoAnswerWithoutTls) {
  const std::string seen = session({}, "http", "", "");
  EXPECT_THAT(seen, HasSubstr("POST /v2/models/square/infer")) << "the relay sees what there is to see";
}

TEST_F(WireTest, HasNoWordInTheClearWithTls) {
  const auto made = http::make_certificate({"127.0.0.1"}, 1).value();
  Flow::write(folder_ / "certificate.pem", base::as_bytes(made.certificate));
  Flow::write(folder_ / "key.pem", base::as_bytes(made.key));
  http::ServerOptions http;
  http.tls = http::ServerTls{folder_ / "certificate.pem", folder_ / "key.pem"};
  const std::string token = open_store(folder_ / "plans")->add_token("alice", 0).value();
  const std::string seen = session(http, "https", token, folder_ / "certificate.pem");
  for (const std::string& word : {std::string("square"), std::string("HTTP"), token, std::string("encrypted_images")}) {
    EXPECT_EQ(seen.find(word), std::string::npos) << word;
  }
}

}  // namespace
}  // namespace obscura::service
