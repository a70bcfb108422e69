// SPDX-License-Identifier: Apache-2.0
/// Jobs: accepted once, answered once, whatever ends meanwhile.
#include <signal.h>

#include "service_fixture.h"

namespace obscura::service {
namespace {

/// Images that take a while: many batches of a tiny network.
std::vector<float> many() { return testing::random_pixels(2048 * 40); }

class JobsTest : public ServiceTest {
 protected:
  http::Reply ask(const Body& body, const std::string& model = "quartic") const {
    auto headers = body.headers;
    headers["Prefer"] = "respond-async";
    return send("POST", "/v2/models/" + model + "/infer", body.bytes, headers);
  }
  std::string submit(const Body& body, const std::string& model = "quartic") const {
    const http::Reply reply = ask(body, model);
    EXPECT_EQ(reply.status, 202U) << text(reply);
    return reply.headers.at("location");
  }
  void wait_until_idle() const {
    for (int tries = 0; tries < 1200 && service_->counts().queued + service_->counts().running > 0; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    EXPECT_EQ(service_->counts().running, 0U);
  }
  void wait_until_running(const std::string& job) const {
    for (int tries = 0; tries < 600 && json("GET", job).value("work_done", 0) == 0; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
};

TEST_F(JobsTest, AJobIsAcceptedToldOfAndAnswered) {
  start();
  const std::vector<float> pixels = testing::random_pixels(3);
  const Body body = encrypted("alice", "quartic", testing::quartic_plan(), pixels);
  const std::string job = submit(body);
  EXPECT_EQ(wait_for(job), "done");
  const http::Reply result = send("GET", job + "/result");
  ASSERT_EQ(result.status, 200U) << text(result);
  const auto logits = logits_of(body, result);
  const auto files = expected(testing::quartic_plan(), pixels);
  ASSERT_EQ(logits.size(), files.size());
  for (std::size_t i = 0; i < files.size(); ++i) EXPECT_NEAR(logits[i], files[i], 1e-2);
  EXPECT_EQ(send("DELETE", job).status, 200U);
  EXPECT_EQ(send("GET", job + "/result").status, 404U);
  EXPECT_TRUE(fs::is_empty(folder_ / "plans/state/jobs"));
}

TEST_F(JobsTest, EventsTellOfTheWorkUntilItIsDone) {
  start();
  const std::string job = submit(encrypted("alice", "quartic", testing::quartic_plan(), many()));
  std::vector<std::string> states;
  http::Call call;
  call.target = job + "/events";
  call.event = [&](const http::Event& event) {
    states.push_back(event.name);
    return true;
  };
  EXPECT_EQ(http::send(url(), std::move(call))->status, 200U);
  ASSERT_FALSE(states.empty());
  EXPECT_EQ(states.back(), "done");
  EXPECT_GT(states.size(), 2U) << "its progress was told";
}

TEST_F(JobsTest, OutlivesTheServer) {
  start();
  const std::vector<float> pixels = many();
  const Body body = encrypted("alice", "quartic", testing::quartic_plan(), pixels);
  const std::string first = submit(body), second = submit(body);
  wait_until_running(first);
  stop();
  EXPECT_EQ(store().jobs()->size(), 2U);
  start();
  EXPECT_EQ(wait_for(first), "done");
  EXPECT_EQ(wait_for(second), "done");
  EXPECT_EQ(logits_of(body, send("GET", first + "/result")), logits_of(body, send("GET", second + "/result")));
}

TEST_F(JobsTest, AWorkerThatEndsIsOneMoreAttempt) {
  start();
  const Body body = encrypted("alice", "quartic", testing::quartic_plan(), many());
  const std::string job = submit(body);
  wait_until_running(job);
  const pid_t worker = service_->worker_process();
  ASSERT_GT(worker, 0);
  ::kill(worker, SIGKILL);
  EXPECT_EQ(wait_for(job), "done");
  EXPECT_EQ(send("GET", job + "/result").status, 200U);
  EXPECT_EQ(service_->counts().crashes, 1U);
  EXPECT_NE(service_->worker_process(), worker);
}

TEST_F(JobsTest, AJobThatEndsEveryWorkerFailsWithASentence) {
  ServiceOptions options;
  options.jobs.attempts = 1;
  start(options);
  const Body body = encrypted("alice", "quartic", testing::quartic_plan(), many());
  const std::string job = submit(body);
  wait_until_running(job);
  ::kill(service_->worker_process(), SIGKILL);
  EXPECT_EQ(wait_for(job), "failed");
  EXPECT_THAT(text(send("GET", job + "/result")), HasSubstr("SIGKILL"));
  EXPECT_TRUE(classify("alice", "quartic", testing::random_pixels(1)).ok()) << "the server goes on";
}

TEST_F(JobsTest, WhoDoesNotWaitStopsTheWork) {
  start();
  const std::vector<float> lots = testing::random_pixels(2048 * 80);  // far longer than it takes to leave
  const Body body = encrypted("alice", "quartic", testing::quartic_plan(), lots);
  const std::string job = submit(body);
  wait_until_running(job);
  EXPECT_EQ(send("DELETE", job).status, 200U);
  EXPECT_EQ(send("GET", job).status, 404U);
  // A client on its connection.
  http::Call call;
  call.method = "POST";
  call.target = "/v2/models/quartic/infer";
  call.headers = body.headers;
  const base::ByteView bytes = base::as_bytes(body.bytes);
  call.body.assign(bytes.begin(), bytes.end());
  wait_until_idle();
  const std::uint64_t before = service_->counts().cancelled;
  call.progress = [&, waited = 0](std::size_t done, std::size_t total) mutable { return done < total || ++waited < 2; };
  EXPECT_EQ(http::send(url(), std::move(call)).error().code, Code::cancelled);
  for (int tries = 0; tries < 600 && service_->counts().cancelled == before; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(service_->counts().cancelled, before + 1);
  wait_until_idle();
  EXPECT_TRUE(fs::is_empty(folder_ / "plans/state/jobs"));
}

TEST_F(JobsTest, TooManyAreRefusedWithWhenToComeAgain) {
  ServiceOptions options;
  options.jobs.queued = 1;
  start(options);
  const Body body = encrypted("alice", "quartic", testing::quartic_plan(), many());
  const Body one = encrypted("alice", "quartic", testing::quartic_plan(), testing::random_pixels(1));
  const std::string job = submit(body);
  const http::Reply reply = send("POST", "/v2/models/quartic/infer", one.bytes, one.headers);
  EXPECT_EQ(reply.status, 429U);
  EXPECT_EQ(reply.headers.count("retry-after"), 1U);
  EXPECT_EQ(send("DELETE", job).status, 200U);
  options.jobs.queued = 16;
  wait_until_idle();
  options.jobs.images_per_hour = 2048 * 40 + 100;  // the job's may count, as far as it came: it was removed
  start(options);
  EXPECT_EQ(send("POST", "/v2/models/quartic/infer", one.bytes, one.headers).status, 200U);
  const http::Reply over = send("POST", "/v2/models/quartic/infer", body.bytes, body.headers);
  EXPECT_EQ(over.status, 429U);
  EXPECT_THAT(text(over), HasSubstr("in an hour"));
}

TEST_F(JobsTest, ADeadlineEndsAJob) {
  ServiceOptions options;
  options.jobs.deadline = std::chrono::seconds(0);
  start(options);
  const Body body = [&] {
    start();
    Body made = encrypted("alice", "quartic", testing::quartic_plan(), many());
    start(options);
    return made;
  }();
  const http::Reply reply = ask(body);
  if (reply.status != 202U) {  // it has ended before the answer
    EXPECT_EQ(reply.status, 503U);
    EXPECT_THAT(text(reply), HasSubstr("deadline"));
    return;
  }
  const std::string job = reply.headers.at("location");
  EXPECT_EQ(wait_for(job), "failed");
  EXPECT_THAT(json("GET", job).at("error").get<std::string>(), HasSubstr("deadline"));
}

TEST_F(JobsTest, AJobWhoseKeyIsDeletedFailsWithASentence) {
  start();
  const Body body = encrypted("alice", "quartic", testing::quartic_plan(), many());
  const Body one = encrypted("alice", "quartic", testing::quartic_plan(), testing::random_pixels(1));
  submit(body);  // which the other waits for
  const std::string second = submit(one);
  EXPECT_EQ(send("DELETE", "/v2/keys/" + body.key).status, 200U);
  EXPECT_EQ(wait_for(second), "failed");
  EXPECT_EQ(send("GET", second + "/result").status, 404U);
  EXPECT_THAT(json("GET", second).at("error").get<std::string>(), HasSubstr("its key was deleted"));
}

TEST_F(JobsTest, OneProcessServesAFolder) {
  if (database_.shared()) GTEST_SKIP() << "with PostgreSQL many do: ReplicasTest";
  start();
  ServiceOptions options;
  options.worker = OBSCURA_SERVER;
  const auto second = Service::open(folder_ / "plans", options);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::busy);
  EXPECT_THAT(second.error().message, HasSubstr("another process serves it"));
}

}  // namespace
}  // namespace obscura::service
