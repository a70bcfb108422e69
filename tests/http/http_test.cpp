// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "tests/http/support.h"

namespace obscura::http {
namespace {

using ::testing::HasSubstr;

/// Answers with the number of bytes that came; /early refuses after the first piece, /slow takes two seconds.
class Count final : public Exchange {
 public:
  explicit Count(const Head& head)
      : early_(head.target == "/early"), broken_(head.target == "/broken"), slow_(head.target == "/slow") {}
  std::uint64_t limit() const override { return std::uint64_t{100} << 20; }
  std::optional<Response> take(base::ByteView piece) override {
    if (early_) return text(400, "not this");
    bytes_ += piece.size();
    return std::nullopt;
  }
  Response answer() override {
    if (broken_) throw std::runtime_error("a bug");
    if (slow_) std::this_thread::sleep_for(std::chrono::seconds(2));
    return text(200, std::to_string(bytes_));
  }

 private:
  bool early_, broken_, slow_;
  std::uint64_t bytes_ = 0;
};

class Http : public ::testing::Test {
 protected:
  Server start(ServerOptions options = {}) const {
    return Server::start(options, [](const Head& head) { return std::make_unique<Count>(head); }).value();
  }
};

std::uint64_t memory_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stoull(line.substr(6));
  }
  return 0;
}

TEST_F(Http, TakesABodyLargerThanTheMemoryItMayTake) {
  const Server server = start();
  const std::string path = ::testing::TempDir() + "/http-body";
  {
    std::ofstream file(path, std::ios::binary);
    const std::string megabyte(1 << 20, 'x');
    for (int k = 0; k < 90; ++k) file << megabyte;
  }
  base::InputFile file = base::InputFile::open(path).value();
  [[maybe_unused]] const std::uint64_t before = memory_kilobytes();  // a sanitizer takes memory of its own
  Call call;
  call.method = "PUT";
  call.file = &file;
  std::uint64_t seen = 0;
  call.progress = [&](std::size_t done, std::size_t) {
    seen = done;
    return true;
  };
  const Reply reply = send(url_of(server), std::move(call)).value();
  std::filesystem::remove(path);
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(body_of(reply), std::to_string(90 << 20));
  EXPECT_EQ(seen, 90U << 20);
#ifndef __SANITIZE_ADDRESS__
  EXPECT_LT(memory_kilobytes() - before, 20'000U);
#endif
}

TEST_F(Http, RefusesABodyOverTheLimitBeforeItComes) {
  const Server server = start();
  EXPECT_THAT(raw(server, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 104857601\r\n\r\n"),
              ::testing::AllOf(HasSubstr("413"), HasSubstr("at most 104857600")));
  EXPECT_THAT(raw(server, "PUT /early HTTP/1.1\r\nHost: a\r\nContent-Length: 8000\r\n\r\n" + std::string(100, 'x')),
              HasSubstr("not this"));
}

TEST_F(Http, GarbageAndEndlessHeadsAreOneAnswer) {
  const Server server = start();
  EXPECT_THAT(raw(server, "\x16\x03\x01 this is TLS\r\n\r\n"), HasSubstr("400 Bad Request"));
  EXPECT_THAT(raw(server, "GET / HTTP/1.1\r\nA: " + std::string(40000, 'a') + "\r\n\r\n"), HasSubstr("431"));
  EXPECT_THAT(raw(server, "GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n"), HasSubstr("400"));
  EXPECT_THAT(raw(server, "GET /broken HTTP/1.1\r\nConnection: close\r\n\r\n"), HasSubstr("500"));
  EXPECT_EQ(send(url_of(server), {})->status, 200U) << "it goes on";
}

TEST_F(Http, WhoSaysNothingIsLetGo) {
  ServerOptions options;
  options.idle = std::chrono::seconds(1);
  const Server server = start(options);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(raw(server, "GET / HT"), "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST_F(Http, ServesRequestsOneAfterTheOtherAndManyConnections) {
  const Server server = start();
  const std::string two = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  const std::string answers = raw(server, two + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answers, ::testing::AllOf(HasSubstr("\r\n\r\n3HTTP/1.1 200 OK"), ::testing::EndsWith("\r\n\r\n0")));
  std::vector<std::thread> clients;
  std::atomic<int> right{0};
  for (int k = 0; k < 20; ++k) {
    clients.emplace_back([&] {
      Call call;
      call.method = "POST";
      call.body.resize(1000);
      const auto reply = send(url_of(server), std::move(call));
      right += reply.ok() && body_of(*reply) == "1000" ? 1 : 0;
    });
  }
  for (std::thread& one : clients) one.join();
  EXPECT_EQ(right, 20);
}

TEST_F(Http, AClientStopsWaitingWhenItIsTold) {
  const Server server = start();
  Call call;
  call.target = "/slow";
  const auto begin = std::chrono::steady_clock::now();
  call.progress = [&](std::size_t, std::size_t) {
    return std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(300);
  };
  const auto reply = send(url_of(server), std::move(call));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, Code::cancelled);
  EXPECT_THAT(reply.error().message, HasSubstr("had not answered yet"));
}

TEST_F(Http, ErrorsNameTheServer) {
  Url nowhere{"127.0.0.1", "1"};
  EXPECT_THAT(send(nowhere, {}).error().message, HasSubstr("127.0.0.1:1 cannot be reached"));
  for (const char* bad : {"ftp://a", "http://", "http://a:b", "http://a/b", "http://a:123456", "a"}) {
    EXPECT_FALSE(parse_url(bad).ok()) << bad;
  }
  EXPECT_EQ(parse_url("http://a.b:8080/")->port, "8080");
  EXPECT_EQ(parse_url("http://[::1]:80")->host, "::1");
  const Server server = start();
  ServerOptions same;
  same.port = server.port();
  const auto taken = Server::start(same, {});
  EXPECT_THAT(taken.error().message, HasSubstr("127.0.0.1:" + std::to_string(server.port())));
}

}  // namespace
}  // namespace obscura::http
