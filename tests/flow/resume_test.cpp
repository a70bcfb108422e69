// SPDX-License-Identifier: Apache-2.0
/// Runs of several batches that end early, and what a later run makes of what they left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "client/client.h"
#include "server/server.h"
#include "tiny_plan.h"
#include "wire/plan_frame.h"

namespace obscura {
namespace {

namespace fs = std::filesystem;
using server::RunOptions;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Unfinished = RunOptions::Unfinished;

constexpr std::size_t kThreeBatches = 2 * 2048 + 5;  // three batches

template <class T>
void require(const Result<T>& result) {
  if (!result.ok()) throw std::runtime_error(result.error().message);
}

/// A folder with everything up to encrypted images, and the answer of a run that nobody stopped.
struct Job {
  fs::path folder;
  Job() {
    std::string name = fs::temp_directory_path() / "obscura-resume-XXXXXX";
    folder = mkdtemp(name.data());
    make("net.plan", testing::square_plan(), "eval", "in");
    require(
        client::encrypt(offer("net.plan"), path("eval.secret"), testing::random_pixels(kThreeBatches), path("in2")));
    require(server::run(path("net.plan"), path("eval"), path("in"), path("whole")));
  }
  ~Job() { fs::remove_all(folder); }
  fs::path path(const std::string& name) const { return folder / name; }
  plan::Offer offer(const std::string& plan) const {
    return wire::make_offer(wire::read_plan_file(path(plan)).value());
  }
  /// A plan, keys for it, and encrypted images.
  void make(const std::string& plan, const plan::Plan& content, const std::string& eval, const std::string& in) const {
    require(base::write_file(path(plan), wire::write_plan(content), {.overwrite = true}));
    require(client::keygen(offer(plan), path(eval + ".secret"), path(eval)));
    require(client::encrypt(offer(plan), path(eval + ".secret"), testing::random_pixels(kThreeBatches), path(in)));
  }
};

class Resume : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { job_ = new Job; }
  static void TearDownTestSuite() {
    delete job_;
    job_ = nullptr;
  }
  void TearDown() override {
    fs::remove(out());
    fs::remove(partial());
  }
  static const Job& job() { return *job_; }
  static fs::path out() { return job().path("out"); }
  static fs::path partial() { return base::partial_of(out()); }
  static base::Bytes read(const fs::path& path) { return base::read_file(path, 1U << 30).value(); }

  static Result<server::Report> run(Unfinished unfinished, const std::string& in = "in",
                                    const std::string& plan = "net.plan", const std::string& eval = "eval") {
    RunOptions options;
    options.unfinished = unfinished;
    return server::run(job().path(plan), job().path(eval), job().path(in), out(), options);
  }
  /// Stops a run in its batch of this number, counted from 0.
  static Error stop_in(std::size_t batch, Unfinished unfinished = Unfinished::refuse) {
    RunOptions options;
    options.unfinished = unfinished;
    options.progress = [batch](std::size_t done, std::size_t total) { return 3 * done <= batch * total; };
    const auto report = server::run(job().path("net.plan"), job().path("eval"), job().path("in"), out(), options);
    return report.ok() ? Error{} : report.error();
  }
  static void change_partial(const std::function<void(base::Bytes&)>& change) {
    base::Bytes bytes = read(partial());
    change(bytes);
    require(base::write_file(partial(), bytes, {.overwrite = true}));
  }
  /// Goes on after so many batches, and answers as a run would that nobody stopped.
  static void expect_resumed_after(std::uint64_t batches) {
    const auto report = run(Unfinished::resume);
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report.value().resumed_batches, batches);
    EXPECT_EQ(report.value().run_images, kThreeBatches - std::min<std::uint64_t>(kThreeBatches, batches * 2048));
    EXPECT_EQ(read(out()), read(job().path("whole")));
    EXPECT_FALSE(fs::exists(partial()));
  }
  static void expect_refused(const Result<server::Report>& report, const std::string& words) {
    ASSERT_FALSE(report.ok()) << words;
    EXPECT_THAT(report.error().message, AllOf(HasSubstr(words), HasSubstr("--restart begins again")));
    EXPECT_FALSE(fs::exists(out()));
    EXPECT_TRUE(fs::exists(partial())) << "a refusal takes nothing away";
  }

 private:
  static Job* job_;
};
Job* Resume::job_ = nullptr;

TEST_F(Resume, GoesOnAfterTheLastFinishedBatch) {
  const Error stopped = stop_in(1);
  EXPECT_EQ(stopped.code, Code::cancelled);
  EXPECT_THAT(stopped.message, AllOf(HasSubstr("1 of 3 batches are finished and stay in"),
                                     HasSubstr(partial().string()), HasSubstr("--resume")));
  EXPECT_FALSE(fs::exists(out()));
  // Two thirds of the two batches that are left end in the last one.
  EXPECT_THAT(stop_in(2, Unfinished::resume).message, HasSubstr("2 of 3 batches are finished"));
  expect_resumed_after(2);
}

TEST_F(Resume, LeavesNothingBeforeABatchIsFinished) {
  EXPECT_EQ(stop_in(0).message.find("--resume"), std::string::npos);
  EXPECT_FALSE(fs::exists(partial()));
}

TEST_F(Resume, BeginsWithTheFirstBatchWhereNothingIsThere) { expect_resumed_after(0); }

TEST_F(Resume, DoesNotTouchAnUnfinishedRunUnlessToldTo) {
  (void)stop_in(1);
  const base::Bytes before = read(partial());
  const auto report = run(Unfinished::refuse);
  expect_refused(report, "did not end; --resume goes on with it");
  EXPECT_EQ(read(partial()), before);
  const auto again = run(Unfinished::restart);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again.value().resumed_batches, 0U);
  EXPECT_EQ(read(out()), read(job().path("whole")));
}

TEST_F(Resume, CutsOffATornTail) {
  (void)stop_in(2);
  const std::size_t whole = read(partial()).size();
  const std::size_t batch = (read(job().path("whole")).size() - whole);
  change_partial([](base::Bytes& b) { b.pop_back(); });
  expect_resumed_after(1);
  fs::remove(out());
  (void)stop_in(2);
  change_partial([&](base::Bytes& b) { b.resize(b.size() + batch / 2, std::byte{7}); });
  expect_resumed_after(2);
}

TEST_F(Resume, CutsOffALastBatchThatDidNotReachTheDisk) {
  (void)stop_in(2);
  change_partial([](base::Bytes& b) { std::fill(b.end() - 5000, b.end(), std::byte{0}); });
  expect_resumed_after(1);
}

TEST_F(Resume, CutsOffAHeaderThatDidNotReachTheDisk) {
  (void)stop_in(1);
  change_partial([](base::Bytes& b) { b.resize(20); });
  expect_resumed_after(0);
}

TEST_F(Resume, FinishesARunThatWasKilledBeforeItsLastRename) {
  fs::copy_file(job().path("whole"), partial());
  expect_resumed_after(3);
}

TEST_F(Resume, RefusesDamageBeforeTheLastBatch) {
  (void)stop_in(2);
  change_partial([](base::Bytes& b) { b[b.size() / 4] ^= std::byte{1}; });
  expect_refused(run(Unfinished::resume), "damaged");
}

TEST_F(Resume, RefusesWhatIsNoFileOfObscura) {
  require(base::write_file(partial(), base::Bytes(1000), {}));
  expect_refused(run(Unfinished::resume), "not a file of Obscura");
}

TEST_F(Resume, RefusesAnswersToOtherInputs) {
  (void)stop_in(1);
  expect_refused(run(Unfinished::resume, "in2"), "answers request");
}

TEST_F(Resume, RefusesAnswersOfAnotherKeyOrPlan) {
  (void)stop_in(1);
  job().make("net.plan", testing::square_plan(), "eval2", "in3");
  expect_refused(run(Unfinished::resume, "in3", "net.plan", "eval2"), "encrypted under key");
  job().make("other.plan", testing::square_plan(2), "eval4", "in4");
  expect_refused(run(Unfinished::resume, "in4", "other.plan", "eval4"), "made for plan");
}

TEST_F(Resume, SaysWhatLiesBeforeIt) {
  (void)stop_in(1);
  std::vector<server::Outlook> told;
  RunOptions options;
  options.unfinished = Unfinished::resume;
  options.before = [&](const server::Outlook& outlook) { told.push_back(outlook); };
  const auto report = server::run(job().path("net.plan"), job().path("eval"), job().path("in"), out(), options);
  ASSERT_TRUE(report.ok()) << report.error().message;
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].images, kThreeBatches);
  EXPECT_EQ(told[0].batches, 3U);
  EXPECT_EQ(told[0].done, 1U);
  EXPECT_EQ(told[0].memory_bytes, server::allot(testing::square_plan(), 0).value().bytes);
}

}  // namespace
}  // namespace obscura
