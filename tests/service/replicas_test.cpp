// SPDX-License-Identifier: Apache-2.0
/// Servers that share a folder and a database, of which some are killed, stopped, or late. Under postgresql.py.
#include "process.h"
#include "service/tables.h"
#include "service_fixture.h"

namespace obscura::service {
namespace {

class ReplicasTest : public ServiceTest {
 protected:
  void SetUp() override {
    if (!database_.shared()) GTEST_SKIP() << "no PostgreSQL: run under tests/service/postgresql.py";
    std::ofstream(folder_ / "plans/server.toml") << "[database]\nlease_seconds = 3.0\n[jobs]\nattempts = 2\n";
    store_ = store();
  }
  std::unique_ptr<Process> replica() const {
    auto one = std::make_unique<Process>(folder_ / "plans", 0, database_.postgresql.url);
    EXPECT_GT(one->port(), 0) << "it starts";
    return one;
  }
  static http::Reply ask(const Process& to, const std::string& method, const std::string& target,
                         const std::string& body = "", const std::map<std::string, std::string>& headers = {}) {
    http::Call call;
    call.method = method;
    call.target = target;
    call.headers = headers;
    call.max_answer = std::uint64_t{1} << 30;
    const base::ByteView bytes = base::as_bytes(body);
    call.body.assign(bytes.begin(), bytes.end());
    return http::send({"127.0.0.1", std::to_string(to.port())}, std::move(call)).value();
  }
  static nlohmann::json json_of(const Process& to, const std::string& target) {
    return nlohmann::json::parse(text(ask(to, "GET", target)));
  }
  /// A body of many batches, whose client's keys are there.
  Body prepare() {
    start();
    Body body = encrypted("alice", "quartic", testing::quartic_plan(), pixels_);
    stop();
    return body;
  }
  static std::string submit(const Process& to, const Body& body) {
    auto headers = body.headers;
    headers["Prefer"] = "respond-async";
    const http::Reply reply = ask(to, "POST", "/v2/models/quartic/infer", body.bytes, headers);
    EXPECT_EQ(reply.status, 202U) << text(reply);
    return reply.headers.at("location");
  }
  static void wait_until_running(const Process& at, const std::string& job) {
    for (int tries = 0; tries < 400 && json_of(at, job).value("work_done", 0) == 0; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  static std::string wait_for(const Process& at, const std::string& job) {
    for (int tries = 0; tries < 600; ++tries) {
      const std::string state = json_of(at, job).value("state", "gone");
      if (state != "queued" && state != "running") return state;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return "never";
  }
  void expect_answered(const Process& by, const std::string& job, const Body& body) const {
    const http::Reply reply = ask(by, "GET", job + "/result");
    ASSERT_EQ(reply.status, 200U) << text(reply);
    const auto logits = logits_of(body, reply);
    const auto wanted = expected(testing::quartic_plan(), pixels_);
    ASSERT_EQ(logits.size(), wanted.size());
    EXPECT_NEAR(logits.front(), wanted.front(), 1e-2);
    EXPECT_NEAR(logits.back(), wanted.back(), 1e-2);
  }
  Job stored(const std::string& job) const {
    return store_->job("local", job.substr(std::string("/v2/jobs/").size())).value().value();
  }
  /// A number without labels, as GET /metrics has it.
  static std::string metric(const Process& of, const std::string& name) {
    const std::string all = text(ask(of, "GET", "/metrics"));
    const std::size_t at = all.find("\n" + name + " ");
    if (at == std::string::npos) return "absent";
    const std::size_t from = at + name.size() + 2;
    return all.substr(from, all.find('\n', from) - from);
  }
  std::optional<Store> store_;
  const std::vector<float> pixels_ = testing::random_pixels(2048 * 40);
};

TEST_F(ReplicasTest, AJobOfAReplicaThatWasKilledIsFinishedByAnother) {
  const Body body = prepare();
  auto first = replica();
  const std::string job = submit(*first, body);
  wait_until_running(*first, job);
  const auto second = replica();
  EXPECT_EQ(json_of(*second, job).at("state"), "running") << "it is known, and not taken";
  EXPECT_EQ(ask(*second, "GET", job + "/result").status, 202U);
  first->kill(SIGKILL);
  const auto killed = std::chrono::steady_clock::now();
  while (stored(job).run < 2 && std::chrono::steady_clock::now() - killed < std::chrono::seconds(20)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - killed, std::chrono::seconds(8)) << "a lease, and a look";
  EXPECT_EQ(wait_for(*second, job), "done");
  expect_answered(*second, job, body);
  EXPECT_EQ(stored(job).attempts, 1);
  EXPECT_EQ(ask(*second, "DELETE", job).status, 200U);
  EXPECT_TRUE(fs::is_empty(folder_ / "plans/state/jobs"));
}

TEST_F(ReplicasTest, AReplicaThatIsStoppedGivesItsJobBack) {
  const Body body = prepare();
  auto first = replica();
  const std::string job = submit(*first, body);
  wait_until_running(*first, job);
  const auto second = replica();
  first->kill(SIGTERM);
  EXPECT_EQ(wait_for(*second, job), "done");
  expect_answered(*second, job, body);
  EXPECT_EQ(stored(job).attempts, 0);
  EXPECT_EQ(stored(job).run, 2) << "it was not done before the first one ended";
}

TEST_F(ReplicasTest, AReplicaThatIsLateDoesNotAnswerTwice) {
  const Body body = prepare();
  auto first = replica();
  const std::string job = submit(*first, body);
  wait_until_running(*first, job);
  first->send(SIGSTOP);  // its worker goes on, and its lease ends
  const auto second = replica();
  EXPECT_EQ(wait_for(*second, job), "done");
  const Job before = stored(job);
  EXPECT_EQ(before.run, 2);
  first->send(SIGCONT);
  for (int tries = 0; tries < 1500 && metric(*first, "obscura_jobs_lost_total") == "0"; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(metric(*first, "obscura_jobs_lost_total"), "1");
  EXPECT_EQ(metric(*first, "obscura_images_total"), "0");
  EXPECT_EQ(metric(*second, "obscura_images_total"), std::to_string(2048 * 40));
  EXPECT_EQ(stored(job).owner, before.owner);
  EXPECT_EQ(stored(job).ended, before.ended);
  const auto events = store().events(10).value();
  const auto answered = std::count_if(events.begin(), events.end(),
                                      [](const Database::Row& event) { return service::text(event[2]) == "infer"; });
  EXPECT_EQ(answered, 2) << "the client's own request before, and this one";
  expect_answered(*first, job, body);
  EXPECT_EQ(ask(*first, "DELETE", job).status, 200U);
  EXPECT_TRUE(fs::is_empty(folder_ / "plans/state/jobs"));
}

TEST_F(ReplicasTest, AJobThatEndsEveryReplicaFailsWithASentence) {
  const Body body = prepare();
  auto first = replica();
  const std::string job = submit(*first, body);
  wait_until_running(*first, job);
  first->kill(SIGKILL);
  first = replica();
  for (int tries = 0; tries < 2000 && stored(job).run < 2; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  first->kill(SIGKILL);
  const auto third = replica();
  EXPECT_EQ(wait_for(*third, job), "failed");
  EXPECT_THAT(json_of(*third, job).at("error").get<std::string>(),
              HasSubstr("the server that computed it ended, 2 times, on these images"));
}

TEST_F(ReplicasTest, KeysJobsAndLimitsAreTheSameAtEveryReplica) {
  std::ofstream(folder_ / "plans/server.toml") << "[database]\nlease_seconds = 3.0\n[tenants]\nqueued_jobs = 1\n";
  const Body body = prepare();
  start();
  const Body one = encrypted("alice", "quartic", testing::quartic_plan(), testing::random_pixels(1));
  stop();
  const auto first = replica(), second = replica();
  // Keys in pieces, each to another one.
  const base::Bytes keys = base::read_file(folder_ / "plans/state/keys/local" / body.key, 1U << 30).value();
  const std::string all(reinterpret_cast<const char*>(keys.data()), keys.size());
  const std::size_t half = all.size() / 2;
  const auto range = [&](std::size_t from, std::size_t to) {
    return std::map<std::string, std::string>{{"Content-Range", fmt::format("bytes {}-{}/{}", from, to, all.size())}};
  };
  EXPECT_EQ(ask(*first, "PUT", "/v2/keys/k", all.substr(0, half), range(0, half - 1)).status, 202U);
  EXPECT_EQ(json_of(*second, "/v2/keys/k").at("received"), half);
  EXPECT_EQ(ask(*second, "PUT", "/v2/keys/k", all.substr(half), range(half, all.size() - 1)).status, 201U);
  EXPECT_EQ(json_of(*first, "/v2/keys/k").at("bytes"), all.size());
  // One job of a tenant, wherever it was accepted; stopped by whom it does not run at.
  const std::string job = submit(*first, body);
  EXPECT_EQ(ask(*second, "POST", "/v2/models/quartic/infer", one.bytes, one.headers).status, 429U);
  EXPECT_EQ(ask(*second, "DELETE", job).status, 200U);
  EXPECT_EQ(ask(*first, "GET", job).status, 404U);
  for (int tries = 0; tries < 400 && !fs::is_empty(folder_ / "plans/state/jobs"); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(fs::is_empty(folder_ / "plans/state/jobs")) << "it stopped";
  // A key that one deletes is no key of the other.
  EXPECT_EQ(ask(*second, "DELETE", "/v2/keys/" + body.key).status, 200U);
  EXPECT_EQ(ask(*first, "POST", "/v2/models/quartic/infer", one.bytes, one.headers).status, 404U);
}

TEST_F(ReplicasTest, NoSecretIsInTheDatabaseOrInWhatOthersSee) {
  const std::string password = "correct-horse-battery";
  ::setenv("PGPASSWORD", password.c_str(), 1);  // which this cluster does not ask for
  const Body body = prepare();
  const std::string token = store_->add_token("alice", 0).value();
  const auto one = replica();
  const std::string job = submit(*one, body);
  EXPECT_EQ(wait_for(*one, job), "done");
  const auto content = [](const fs::path& file) {
    std::ifstream in(file);
    return std::string((std::istreambuf_iterator<char>(in)), {});
  };
  EXPECT_THAT(content(fmt::format("/proc/{}/cmdline", one->pid())), ::testing::Not(HasSubstr(password)));
  EXPECT_THAT(content(folder_ / "plans/log"), ::testing::Not(HasSubstr(password)));
  const auto workers = one->children();
  ASSERT_FALSE(workers.empty());
  const std::string environment = content(fmt::format("/proc/{}/environ", workers.at(0)));
  EXPECT_THAT(environment, HasSubstr("PATH=")) << "it can be read";
  EXPECT_THAT(environment, ::testing::Not(HasSubstr(password)));
  // All that the database has: no token, and no row as long as a key or a ciphertext.
  const auto database = Database::connect(database_.postgresql, postgresql_tables()).value();
  for (const char* table : {"tokens", "keys", "jobs", "events", "turns", "replicas", "folder"}) {
    const auto rows = database.run(fmt::format("SELECT CAST(t AS TEXT) FROM {} t", table)).value();
    EXPECT_TRUE(!rows.empty() || table == std::string("turns")) << table;
    for (const Database::Row& row : rows) {
      EXPECT_THAT(service::text(row[0]), ::testing::Not(HasSubstr(token.substr(20)))) << table;
      EXPECT_LT(service::text(row[0]).size(), 1000U) << table;
    }
  }
}

TEST_F(ReplicasTest, WithoutTheDatabaseItIsNotReadyAndGoesOnAfter) {
  const auto one = replica();
  EXPECT_EQ(ask(*one, "GET", "/v2/health/ready").status, 200U);
  const std::string cluster = std::getenv("OBSCURA_TEST_POSTGRESQL");
  const auto all = Database::connect({cluster + "postgres"}, {}).value();
  const std::string name = database_.postgresql.url.substr(cluster.size());
  ASSERT_TRUE(all.run("ALTER DATABASE " + name + " ALLOW_CONNECTIONS false").ok());
  ASSERT_TRUE(all.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ?1", {name}).ok());
  EXPECT_EQ(ask(*one, "GET", "/v2/health/ready").status, 503U);
  EXPECT_EQ(ask(*one, "GET", "/v2/health/live").status, 200U);
  ASSERT_TRUE(all.run("ALTER DATABASE " + name + " ALLOW_CONNECTIONS true").ok());
  for (int tries = 0; tries < 200 && ask(*one, "GET", "/v2/health/ready").status != 200; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(ask(*one, "GET", "/v2/health/ready").status, 200U);
}

}  // namespace
}  // namespace obscura::service
