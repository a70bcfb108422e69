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

TEST_F(HttpWaiting, AClientGetsEventsWhileTheAnswerIsUnderWay) {
  const Server server = start();
  Call call;
  call.target = "/events";
  std::vector<std::string> got;
  call.event = [&](const Event& event) {
    got.push_back(event.name + " " + event.data);
    ready_ = true;  // the second event does not come without this
    return true;
  };
  const Reply reply = send(url_of(server), std::move(call)).value();
  EXPECT_EQ(reply.status, 200U);
  EXPECT_THAT(got, ::testing::ElementsAre("step 1", "step 2"));
  EXPECT_TRUE(reply.body.empty());
}

TEST_F(HttpWaiting, AClientStopsEventsOrWaitingForThem) {
  const Server server = start();
  Call call;
  call.target = "/events";
  call.event = [](const Event&) { return false; };
  EXPECT_EQ(send(url_of(server), call).error().code, Code::cancelled);
  std::atomic<bool> seen{false};
  call.event = [&](const Event&) { return seen = true; };
  call.progress = [&](std::size_t, std::size_t) { return !seen; };
  EXPECT_EQ(send(url_of(server), call).error().code, Code::cancelled);
  EXPECT_TRUE(eventually([&] { return alive_ == 0; }));
  call.target = "/other";
  call.progress = {};
  EXPECT_EQ(body_of(send(url_of(server), call).value()), "at once") << "no events, and an answer all the same";
}

TEST(HttpEvents, AreReadHoweverTheyAreCut) {
  const std::string stream =
      ": hello\n\nevent: a\ndata: 1\ndata:2\r\n\r\nid: 7\ndata\n\ndata:  x:y\r\revent: b\n\ndata: whole\n\ndata: not";
  for (std::size_t cut = 1; cut < 20; ++cut) {
    std::vector<std::string> got;
    EventReader reader([&](const Event& e) { return got.push_back(e.name + "|" + e.data), true; }, 20);
    for (std::size_t at = 0; at < stream.size(); at += cut) {
      EXPECT_TRUE(reader.feed(base::as_bytes(stream).subspan(at, std::min(cut, stream.size() - at))).ok());
    }
    EXPECT_THAT(got, ::testing::ElementsAre("a|1\n2", "message|", "message| x:y", "message|whole")) << cut;
  }
}

TEST(HttpEvents, AreBounded) {
  const auto take = [](const Event&) { return true; };
  EXPECT_EQ(EventReader(take, 100).feed(base::as_bytes(std::string(101, 'x'))).error().code, Code::bad_format);
  std::string lines;
  for (int k = 0; k < 30; ++k) lines += "data: 12345\n";
  EXPECT_THAT(EventReader(take, 100).feed(base::as_bytes(lines)).error().message, HasSubstr("more than 100 bytes"));
  lines.clear();
  for (int k = 0; k < 300; ++k) lines += "data\n";
  EXPECT_FALSE(EventReader(take, 100).feed(base::as_bytes(lines)).ok());
}

}  // namespace
}  // namespace obscura::http
