// SPDX-License-Identifier: Apache-2.0
/// The library's client of a service, by its public header.
#include "obscura/remote.h"

#include <signal.h>

#include "../service/service_fixture.h"
#include "http/certificate.h"
#include "service/exchanges.h"

namespace obscura::service {
namespace {

class Remote : public ServiceTest {
 protected:
  RemoteOptions options(const std::string& client = "alice") const {
    RemoteOptions out;
    out.folder = folder_ / client;
    return out;
  }
  Result<RemoteClient> connect(RemoteOptions how) const {
    return RemoteClient::connect(base(), "square", std::move(how));
  }
};

TEST_F(Remote, GivesLabelsAndProbabilitiesAndKeepsItsKey) {
  start();
  const auto client = connect(options());
  ASSERT_TRUE(client.ok()) << client.error().message;
  EXPECT_TRUE(client->made_key());
  EXPECT_GT(client->offer().key_bytes(), 0U);
  EXPECT_EQ(client->offer().answer(), "one");
  const Bytes offer = client->offer().bytes();
  EXPECT_EQ(Offer::read(offer)->bytes(), offer);
  const std::vector<float> pixels = testing::random_pixels(3);
  const auto answer = client->classify(pixels);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  const auto files = expected(testing::square_plan(), pixels);
  ASSERT_EQ(answer->images, 3U);
  ASSERT_EQ(answer->logits.size(), files.size());
  for (std::size_t i = 0; i < files.size(); ++i) EXPECT_NEAR(answer->logits[i], files[i], 1e-2) << i;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto row = files.begin() + static_cast<std::ptrdiff_t>(i * answer->classes);
    EXPECT_EQ(answer->label(i), std::max_element(row, row + static_cast<std::ptrdiff_t>(answer->classes)) - row) << i;
    EXPECT_EQ(answer->probabilities[i].size(), answer->classes);
  }
  const auto again = connect(options());
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->made_key());
  EXPECT_TRUE(again->classify(pixels).ok());
}

TEST_F(Remote, AsksAgainWhereALoadBalancerLostItsServer) {
  start();
  ASSERT_TRUE(connect(options("bob"))->classify(testing::random_pixels(1)).ok());
  const pid_t worker = service_->worker_process();
  ASSERT_GT(worker, 0);
  std::atomic<int> requests{0}, events{0};
  // Of each the first one is what a load balancer says whose server died. All that is accepted becomes a job at once,
  // and the worker stands still until the job has been watched, lest it is done before anyone asks.
  server_.emplace(http::Server::start({}, [&, route = service_->route()](const http::Head& head) {
                    const bool asks = head.method == "POST", watches = head.target.ends_with("/events");
                    if ((asks && requests++ == 0) || (watches && events++ == 0)) return refuse(502, "bad gateway");
                    if (watches) ::kill(worker, SIGCONT);
                    http::Head changed = head;
                    if (asks) changed.headers["prefer"] = "respond-async";
                    return route(changed);
                  }).value());
  const auto client = connect(options());
  ASSERT_TRUE(client.ok()) << client.error().message;
  const std::vector<float> pixels = testing::random_pixels(3);
  ::kill(worker, SIGSTOP);
  const auto answer = client->classify(pixels);
  ::kill(worker, SIGCONT);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  const auto files = expected(testing::square_plan(), pixels);
  for (std::size_t i = 0; i < files.size(); ++i) EXPECT_NEAR(answer->logits[i], files[i], 1e-2) << i;
  EXPECT_EQ(requests, 2);
  EXPECT_EQ(events, 2);
}

TEST_F(Remote, TellsWhatItDoesAndStops) {
  start();
  std::vector<std::string> steps;
  RemoteOptions how = options();
  how.progress = [&](const std::string& what, std::size_t done, std::size_t total) {
    EXPECT_LE(done, total);
    if (steps.empty() || steps.back() != what) steps.push_back(what);
    return true;
  };
  const std::vector<float> pixels = testing::random_pixels(2);
  auto client = connect(how);
  ASSERT_TRUE(client.ok()) << client.error().message;
  ASSERT_TRUE(client->classify(pixels).ok());
  for (const char* step : {"keys", "sending keys", "sending images", "decrypt"}) {
    EXPECT_THAT(steps, ::testing::Contains(step));
  }
  how.progress = [](const std::string& what, std::size_t, std::size_t) { return what != "sending images"; };
  client = connect(how);
  ASSERT_TRUE(client.ok());
  const auto stopped = client->classify(pixels);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, Code::cancelled) << stopped.error().message;
  how = options("bob");
  how.progress = [](const std::string& what, std::size_t, std::size_t) { return what != "keys"; };
  EXPECT_EQ(connect(how).error().code, Code::cancelled);
  EXPECT_TRUE(connect(options("bob"))->made_key()) << "nothing was kept of the key that was not finished";
  EXPECT_TRUE(nothing_incoming());
}

TEST_F(Remote, SealsTheSecretByAPassphrase) {
  start();
  RemoteOptions how = options();
  how.passphrase = [] { return std::string("correct horse"); };
  const std::vector<float> pixels = testing::random_pixels(1);
  ASSERT_TRUE(connect(how)->made_key());
  ASSERT_TRUE(connect(how)->classify(pixels).ok());
  EXPECT_THAT(connect(options()).error().message, HasSubstr("passphrase")) << "none is given";
  how.passphrase = [] { return std::string("wrong"); };
  EXPECT_EQ(connect(how).error().code, Code::wrong_params);
  how.passphrase = [] { return std::string(); };
  EXPECT_THAT(connect(how).error().message, HasSubstr("empty passphrase"));
}

TEST_F(Remote, RefusesWithOneSentence) {
  start();
  EXPECT_THAT(connect({}).error().message, HasSubstr("folder"));
  EXPECT_EQ(RemoteClient::connect("ftp://a", "square", options()).error().code, Code::wrong_params);
  EXPECT_EQ(RemoteClient::connect(base(), "../square", options()).error().code, Code::wrong_params);
  EXPECT_EQ(RemoteClient::connect(base(), "cube", options()).error().code, Code::missing_key);
  RemoteOptions how = options();
  how.max_key_bytes = 10;
  EXPECT_EQ(connect(how).error().code, Code::infeasible);
  how = options();
  how.trust = folder_ / "absent";
  EXPECT_EQ(connect(how).error().code, Code::io);
  const auto client = connect(options());
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(client->classify(std::vector<float>(5)).error().code, Code::wrong_params);
  stop();
  EXPECT_EQ(client->classify(testing::random_pixels(1)).error().code, Code::io);
}

TEST_F(Remote, ShowsItsTokenAndChecksTheServersCertificate) {
  const auto made = http::make_certificate({"127.0.0.1"}, 1).value();
  Flow::write(folder_ / "certificate.pem", base::as_bytes(made.certificate));
  Flow::write(folder_ / "key.pem", base::as_bytes(made.key));
  ServiceOptions service;
  service.worker = OBSCURA_SERVER;
  service.tokens = true;
  service_.emplace(Service::open(folder_ / "plans", service).value());
  http::ServerOptions http;
  http.tls = http::ServerTls{folder_ / "certificate.pem", folder_ / "key.pem"};
  server_.emplace(http::Server::start(http, service_->route()).value());
  const std::string url = "https://127.0.0.1:" + std::to_string(server_->port());
  RemoteOptions how = options();
  EXPECT_EQ(RemoteClient::connect(url, "square", how).error().code, Code::wrong_params) << "nobody whom it trusts";
  how.ca = folder_ / "certificate.pem";
  EXPECT_THAT(RemoteClient::connect(url, "square", how).error().message, HasSubstr("token"));
  how.token = open_store(folder_ / "plans")->add_token("alice", 0).value();
  const auto client = RemoteClient::connect(url, "square", how);
  ASSERT_TRUE(client.ok()) << client.error().message;
  EXPECT_TRUE(client->classify(testing::random_pixels(1)).ok());
}

}  // namespace
}  // namespace obscura::service
