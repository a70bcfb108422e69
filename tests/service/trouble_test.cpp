// SPDX-License-Identifier: Apache-2.0
/// What goes wrong around a server: its disk, its clock, its certificate, its port, its database. Each has a status or
/// an exit code and one sentence, and the server goes on.
#include <sys/mount.h>

#include <algorithm>
#include <fstream>

#include "http/certificate.h"
#include "service/configuration.h"
#include "service/tables.h"
#include "service_fixture.h"

namespace obscura::service {
namespace {

class TroubleTest : public ServiceTest {
 protected:
  struct Ended {
    int code = -1;
    std::string said;
  };
  /// `obscura-server serve`, which is to end by itself.
  Ended serve(const std::string& options, const char* folder = "plans") const {
    const std::string command =
        fmt::format("timeout 30 {} serve {} {} 2>&1", OBSCURA_SERVER, (folder_ / folder).string(), options);
    FILE* pipe = ::popen(command.c_str(), "r");
    Ended ended;
    char piece[512];
    while (std::fgets(piece, sizeof piece, pipe) != nullptr) ended.said += piece;
    const int status = ::pclose(pipe);
    ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return ended;
  }
  static void expect_one_sentence(const Ended& ended, const std::string& words) {
    EXPECT_EQ(ended.code, 1) << ended.said;
    EXPECT_THAT(ended.said, HasSubstr(words));
    EXPECT_EQ(std::count(ended.said.begin(), ended.said.end(), '\n'), 1) << ended.said;
  }
  void certify(std::chrono::system_clock::time_point from) const {
    const auto made = http::make_certificate({"127.0.0.1"}, 10, from).value();
    Flow::write(folder_ / "plans/certificate.pem", base::as_bytes(made.certificate));
    Flow::write(folder_ / "plans/key.pem", base::as_bytes(made.key));
    std::ofstream(folder_ / "plans/server.toml") << "[tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n";
  }
};

TEST_F(TroubleTest, AFullDiskIsAStatusAndTheServerGoesOn) {
  const fs::path state = folder_ / "plans/state";
  fs::create_directories(state);
  if (::mount("tmpfs", state.c_str(), "tmpfs", 0, "size=3m") != 0) GTEST_SKIP() << "no file system may be mounted here";
  start();
  const Body small = encrypted("alice", "square", testing::square_plan(), testing::random_pixels(1));
  const std::string much(std::size_t{4} << 20, 'x');
  const http::Reply keys = send("PUT", "/v2/keys/k", much);
  EXPECT_TRUE(keys.status == 507 || keys.status == 413) << keys.status;
  auto headers = small.headers;
  const std::string head = protocol::write_request({"r", "", small.key, much.size()});
  headers["Inference-Header-Content-Length"] = std::to_string(head.size());
  const base::Bytes prefix = protocol::write_prefix(much.size());
  const http::Reply images =
      send("POST", "/v2/models/square/infer",
           head + std::string(reinterpret_cast<const char*>(prefix.data()), prefix.size()) + much, headers);
  EXPECT_EQ(images.status, 507U);
  EXPECT_THAT(text(images), HasSubstr("disk is full"));
  EXPECT_TRUE(nothing_incoming());
  EXPECT_EQ(send("POST", "/v2/models/square/infer", small.bytes, small.headers).status, 200U) << "it goes on";
  stop();
  EXPECT_EQ(::umount2(state.c_str(), MNT_DETACH), 0);
}

TEST_F(TroubleTest, AClockThatJumpsTakesNoKeyAndNoTokenAway) {
  const Store store = open_store(folder_ / "plans").value();
  const std::string token = store.add_token("alice", 10).value();
  ASSERT_TRUE(store.put_key("alice", "k", 100).ok());
  const auto database = Database::open(folder_ / "plans/state/service.db", sqlite_tables()).value();
  // What was noted while the clock was a year ahead.
  ASSERT_TRUE(database.run("UPDATE keys SET used = used + 31536000").ok());
  ASSERT_TRUE(database.run("UPDATE tokens SET made = made + 31536000").ok());
  EXPECT_TRUE(store.keys_unused_since(now())->empty());
  EXPECT_EQ(*store.tenant_of(token).value(), "alice");
  ASSERT_TRUE(store.use_key("alice", "k").ok());
  EXPECT_LE(store.key("alice", "k").value()->used, now()) << "its time to live counts from the true time again";
  // And while it was a year behind: what expires does so at once, and not later.
  ASSERT_TRUE(database.run("UPDATE tokens SET expires = expires - 31536000").ok());
  EXPECT_FALSE(store.tenant_of(token)->has_value());
}

TEST_F(TroubleTest, AKeyThatExpiredIsSentAgain) {
  start();
  ASSERT_TRUE(classify("alice", "square", testing::random_pixels(1)).ok());
  const std::string key = fs::directory_iterator(folder_ / "plans/state/keys/local")->path().filename();
  EXPECT_EQ(send("DELETE", "/v2/keys/" + key).status, 200U);
  EXPECT_TRUE(classify("alice", "square", testing::random_pixels(1)).ok());
}

TEST_F(TroubleTest, AnExpiredCertificateIsSaidOnBothSides) {
  const auto long_ago = std::chrono::system_clock::now() - std::chrono::hours(24 * 100);
  certify(long_ago);
  expect_one_sentence(serve("--port 0"), "expired on");
  expect_one_sentence(serve("--check-config"), "expired on");
  certify(std::chrono::system_clock::now() + std::chrono::hours(24 * 100));
  expect_one_sentence(serve("--check-config"), "set the clock");
  // One that expired while the server ran.
  certify(long_ago);
  http::ServerOptions options;
  options.tls = http::ServerTls{folder_ / "plans/certificate.pem", folder_ / "plans/key.pem"};
  ServiceOptions with;
  with.worker = OBSCURA_SERVER;
  service_.emplace(Service::open(folder_ / "plans", with).value());
  server_.emplace(http::Server::start(options, service_->route()).value());
  auto how = options_of("alice");
  how.tls.ca = folder_ / "plans/certificate.pem";
  const auto refused = remote::RemoteClient::connect("https://127.0.0.1:" + url().port, "square", how);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("one of the two clocks is wrong"));
}

TEST_F(TroubleTest, APortThatIsTakenIsAnExitCode) {
  start();
  fs::create_directories(folder_ / "other");
  fs::copy(folder_ / "plans/square.plan", folder_ / "other/square.plan");
  const std::string taken = url().port;
  expect_one_sentence(serve("--port " + taken, "other"), "127.0.0.1:" + taken);
  EXPECT_EQ(send("GET", "/v2/health/ready").status, 200U);
}

TEST_F(TroubleTest, ADatabaseOfANewerVersionIsAnExitCode) {
  static_cast<void>(open_store(folder_ / "plans").value());
  const fs::path file = folder_ / "plans/state/service.db";
  ASSERT_TRUE(Database::open(file, std::vector<const char*>(7, ""))->run("PRAGMA user_version").ok());
  expect_one_sentence(serve("--port 0"), "newer");
}

TEST_F(TroubleTest, EachRequestHasANameInTheAnswerAndInTheLog) {
  std::vector<http::Served> log;
  std::mutex mutex;
  ServiceOptions with;
  with.worker = OBSCURA_SERVER;
  service_.emplace(Service::open(folder_ / "plans", with).value());
  http::ServerOptions options;
  options.served = [&](const http::Served& one) {
    const std::lock_guard lock(mutex);
    log.push_back(one);
  };
  server_.emplace(http::Server::start(options, service_->route()).value());
  EXPECT_EQ(send("GET", "/v2?a=b", "", {{"X-Request-Id", "my.request-1_A"}}).headers.at("x-request-id"),
            "my.request-1_A");
  const auto made = [](const std::string& name) {
    return name.size() == 16 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
  };
  for (const std::string& bad : {std::string("with space"), std::string(65, 'a'), std::string("\"}"), std::string()}) {
    const http::Reply reply = send("GET", "/nothing", "", {{"X-Request-Id", bad}});
    EXPECT_EQ(reply.status, 404U);
    EXPECT_TRUE(made(reply.headers.at("x-request-id"))) << reply.headers.at("x-request-id");
  }
  server_.reset();
  ASSERT_EQ(log.size(), 5U);
  EXPECT_EQ(log[0].request, "my.request-1_A");
  EXPECT_EQ(log[0].path, "/v2") << "no query, which may be secret";
  EXPECT_EQ(log[0].method, "GET");
  EXPECT_EQ(log[0].status, 200U);
  EXPECT_EQ(log[1].status, 404U);
  EXPECT_TRUE(made(log[1].request));
}

}  // namespace
}  // namespace obscura::service
