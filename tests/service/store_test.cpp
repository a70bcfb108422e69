// SPDX-License-Identifier: Apache-2.0
/// What a store promises, whichever database is under it: under postgresql.py PostgreSQL, else SQLite.
#include "service/tables.h"
#include "service_fixture.h"

namespace obscura::service {
namespace {

constexpr std::chrono::milliseconds kLong{60'000}, kShort{150};

class StoreTest : public ServiceTest {
 protected:
  StoreTest() : store_(store()) {
    for (const char* replica : {"a", "b"}) EXPECT_TRUE(store_.renew(replica, kLong).ok());
  }
  /// A job of a replica's client.
  Job add(const std::string& id, const std::string& tenant, const std::string& owner) const {
    Job job;
    job.id = id;
    job.tenant = tenant;
    job.model = "m";
    job.plan = "p";
    job.images = 3;
    job.made = now();
    job.owner = owner;
    EXPECT_TRUE(store_.add_job(job).ok());
    return job;
  }
  void keep(const std::string& id) const { EXPECT_TRUE(store_.keep_job(id).value()); }
  /// What a replica gets; "": nothing.
  std::string claim(const std::string& replica) const {
    const auto job = store_.claim({replica, {{"x", "y"}, {"m", "p"}}}).value();
    return job ? job->id : "";
  }
  Job stored(const std::string& id, const std::string& tenant = "alice") const {
    return store_.job(tenant, id).value().value();
  }
  void expire(const std::string& replica) const {
    ASSERT_TRUE(store_.renew(replica, kShort).ok());
    std::this_thread::sleep_for(2 * kShort);
  }
  Store store_;
};

TEST_F(StoreTest, TokensAreOfTenantsUntilTheyAreRevokedOrExpire) {
  const std::string token = store_.add_token("alice", 1).value();
  EXPECT_EQ(store_.tenant_of(token).value(), "alice");
  EXPECT_FALSE(store_.tenant_of("obscura_0").value());
  EXPECT_EQ(store_.tokens().value().at(0).tenant, "alice");
  EXPECT_TRUE(store_.revoke(token.substr(0, 16)).value());
  EXPECT_FALSE(store_.revoke("obscura_0").value());
  EXPECT_FALSE(store_.tenant_of(token).value());
  EXPECT_FALSE(store_.tenant_of(store_.add_token("bob", -1).value()).value()) << "it expired yesterday";
}

TEST_F(StoreTest, KeysAreCountedAndEachUploadHasAName) {
  ASSERT_TRUE(store_.put_key("alice", "k", 10).ok());
  ASSERT_TRUE(store_.put_key("alice", "l", 5).ok());
  EXPECT_EQ(store_.bytes_of_keys("alice").value(), 15);
  EXPECT_EQ(store_.bytes_of_keys("bob").value(), 0);
  const std::string upload = store_.key("alice", "k").value()->upload;
  ASSERT_TRUE(store_.put_key("alice", "k", 20).ok());
  EXPECT_EQ(store_.key("alice", "k").value()->bytes, 20);
  EXPECT_NE(store_.key("alice", "k").value()->upload, upload);
  EXPECT_FALSE(store_.key("bob", "k").value());
  EXPECT_EQ(store_.keys_unused_since(now() + 10).value().size(), 2U);
  EXPECT_TRUE(store_.use_key("alice", "k").ok());
  ASSERT_TRUE(store_.remove_key("alice", "k").ok());
  EXPECT_FALSE(store_.key("alice", "k").value());
}

TEST_F(StoreTest, EventsKeepTheirOrderAndCountImages) {
  for (std::int64_t images : {1, 2, 4}) {
    Event event{"alice", "infer", "m", "p", "k", "done"};
    event.images = images;
    event.seconds = 0.1234;
    ASSERT_TRUE(store_.note(event).ok());
  }
  const auto last = store_.events(2).value();
  ASSERT_EQ(last.size(), 2U);
  EXPECT_EQ(number(last[0][6]), 2);
  EXPECT_EQ(number(last[1][6]), 4);
  EXPECT_EQ(std::get<double>(last[1][9]), 0.123);
  EXPECT_EQ(store_.images_since("alice", now() - 10).value(), 7);
  EXPECT_EQ(store_.images_since("bob", now() - 10).value(), 0);
}

TEST_F(StoreTest, AJobIsItsOwnersUntilItIsKeptAndThenAnybodys) {
  add("1", "alice", "a");
  EXPECT_EQ(store_.waiting("alice").value().images, 3);
  EXPECT_EQ(claim("b"), "") << "its client waits at a";
  keep("1");
  EXPECT_EQ(stored("1").owner, "");
  EXPECT_EQ(claim("b"), "1");
  EXPECT_EQ(claim("a"), "") << "b has it";
  EXPECT_EQ(stored("1").owner, "b");
  EXPECT_EQ(stored("1").run, 1);
  EXPECT_FALSE(store_.keep_job("2").value()) << "there is none";
}

TEST_F(StoreTest, OnlyWhatAReplicaServesIsClaimed) {
  add("1", "alice", "a");
  EXPECT_FALSE(store_.claim({"a", {{"m", "other plan"}}}).value());
  EXPECT_FALSE(store_.claim({"a", {}}).value());
  keep("1");
  Claim attended{"a", {{"m", "p"}}, true};
  EXPECT_FALSE(store_.claim(attended).value());
  EXPECT_EQ(claim("a"), "1");
}

TEST_F(StoreTest, TenantsTakeTurnsWhoeverServesThem) {
  for (const char* id : {"1", "2", "3"}) add(id, "alice", "a"), keep(id);
  add("4", "bob", "b"), keep("4");
  EXPECT_EQ(store_.jobs_before("4").value(), 3);
  EXPECT_EQ(claim("a"), "1");
  EXPECT_EQ(claim("b"), "4") << "bob's turn";
  EXPECT_EQ(store_.queued_jobs().value(), 2);
}

TEST_F(StoreTest, ALeaseThatIsOverGivesTheJobToAnotherAndTheLateAnswerDoesNotCount) {
  add("1", "alice", "a"), keep("1");
  ASSERT_EQ(claim("a"), "1");
  Job late = stored("1");
  EXPECT_TRUE(store_.tell_work(late, 1, 2).value());
  EXPECT_EQ(stored("1").work_done, 1);
  expire("a");
  EXPECT_FALSE(store_.replicas().value().contains("a"));
  ASSERT_EQ(claim("b"), "1");
  EXPECT_EQ(stored("1").attempts, 1) << "a replica ended on it";
  EXPECT_EQ(stored("1").run, 2);
  EXPECT_FALSE(store_.tell_work(late, 2, 2).value());
  late.state = "done";
  EXPECT_FALSE(store_.end_job(late).value());
  EXPECT_FALSE(store_.requeue(late).value());
  EXPECT_EQ(stored("1").state, "running");
  Job job = stored("1");
  job.state = "done";
  job.ended = now();
  EXPECT_TRUE(store_.end_job(job).value());
  EXPECT_TRUE(store_.end_job(job).value()) << "who did not hear that it counts says it again";
  EXPECT_EQ(stored("1").state, "done");
  EXPECT_EQ(claim("a"), "");
}

TEST_F(StoreTest, ALeaseThatIsRenewedHolds) {
  add("1", "alice", "a"), keep("1");
  ASSERT_EQ(claim("a"), "1");
  expire("a");
  ASSERT_TRUE(store_.renew("a", kLong).ok());
  EXPECT_EQ(claim("b"), "") << "nobody took it meanwhile";
  EXPECT_TRUE(store_.tell_work(stored("1"), 1, 2).value());
}

TEST_F(StoreTest, WhatAReplicaClaimedAndDidNotHearOfItClaimsAgain) {
  add("1", "alice", "a"), keep("1");
  ASSERT_EQ(claim("a"), "1");
  ASSERT_EQ(claim("a"), "1");
  EXPECT_EQ(stored("1").attempts, 0);
}

TEST_F(StoreTest, AJobThatWaitsAgainIsAnybodysWithItsAttempts) {
  add("1", "alice", "a"), keep("1");
  ASSERT_EQ(claim("a"), "1");
  Job job = stored("1");
  ++job.attempts;
  EXPECT_TRUE(store_.requeue(job).value());
  ASSERT_EQ(claim("b"), "1");
  EXPECT_EQ(stored("1").attempts, 1);
}

TEST_F(StoreTest, WhatClientsOfADeadReplicaWaitedForGoes) {
  add("1", "alice", "a");
  add("2", "alice", "b");
  EXPECT_TRUE(store_.remove_abandoned().value().empty());
  ASSERT_TRUE(store_.leave("a").ok());
  const auto gone = store_.remove_abandoned().value();
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone[0].id, "1");
  EXPECT_EQ(store_.job_ids().value(), std::set<std::string>{"2"});
}

TEST_F(StoreTest, RemovedIsRemovedOnce) {
  add("1", "alice", "a");
  EXPECT_FALSE(store_.remove_job("bob", "1", Database::Counts::on_disk).value()) << "it is alice's";
  EXPECT_EQ(store_.remove_job("alice", "1", Database::Counts::on_disk).value()->id, "1");
  EXPECT_FALSE(store_.remove_job("alice", "1", Database::Counts::on_disk).value());
  add("2", "alice", "a");
  ASSERT_EQ(claim("a"), "2");
  Job job = stored("2");
  job.state = "failed";
  job.ended = now() - 100;
  ASSERT_TRUE(store_.end_job(job).value());
  EXPECT_TRUE(store_.remove_ended(now() - 200).value().empty());
  EXPECT_EQ(store_.remove_ended(now()).value().size(), 1U);
}

TEST_F(StoreTest, TwoReplicasNeverGetTheSameJob) {
  constexpr int kJobs = 60;
  for (int k = 0; k < kJobs; ++k) add(std::to_string(k), "alice", "a"), keep(std::to_string(k));
  std::vector<std::string> taken[2];
  std::vector<std::thread> threads;
  for (std::size_t who : {0U, 1U}) {
    threads.emplace_back([&, who] {
      const Store own = store();
      const std::string replica = who == 0 ? "a" : "b";
      while (const auto job = own.claim({replica, {{"m", "p"}}}).value()) {
        taken[who].push_back(job->id);
        Job ended = *job;
        ended.state = "done";
        ended.ended = now();
        EXPECT_TRUE(own.end_job(ended).value());
      }
    });
  }
  for (std::thread& one : threads) one.join();
  std::set<std::string> all(taken[0].begin(), taken[0].end());
  all.insert(taken[1].begin(), taken[1].end());
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kJobs));
  EXPECT_EQ(taken[0].size() + taken[1].size(), static_cast<std::size_t>(kJobs));
}

TEST_F(StoreTest, AFileOfTheVersionBeforeIsTakenOn) {
  const fs::path file = folder_ / "before.db";
  {
    const auto before = Database::open(file, {sqlite_tables()[0]}).value();
    ASSERT_TRUE(before
                    .run("INSERT INTO jobs VALUES ('1', 'alice', 'm', 'k', 'p', 3, 10, 0, 'running', '', 0, 1, ?1, ?1, "
                         "0)",
                         {now()})
                    .ok());
    ASSERT_TRUE(before.run("INSERT INTO keys VALUES ('alice', 'k', 5, 1, 1)").ok());
  }
  const Store now_here = Store::open(file).value();
  EXPECT_EQ(now_here.key("alice", "k").value()->bytes, 5);
  ASSERT_TRUE(now_here.renew("a", kLong).ok());
  const auto job = now_here.claim({"a", {{"m", "p"}}}).value();
  ASSERT_TRUE(job) << "the server that ran it is gone";
  EXPECT_EQ(job->run, 1);
  EXPECT_EQ(Place::open(folder_ / "state").value().answer("1", 0).filename(), "1.answer") << "where it saved";
}

TEST_F(StoreTest, OneOfANewerVersionIsNotTouched) {
  if (!database_.shared()) GTEST_SKIP() << "of SQLite: TenantsTest.AStoreOfANewerVersionIsNotTouched";
  ASSERT_TRUE(Database::connect(database_.postgresql, std::vector<const char*>(7, "")).ok());
  const auto opened = open_store(folder_ / "plans", database_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::unsupported);
  EXPECT_THAT(opened.error().message, HasSubstr("newer"));
}

TEST_F(StoreTest, AFolderAndADatabaseThatDoNotGoTogetherAreRefused) {
  if (!database_.shared()) GTEST_SKIP() << "of PostgreSQL (postgresql.py)";
  const DatabaseOptions other{
      {std::getenv("OBSCURA_TEST_POSTGRESQL") + fresh_database(std::getenv("OBSCURA_TEST_POSTGRESQL"))}};
  EXPECT_THAT(open_store(folder_ / "plans", other).error().message, HasSubstr("another database"));
  EXPECT_THAT(open_store(folder_ / "plans").error().message, HasSubstr("another database")) << "SQLite";
  fs::rename(folder_ / "plans/state/shared", folder_ / "plans/state/elsewhere");
  EXPECT_THAT(open_store(folder_ / "plans", database_).error().message, HasSubstr("share another folder"));
}

TEST_F(StoreTest, WhatSqliteHasIsTakenOver) {
  if (!database_.shared()) GTEST_SKIP() << "to PostgreSQL (postgresql.py)";
  fs::remove(folder_ / "plans/state/shared");
  const DatabaseOptions fresh{
      {std::getenv("OBSCURA_TEST_POSTGRESQL") + fresh_database(std::getenv("OBSCURA_TEST_POSTGRESQL"))}};
  std::string token;
  {
    const Store own = open_store(folder_ / "plans").value();
    token = own.add_token("alice", 0).value();
    ASSERT_TRUE(own.put_key("alice", "k", 10).ok());
    ASSERT_TRUE(own.note({"alice", "infer", "m", "p", "k", "it's done"}).ok());
  }
  EXPECT_THAT(open_store(folder_ / "plans", fresh).error().message, HasSubstr("obscura-server migrate"));
  EXPECT_EQ(migrate(folder_ / "plans", fresh).value(), 3);
  const Store taken = open_store(folder_ / "plans", fresh).value();
  EXPECT_EQ(taken.tenant_of(token).value(), "alice");
  EXPECT_EQ(taken.key("alice", "k").value()->bytes, 10);
  EXPECT_EQ(service::text(taken.events(1).value().at(0).back()), "it's done");
  EXPECT_FALSE(fs::exists(folder_ / "plans/state/service.db"));
}

TEST_F(StoreTest, APasswordInTheAddressIsRefusedAndNotRepeated) {
  const auto refused = Store::connect({"postgresql://obscura:hunter2@localhost/x"});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, ::testing::Not(HasSubstr("hunter2")));
  const auto unreadable = Store::connect({"postgresql://obscura:hunter2@[/x"});
  ASSERT_FALSE(unreadable.ok());
  EXPECT_THAT(unreadable.error().message, ::testing::Not(HasSubstr("hunter2")));
  if (database_.shared()) {
    EXPECT_THAT(refused.error().message, HasSubstr("PGPASSWORD"));
  }
}

}  // namespace
}  // namespace obscura::service
