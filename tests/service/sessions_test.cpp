// SPDX-License-Identifier: Apache-2.0
/// Sessions of a client, changed at random but the same each time, at a server's socket: it answers or hangs up, keeps
/// nothing of them and does not grow. OBSCURA_SESSION_SECONDS=600 service_sessions_test does so for ten minutes.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include "service_fixture.h"

namespace obscura::service {
namespace {

std::string request_text(const std::string& method, const std::string& target, const std::string& body = "",
                         const std::map<std::string, std::string>& headers = {}) {
  std::string out = fmt::format("{} {} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n", method, target, body.size());
  for (const auto& [name, value] : headers) out += fmt::format("{}: {}\r\n", name, value);
  return out + "\r\n" + body;
}

/// Sends bytes as they are, hangs up its side, and reads to the end. Whether the server ended it within 20 s.
bool ends(std::uint16_t port, const std::string& bytes, std::string& answer) {
  const int at = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{20, 0};
  ::setsockopt(at, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ssize_t n = ::connect(at, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  for (std::size_t sent = 0; n == 0 && sent < bytes.size();) {
    const ssize_t some = ::send(at, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (some <= 0) break;
    sent += static_cast<std::size_t>(some);
  }
  ::shutdown(at, SHUT_WR);
  char piece[65536];
  while ((n = ::recv(at, piece, sizeof piece, 0)) > 0) answer.append(piece, static_cast<std::size_t>(n));
  const bool late = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  ::close(at);
  return !late;
}

class Sessions : public ServiceTest {
 protected:
  /// All that a client says from the offer to the answer, on one connection.
  std::vector<std::string> record() {
    const Body body = encrypted("alice", "square", testing::square_plan(), testing::random_pixels(2));
    const std::string key(1000, 'k');
    return {request_text("GET", "/v2/models/square/offer"),
            request_text("GET", "/v2/keys/" + body.key),
            request_text("PUT", "/v2/keys/other", key, {{"Content-Range", "bytes 0-999/2000"}}),
            request_text("PUT", "/v2/keys/other", key, {{"Content-Range", "bytes 1000-1999/2000"}}),
            request_text("POST", "/v2/models/square/infer", body.bytes, body.headers),
            request_text("GET", "/v2/jobs/1"),
            request_text("DELETE", "/v2/keys/other"),
            request_text("GET", "/metrics")};
  }
  std::string mutated(const std::vector<std::string>& session) {
    std::string out;
    for (const std::string& one : session) {
      if (below(4) == 0) out += one;
    }
    if (out.empty()) out = session[below(session.size())];
    for (std::size_t k = 1 + below(6); k > 0 && !out.empty(); --k) {
      // Heads say the most: half of the changes fall into the first kilobyte.
      const std::size_t at = below(below(2) == 0 ? std::min<std::size_t>(out.size(), 1024) : out.size());
      switch (below(5)) {
        case 0:
          out[at] = static_cast<char>(below(256));
          break;
        case 1:
          out.erase(at, 1 + below(64));
          break;
        case 2:
          out.insert(at, out.substr(below(out.size()), 1 + below(64)));
          break;
        case 3:
          out.insert(at, kWords[below(std::size(kWords))]);
          break;
        default:
          out.resize(at);
          break;
      }
    }
    return out;
  }
  std::size_t below(std::size_t n) { return random_() % n; }

  static constexpr const char* kWords[] = {"\r\n",
                                           "\r\n\r\n",
                                           "-1",
                                           "99999999999999999999",
                                           "Transfer-Encoding: chunked\r\n",
                                           "Content-Length: 5\r\n",
                                           "Expect: 100-continue\r\n",
                                           "/../",
                                           "%00",
                                           "HTTP/1.0"};
  std::mt19937_64 random_{20};
};

TEST_F(Sessions, ChangedAtRandomLeaveTheServerAsItWas) {
  start();
  const std::vector<std::string> session = record();
  const char* seconds = std::getenv("OBSCURA_SESSION_SECONDS");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds == nullptr ? 0 : std::atoi(seconds));
  std::size_t tried = 0, refused = 0;
  [[maybe_unused]] std::uint64_t early = 0;
  for (; tried < 300 || std::chrono::steady_clock::now() < end; ++tried) {
    const std::string bytes = mutated(session);
    std::string answer;
    ASSERT_TRUE(ends(server_->port(), bytes, answer)) << tried << ": no end of " << bytes.substr(0, 400);
    EXPECT_THAT(answer, ::testing::AnyOf("", ::testing::StartsWith("HTTP/1."))) << tried;
    EXPECT_EQ(answer.find(folder_.string()), std::string::npos) << tried << ": a path of the server";
    refused += answer.find(" 4") == 8 ? 1 : 0;
    if (tried == 150) early = resident();
    if (tried % 50 == 0) {
      ASSERT_EQ(send("GET", "/v2/health/ready").status, 200U) << tried;
    }
  }
  EXPECT_GT(refused, tried / 20) << "changes were noticed";
#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed
  EXPECT_LT(resident(), early + 64'000'000);
#endif
  EXPECT_TRUE(nothing_incoming());
  EXPECT_TRUE(classify("bob", "square", testing::random_pixels(1)).ok()) << "and it goes on";
  std::printf("%zu sessions, %zu refused at the first request\n", tried, refused);
}

}  // namespace
}  // namespace obscura::service
