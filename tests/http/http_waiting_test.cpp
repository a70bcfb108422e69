// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/http/support.h"

namespace obscura::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

/// /later answers once `ready` says so, /bug throws when it is asked, /events says one thing before that and one after.
class HttpWaiting : public ::testing::Test {
 protected:
  Server start(ServerOptions options = {}) {
    return Server::start(options, [this](const Head& head) { return exchange(head.target); }).value();
  }

  std::unique_ptr<Exchange> exchange(const std::string& target) {
    return std::make_unique<Scripted>(
        [this, target](std::uint64_t) {
          Response response = text(200, "at once");
          if (target == "/later") response.later = [this] { return later(); };
          if (target == "/bug") response.later = []() -> std::optional<Response> { throw std::runtime_error("a bug"); };
          if (target == "/events") response.events = [this, said = 0]() mutable { return event(said); };
          return response;
        },
        &alive_);
  }

  std::optional<Response> later() {
    ++asked_;
    if (!ready_) return std::nullopt;
    return text(200, "at last");
  }

  std::optional<std::string> event(int& said) {
    ++asked_;
    if (said == 2) return std::nullopt;
    if (said == 1 && !ready_) return "";
    return "event: step\ndata: " + std::to_string(++said) + "\n\n";
  }

  std::atomic<bool> ready_{false};
  std::atomic<int> alive_{0}, asked_{0};
};

TEST_F(HttpWaiting, ManyWaitForAnAnswerAndNobodyElseDoes) {
  ServerOptions options;
  options.workers = 1;
  const Server server = start(options);
  constexpr int kClients = 50;
  std::vector<std::thread> clients;
  std::atomic<int> right{0}, done{0};
  for (int k = 0; k < kClients; ++k) {
    clients.emplace_back([&] {
      Call call;
      call.target = "/later";
      const auto reply = send(url_of(server), std::move(call));
      right += reply.ok() && body_of(*reply) == "at last" ? 1 : 0;
      ++done;
    });
  }
  EXPECT_TRUE(eventually([&] { return alive_ == kClients && asked_ > kClients; }));
  EXPECT_EQ(body_of(send(url_of(server), {}).value()), "at once");
  EXPECT_EQ(done, 0);
  ready_ = true;
  for (std::thread& one : clients) one.join();
  EXPECT_EQ(right, kClients);
  EXPECT_TRUE(eventually([&] { return alive_ == 0; }));
}

TEST_F(HttpWaiting, TheConnectionServesOnAfterAnAnswerThatCameLater) {
  const Server server = start();
  Socket socket(server);
  socket.write("GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /bug HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return asked_ > 3; }));
  ready_ = true;
  EXPECT_THAT(socket.read_all(),
              ::testing::AllOf(HasSubstr("\r\n\r\nat lastHTTP/1.1 500"), HasSubstr("internal error")));
}

TEST_F(HttpWaiting, AClientThatGoesAwayEndsTheExchange) {
  const Server server = start();
  for (const char* target : {"/later", "/events"}) {
    const int before = asked_;
    {
      const Socket socket(server);
      socket.write(std::string("GET ") + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
      EXPECT_TRUE(eventually([&] { return asked_ > before + 3; }));
      EXPECT_EQ(alive_, 1);
    }
    EXPECT_TRUE(eventually([&] { return alive_ == 0; })) << target;
  }
}

TEST_F(HttpWaiting, TheServersEndWaitsForAnswersAndNotForEvents) {
  std::optional<Server> server = start();
  Socket later(*server), events(*server);
  later.write("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  events.write("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return alive_ == 2 && asked_ > 4; }));
  std::thread end([&] { server.reset(); });
  EXPECT_TRUE(eventually([&] { return alive_ == 1; })) << "the events";
  EXPECT_THAT(events.read_all(), ::testing::Not(HasSubstr("\r\n0\r\n"))) << "no whole answer";
  ready_ = true;
  EXPECT_THAT(later.read_all(), EndsWith("at last"));
  end.join();
}

TEST_F(HttpWaiting, EventsComeAsTheyAreSaid) {
  const Server server = start();
  Socket socket(server);
  socket.write("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string begin = socket.read_until("data: 1\n\n");
  EXPECT_THAT(begin, ::testing::AllOf(HasSubstr("HTTP/1.1 200"), HasSubstr("Content-Type: text/event-stream\r\n"),
                                      HasSubstr("Cache-Control: no-store\r\n"), HasSubstr("event: step\n"),
                                      ::testing::Not(HasSubstr("data: 2"))));
  ready_ = true;
  EXPECT_THAT(socket.read_all(), ::testing::AllOf(HasSubstr("data: 2\n\n"), EndsWith("\r\n0\r\n\r\n")));
}

TEST_F(HttpWaiting, EventsWithoutAWordGiveSignsOfLife) {
  ServerOptions options;
  options.alive = std::chrono::milliseconds(1);
  const Server server = start(options);
  Socket socket(server);
  socket.write("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(socket.read_until("\r\n:\n\n\r\n"), HasSubstr("\r\n:\n\n\r\n"));
}

}  // namespace
}  // namespace obscura::http
