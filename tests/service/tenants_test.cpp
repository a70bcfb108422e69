// SPDX-License-Identifier: Apache-2.0
/// Tokens, what belongs to whom, and uploads that break off.
#include <fstream>

#include "service/configuration.h"
#include "service_fixture.h"

namespace obscura::service {
namespace {

class TenantsTest : public ServiceTest {
 protected:
  void start_with_tokens() {
    Store store = this->store();
    alice_ = store.add_token("alice", 0).value();
    bob_ = store.add_token("bob", 1).value();
    options_.tokens = true;
    start(options_);
  }
  http::Reply as(const std::string& token, const std::string& method, const std::string& target,
                 const std::string& body = "", std::map<std::string, std::string> headers = {}) const {
    headers["Authorization"] = "Bearer " + token;
    return send(method, target, body, headers);
  }
  std::string alice_, bob_;
  ServiceOptions options_;
};

TEST_F(TenantsTest, WithoutATokenNothingIsTold) {
  start_with_tokens();
  for (const char* path : {"/v2/models/square", "/v2/keys/a", "/v2/jobs/a", "/v2/models/square/offer"}) {
    const http::Reply reply = send("GET", path);
    EXPECT_EQ(reply.status, 401U) << path;
    EXPECT_EQ(reply.headers.at("www-authenticate"), "Bearer");
    EXPECT_EQ(as("obscura_wrong", "GET", path).status, 401U);
  }
  EXPECT_EQ(send("GET", "/v2/health/ready").status, 200U);
  EXPECT_EQ(as(alice_, "GET", "/v2/models/square").status, 200U);
  EXPECT_FALSE(classify("alice", "square", testing::random_pixels(1)).ok());
  auto options = options_of("alice");
  options.token = alice_;
  auto remote = remote::RemoteClient::connect(base(), "square", options);
  ASSERT_TRUE(remote.ok()) << remote.error().message;
  EXPECT_TRUE(remote->classify(client::images_in(testing::random_pixels(1), remote->offer().input).value()).ok());
}

TEST_F(TenantsTest, KeysOfOthersAreNotThere) {
  start_with_tokens();
  auto options = options_of("alice");
  options.token = alice_;
  auto remote = remote::RemoteClient::connect(base(), "square", options);
  ASSERT_TRUE(remote->classify(client::images_in(testing::random_pixels(1), remote->offer().input).value()).ok());
  const std::string key = fs::directory_iterator(folder_ / "plans/state/keys/alice")->path().filename();
  EXPECT_EQ(as(alice_, "GET", "/v2/keys/" + key).status, 200U);
  EXPECT_EQ(as(bob_, "GET", "/v2/keys/" + key).status, 404U);
  EXPECT_EQ(as(bob_, "DELETE", "/v2/keys/" + key).status, 404U);
  EXPECT_EQ(as(alice_, "GET", "/v2/keys/" + key).status, 200U) << "still there";
}

TEST_F(TenantsTest, ARevokedTokenIsRefusedAtOnce) {
  start_with_tokens();
  EXPECT_EQ(as(bob_, "GET", "/v2/models/square").status, 200U);
  const Store store = this->store();  // as another process does
  EXPECT_TRUE(store.revoke(bob_.substr(0, 16)).value());
  EXPECT_FALSE(store.revoke("obscura_nobody").value());
  EXPECT_EQ(as(bob_, "GET", "/v2/models/square").status, 401U);
  EXPECT_EQ(as(alice_, "GET", "/v2/models/square").status, 200U);
  EXPECT_TRUE(store.tokens()->back().revoked || store.tokens()->front().revoked);
}

TEST_F(TenantsTest, NoTokenIsKeptInTheClear) {
  start_with_tokens();
  stop();
  for (const auto& file : fs::recursive_directory_iterator(folder_ / "plans")) {
    if (!file.is_regular_file()) continue;
    const base::Bytes bytes = base::read_file(file.path(), 1U << 30).value();
    const std::string all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    EXPECT_EQ(all.find(alice_.substr(20)), std::string::npos) << file.path();
  }
}

TEST_F(TenantsTest, AQuotaOfKeysHolds) {
  options_.key_quota = 100;
  start_with_tokens();
  const http::Reply reply = as(alice_, "PUT", "/v2/keys/k", std::string(101, 'x'));
  EXPECT_EQ(reply.status, 413U);
  EXPECT_THAT(text(reply), HasSubstr("quota of 100"));
}

TEST_F(TenantsTest, AnUploadThatBrokeOffGoesOn) {
  start();
  const Flow flow(testing::square_plan());
  const base::Bytes keys = flow.read("eval");
  const std::string all(reinterpret_cast<const char*>(keys.data()), keys.size());
  const std::size_t total = all.size();
  const auto piece = [&](std::size_t first, std::size_t last) {
    return send("PUT", "/v2/keys/k", all.substr(first, last - first + 1),
                {{"Content-Range", fmt::format("bytes {}-{}/{}", first, last, total)}});
  };
  EXPECT_EQ(piece(0, total / 3).status, 202U);
  EXPECT_EQ(json("GET", "/v2/keys/k").at("received"), total / 3 + 1);
  stop();
  start();
  const http::Reply hole = piece(total / 2, total - 1);
  EXPECT_EQ(hole.status, 409U) << "bytes would be missing";
  EXPECT_EQ(nlohmann::json::parse(text(hole)).at("received"), total / 3 + 1);
  EXPECT_EQ(piece(total / 3 + 1, total - 1).status, 201U);
  EXPECT_EQ(json("GET", "/v2/keys/k").at("bytes"), total);
  EXPECT_EQ(base::read_file(folder_ / "plans/state/keys/local/k", 1U << 30).value(), keys);
  for (const char* bad : {"bytes 5-4/10", "bytes 0-10/10", "bytes 0-9", "0-9/10", "bytes -1-9/10"}) {
    EXPECT_EQ(send("PUT", "/v2/keys/b", "0123456789", {{"Content-Range", bad}}).status, 400U) << bad;
  }
}

TEST_F(TenantsTest, WhatWasAskedIsInTheAuditLogAndInNoOtherWords) {
  start();
  ASSERT_TRUE(classify("alice", "square", testing::random_pixels(3)).ok());
  const auto events = store().events(10).value();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(service::text(events[0][2]), "keys");
  EXPECT_EQ(service::text(events[1][2]), "infer");
  EXPECT_EQ(number(events[1][6]), 3);
  EXPECT_EQ(service::text(events[1].back()), "done");
}

TEST_F(TenantsTest, MetricsCount) {
  start();
  ASSERT_TRUE(classify("alice", "square", testing::random_pixels(3)).ok());
  const std::string metrics = text(send("GET", "/metrics"));
  EXPECT_THAT(metrics, HasSubstr("obscura_jobs_total{state=\"done\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("obscura_images_total 3"));
}

TEST_F(TenantsTest, AStoreOfANewerVersionIsNotTouched) {
  if (database_.shared()) GTEST_SKIP() << "of PostgreSQL: StoreTest.OneOfANewerVersionIsNotTouched";
  start();
  stop();
  const fs::path file = folder_ / "plans/state/service.db";
  ASSERT_TRUE(Database::open(file, std::vector<const char*>(7, ""))->run("PRAGMA user_version").ok());
  const auto opened = Service::open(folder_ / "plans", {});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::unsupported);
  EXPECT_THAT(opened.error().message, HasSubstr("newer"));
}

class ConfigurationTest : public ::testing::Test {
 protected:
  ConfigurationTest() {
    std::string name = fs::temp_directory_path() / "obscura-configuration-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~ConfigurationTest() override { fs::remove_all(folder_); }
  Result<Configuration> read(const std::string& content) const {
    std::ofstream(folder_ / "server.toml") << content;
    return read_configuration(folder_);
  }
  fs::path folder_;
};

TEST_F(ConfigurationTest, TheFirstFileIsReadAndAsksForTokensOverTls) {
  const auto told = read(first_configuration());
  ASSERT_TRUE(told.ok()) << told.error().message;
  EXPECT_TRUE(told->service.tokens);
  ASSERT_TRUE(told->http.tls.has_value());
  EXPECT_EQ(told->http.tls->certificate, folder_ / "tls/certificate.pem");
}

TEST_F(ConfigurationTest, WithoutAFileItIsThisMachineAlone) {
  const auto told = read_configuration(folder_);
  ASSERT_TRUE(told.ok());
  EXPECT_EQ(told->http.address, "127.0.0.1");
  EXPECT_FALSE(told->http.tls.has_value());
}

TEST_F(ConfigurationTest, AMistypedFolderDoesNotComeToBe) {
  const fs::path nowhere = folder_ / "nowhere";
  EXPECT_THAT(read_configuration(nowhere).error().message, HasSubstr("no such folder"));
  EXPECT_THAT(open_store(nowhere).error().message, HasSubstr("obscura-server init"));
  EXPECT_FALSE(fs::exists(nowhere));
}

TEST_F(ConfigurationTest, MistakesNameTheirLineAndWhatIsAllowed) {
  for (const auto& [content, sentence] :
       std::vector<std::pair<std::string, std::string>>{{"[http]\nport = 70000\n", "65535"},
                                                        {"[http]\nprot = 80\n", "port"},
                                                        {"[http]\naddress = \"0.0.0.0\"\n", "tls.certificate"},
                                                        {"[tls]\ncertificate = \"a\"\n", "need each other"},
                                                        {"[tenants]\ntokens = 3\n", "tokens"},
                                                        {"[http\n", "server.toml:1"}}) {
    const auto told = read(content);
    ASSERT_FALSE(told.ok()) << content;
    EXPECT_THAT(told.error().message, HasSubstr(sentence)) << content;
  }
}

TEST_F(ConfigurationTest, TheReferenceStandsInTheDocuments) {
  std::ifstream file(std::string(OBSCURA_SOURCE_DIR) + "/docs/SERVICE.md");
  const std::string document((std::istreambuf_iterator<char>(file)), {});
  EXPECT_THAT(document, HasSubstr(configuration_reference()));
}

}  // namespace
}  // namespace obscura::service
