// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <filesystem>
#include <fstream>

#include "http/certificate.h"
#include "http/owned.h"
#include "tests/http/support.h"

namespace obscura::http {
namespace {

using std::filesystem::path;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Gives back what it gets, "not yet" for ever of /later, and the client's name of /who.
class Echo final : public Exchange {
 public:
  Echo(const Head& head, std::atomic<int>& alive) : head_(head), alive_(alive) { ++alive_; }
  Echo(const Echo&) = delete;
  ~Echo() override { --alive_; }
  std::uint64_t limit() const override { return std::uint64_t{100} << 20; }
  std::optional<Response> take(base::ByteView piece) override {
    body_.insert(body_.end(), piece.begin(), piece.end());
    return std::nullopt;
  }
  Response answer() override {
    Response response = text(200, head_.target == "/who" ? head_.client : "");
    if (head_.target == "/later") response.later = [] { return std::optional<Response>(); };
    if (head_.target == "/events") {
      response.events = [left = 3]() mutable -> std::optional<std::string> {
        if (--left < 0) return std::nullopt;
        return "data: " + std::to_string(left) + "\n\n";
      };
    }
    response.body.insert(response.body.end(), body_.begin(), body_.end());
    return response;
  }

 private:
  Head head_;
  std::atomic<int>& alive_;
  base::Bytes body_;
};

class HttpTls : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = path(::testing::TempDir()) / ("http-tls-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }

  /// Files of a new certificate: name.pem, name.key.
  ServerTls make(const std::string& name, const std::vector<std::string>& hosts, int days = 10,
                 int from_days = 0) const {
    const auto from = std::chrono::system_clock::now() + std::chrono::hours(24) * from_days;
    const Certificate made = make_certificate(hosts, days, from).value();
    return {write(name + ".pem", made.certificate), write(name + ".key", made.key), {}};
  }

  Server start(ServerTls tls, std::chrono::seconds idle = std::chrono::seconds(30)) {
    ServerOptions options;
    options.idle = idle;
    options.tls = std::move(tls);
    const Route route = [this](const Head& head) {
      ++made_;
      return std::make_unique<Echo>(head, alive_);
    };
    return Server::start(options, route).value();
  }

  static Url https(const Server& server, const std::string& host = "localhost") {
    return {host, std::to_string(server.port()), true};
  }
  static Call trusting(const path& ca) {
    Call call;
    call.tls.ca = ca;
    return call;
  }
  static Error refused(const Url& url, const Call& call) {
    const auto reply = send(url, call);
    return reply.ok() ? Error{Code::busy, "not refused"} : reply.error();
  }

  path folder_;
  std::atomic<int> alive_{0}, made_{0};
};

TEST_F(HttpTls, CarriesMegabytesBothWays) {
  const ServerTls tls = make("server", {"localhost", "127.0.0.1", "::1"});
  const Server server = start(tls);
  for (const char* host : {"localhost", "127.0.0.1"}) {
    Call call = trusting(tls.certificate);
    call.method = "POST";
    call.max_answer = 10 << 20;
    call.body.resize(5 << 20);
    for (std::size_t k = 0; k < call.body.size(); ++k) call.body[k] = static_cast<std::byte>(k * k >> 5);
    const Reply reply = send(https(server, host), call).value();
    EXPECT_EQ(reply.status, 200U);
    EXPECT_TRUE(reply.body == call.body) << host;
  }
}

TEST_F(HttpTls, EventsComeAndAClientThatGoesAwayEndsTheExchange) {
  const ServerTls tls = make("server", {"localhost"});
  const Server server = start(tls);
  Call call = trusting(tls.certificate);
  call.target = "/events";
  std::string got;
  call.event = [&](const Event& event) { return got += event.data, true; };
  EXPECT_EQ(send(https(server), call).value().status, 200U);
  EXPECT_EQ(got, "210");
  call.target = "/later";
  call.progress = [&](std::size_t, std::size_t) { return alive_ == 0; };
  EXPECT_EQ(refused(https(server), call).code, Code::cancelled);
  EXPECT_TRUE(eventually([&] { return alive_ == 0; }));
}

TEST_F(HttpTls, ACertificateOutOfItsDatesSaysWhichAndBlamesAClock) {
  const ServerTls past = make("past", {"localhost"}, 5, -10), future = make("future", {"localhost"}, 5, 3);
  for (const ServerTls& tls : {past, future}) {
    const Server server = start(tls);
    const Error error = refused(https(server), trusting(tls.certificate));
    EXPECT_EQ(error.code, Code::wrong_params);
    EXPECT_THAT(error.message,
                AllOf(HasSubstr("localhost:" + std::to_string(server.port())), HasSubstr("holds from 20"),
                      HasSubstr("UTC to 20"), HasSubstr("one of the two clocks is wrong")));
  }
}

TEST_F(HttpTls, ACertificateOfAnotherHostOrIssuerIsRefused) {
  const ServerTls tls = make("server", {"example.test", "10.1.2.3"});
  const Server server = start(tls);
  const Call call = trusting(tls.certificate);
  for (const char* host : {"localhost", "127.0.0.1"}) {
    EXPECT_THAT(refused(https(server, host), call).message,
                AllOf(HasSubstr("its certificate is for DNS:example.test, IP Address:10.1.2.3"), HasSubstr(host)));
  }
  const ServerTls other = make("other", {"localhost"});
  const std::string message = refused(https(server), trusting(other.certificate)).message;
  EXPECT_THAT(message, AllOf(HasSubstr("is not trusted here"), HasSubstr("--ca FILE")));
  EXPECT_THAT(refused(https(server), {}).message, HasSubstr("is not trusted here")) << "nor by the system";
  // Same name and same issuer's name, another key.
  const ServerTls namesake = make("namesake", {"example.test", "10.1.2.3"});
  EXPECT_FALSE(send(https(server), trusting(namesake.certificate)).ok());
}

TEST_F(HttpTls, WithoutTlsOnOneSideBothSayWhatToDo) {
  const Server plain =
      Server::start({}, [this](const Head& head) { return std::make_unique<Echo>(head, alive_); }).value();
  EXPECT_THAT(refused(https(plain), {}).message,
              HasSubstr("speaks no TLS; if it is the server you mean, name it as http://"));
  const ServerTls tls = make("server", {"localhost"});
  const Server server = start(tls);
  EXPECT_THAT(raw(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), AllOf(HasSubstr("400"), HasSubstr("https://")));
  EXPECT_EQ(send(url_of(server), {}).value().status, 400U);
}

TEST_F(HttpTls, GarbageAndSilenceHinderNobody) {
  const ServerTls tls = make("server", {"localhost"});
  const Server server = start(tls, std::chrono::seconds(2));
  std::vector<std::unique_ptr<Socket>> silent;
  for (int k = 0; k < 20; ++k) silent.push_back(std::make_unique<Socket>(server));
  silent.front()->write(std::string("\x16\x03\x01\x02\x00\x01", 6));  // a hello that never ends
  EXPECT_EQ(send(https(server), trusting(tls.certificate)).value().status, 200U);
  std::string noise;
  for (int k = 0; k < 3000; ++k) noise += static_cast<char>(k * k * 31 >> 3);
  for (const std::string& bytes : {noise, std::string(3000, '\0'), std::string("\x16\x03\x01\xff\xff", 5) + noise}) {
    raw(server, bytes);  // ends
  }
  for (const auto& one : silent) one->read_all();  // ends
  EXPECT_EQ(send(https(server), trusting(tls.certificate)).value().status, 200U);
}

TEST_F(HttpTls, AsksForCertificatesOfClients) {
  const ServerTls alice = make("alice", {"alice"}), mallory = make("mallory", {"mallory"});
  ServerTls tls = make("server", {"localhost"});
  tls.client_ca = alice.certificate;
  const Server server = start(tls);
  Call call = trusting(tls.certificate);
  call.target = "/who";
  EXPECT_THAT(refused(https(server), call).message, HasSubstr("asks for a certificate of the client's"));
  call.tls.certificate = mallory.certificate;
  call.tls.key = mallory.key;
  EXPECT_THAT(refused(https(server), call).message, HasSubstr("does not know the issuer of this client's certificate"));
  call.tls.certificate = alice.certificate;
  EXPECT_THAT(refused(https(server), call).message, HasSubstr("mallory.key: not the key of the certificate"));
  call.tls.key.clear();
  EXPECT_EQ(refused(https(server), call).code, Code::wrong_params);
  call.tls.key = alice.key;
  EXPECT_EQ(body_of(send(https(server), call).value()), "alice");
  EXPECT_EQ(made_, 1) << "nobody else came to be answered";
}

TEST_F(HttpTls, FilesThatAreWrongAreNamedAtTheStart) {
  const ServerTls good = make("server", {"localhost"}), other = make("other", {"localhost"});
  const auto message = [](const ServerTls& tls) {
    ServerOptions options;
    options.tls = tls;
    const auto server = Server::start(options, {});
    return server.ok() ? "it starts" : server.error().message;
  };
  EXPECT_THAT(message({folder_ / "absent", good.key, {}}), HasSubstr("absent"));
  EXPECT_THAT(message({good.certificate, folder_ / "absent", {}}), HasSubstr("absent"));
  EXPECT_THAT(message({good.certificate, good.key, folder_ / "absent"}), HasSubstr("absent"));
  const path junk = write("junk", "no PEM\n");
  EXPECT_THAT(message({junk, good.key, {}}), HasSubstr("junk: no certificate in PEM"));
  EXPECT_THAT(message({good.certificate, junk, {}}), HasSubstr("junk: no private key in PEM"));
  EXPECT_THAT(message({good.certificate, good.key, junk}), HasSubstr("junk: no certificate in PEM"));
  EXPECT_THAT(message({good.certificate, other.key, {}}),
              AllOf(HasSubstr("other.key: not the key"), HasSubstr("server.pem")));
  const OwnedKey key(EVP_EC_gen("P-256"));
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  char passphrase[] = "passphrase";
  ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), EVP_aes_128_cbc(), nullptr, 0, nullptr, passphrase), 1);
  const path locked = write("locked", text_of(bio.get()));
  EXPECT_THAT(message({good.certificate, locked, {}}), HasSubstr("locked: a key under a passphrase"));
  EXPECT_THAT(refused({"localhost", "1", true}, trusting(junk)).message, HasSubstr("junk: no certificate in PEM"));
}

TEST(HttpCertificate, RefusesWhatNamesNoHost) {
  EXPECT_FALSE(make_certificate({}, 10).ok());
  for (const char* name : {"", "a b", "a,DNS:b", "http://a", ".a"})
    EXPECT_FALSE(make_certificate({name}, 10).ok()) << name;
  EXPECT_FALSE(make_certificate({"a"}, 0).ok());
  EXPECT_TRUE(make_certificate({std::string(100, 'a') + ".example", "*.b.c", "fe80::1"}, 3650).ok());
}

TEST(HttpUrl, MayBeOfTls) {
  EXPECT_TRUE(parse_url("https://a.b").value().tls);
  EXPECT_EQ(parse_url("https://a.b/").value().port, "443");
  EXPECT_EQ(parse_url("https://a.b:8443").value().port, "8443");
  EXPECT_FALSE(parse_url("http://a.b").value().tls);
  EXPECT_FALSE(parse_url("https://").ok());
}

}  // namespace
}  // namespace obscura::http
