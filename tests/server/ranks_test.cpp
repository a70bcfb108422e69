// SPDX-License-Identifier: Apache-2.0
/// A run that ranks share, here threads of one process: the answer is that of one, byte for byte.
#include "run/ranks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "tests/flow/file_flow.h"

namespace obscura {
namespace {

using ::testing::HasSubstr;
using Unfinished = server::RunOptions::Unfinished;

/// The messages of all ranks.
struct Post {
  std::mutex mutex;
  std::condition_variable came;
  std::map<std::tuple<std::size_t, std::size_t, std::uint32_t>, std::deque<base::Bytes>> messages;
  bool ended = false;  ///< a rank failed: whoever waits gets nothing
};

class Threads final : public run::Ranks {
 public:
  static constexpr std::uint32_t kBroadcast = ~0U;
  Threads(Post& post, std::size_t rank, std::size_t count) : post_(post), rank_(rank), count_(count) {}
  std::size_t rank() const override { return rank_; }
  std::size_t count() const override { return count_; }
  void send(std::size_t to, std::uint32_t tag, base::Bytes bytes) override {
    const std::scoped_lock lock(post_.mutex);
    post_.messages[{rank_, to, tag}].push_back(std::move(bytes));
    post_.came.notify_all();
  }
  base::Bytes receive(std::size_t from, std::uint32_t tag) override {
    std::unique_lock lock(post_.mutex);
    auto& queue = post_.messages[{from, rank_, tag}];
    post_.came.wait(lock, [&] { return post_.ended || !queue.empty(); });
    if (queue.empty()) throw std::runtime_error("another rank failed");
    base::Bytes bytes = std::move(queue.front());
    queue.pop_front();
    return bytes;
  }
  void broadcast(base::Bytes& bytes) override {
    for (std::size_t to = 1; to < count_ && rank_ == 0; ++to) send(to, kBroadcast, bytes);
    if (rank_ != 0) bytes = receive(0, kBroadcast);
  }

 private:
  Post& post_;
  std::size_t rank_;
  std::size_t count_;
};

constexpr std::size_t kImages = 4 * 2048 + 5;  // five batches

struct Job {
  std::filesystem::path folder;
  Job() {
    std::string name = std::filesystem::temp_directory_path() / "obscura-ranks-XXXXXX";
    folder = mkdtemp(name.data());
    const plan::Plan plan = testing::square_plan();
    Flow::require(base::write_file(path("plan"), wire::write_plan(plan), {}));
    const auto offer = wire::make_offer(wire::read_plan_file(path("plan")).value());
    Flow::require(client::keygen(offer, path("secret"), path("eval")));
    for (const char* in : {"in", "other"}) {
      Flow::require(client::encrypt(offer, path("secret"), testing::random_pixels(kImages), path(in)));
    }
    Flow::require(server::run(path("plan"), path("eval"), path("in"), path("whole")));
  }
  ~Job() { std::filesystem::remove_all(folder); }
  std::filesystem::path path(const std::string& name) const { return folder / name; }
  base::Bytes read(const std::string& name) const { return base::read_file(path(name), 1U << 30).value(); }
};

class Ranks : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { job_ = new Job; }
  static void TearDownTestSuite() {
    delete job_;
    job_ = nullptr;
  }
  void TearDown() override {
    std::filesystem::remove(job().path("out"));
    std::filesystem::remove(base::partial_of(job().path("out")));
  }
  static const Job& job() { return *job_; }

  /// What each rank returns; an error where another failed before.
  static std::vector<Result<server::Report>> run(std::size_t count, const server::RunOptions& options = {},
                                                 const std::vector<std::string>& inputs = {}) {
    Post post;
    std::vector<Result<server::Report>> out(count, error(Code::cancelled, "another rank failed"));
    std::vector<std::thread> threads;
    for (std::size_t r = 0; r < count; ++r) {
      threads.emplace_back([&, r] {
        Threads ranks(post, r, count);
        server::RunOptions own = options;
        own.ranks = &ranks;
        if (r > 0) own.progress = {};
        own.resources = ckks::Resources::make();
        const std::string in = r < inputs.size() ? inputs[r] : "in";
        try {
          out[r] = server::run(job().path("plan"), job().path("eval"), job().path(in), job().path("out"), own);
        } catch (const std::runtime_error&) {
        }
        if (out[r].ok()) return;
        const std::scoped_lock lock(post.mutex);
        post.ended = true;
        post.came.notify_all();
      });
    }
    for (std::thread& thread : threads) thread.join();
    return out;
  }

 private:
  static Job* job_;
};
Job* Ranks::job_ = nullptr;

TEST_F(Ranks, AnswerAsOneWould) {
  // Five batches: 2 + 2 + one for both; 3 + two for three; 4 + one for all; all at once; some batches for two.
  for (const std::size_t count : {1, 2, 3, 4, 5, 7}) {
    for (const auto& report : run(count)) ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(job().read("out"), job().read("whole")) << count << " ranks";
    TearDown();
  }
}

TEST_F(Ranks, AnyNumberGoesOnWithWhatAnyNumberLeft) {
  server::RunOptions stopping;
  stopping.progress = [](std::size_t done, std::size_t total) { return 2 * done < total; };  // of rank 0's
  const auto stopped = run(2, stopping);
  ASSERT_FALSE(stopped[0].ok());
  EXPECT_THAT(stopped[0].error().message, HasSubstr("2 of 5 batches are finished and stay in"));
  server::RunOptions resuming;
  resuming.unfinished = Unfinished::resume;
  resuming.progress = [](std::size_t done, std::size_t total) { return 3 * done < 2 * total; };
  EXPECT_FALSE(run(1, resuming)[0].ok());
  resuming.progress = {};
  const auto reports = run(3, resuming);
  for (const auto& report : reports) ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_GT(reports[0].value().resumed_batches, 2U);
  EXPECT_LT(reports[0].value().resumed_batches, 5U);
  EXPECT_EQ(job().read("out"), job().read("whole"));
}

TEST_F(Ranks, RefuseAnotherFile) {
  const auto reports = run(2, {}, {"in", "other"});
  ASSERT_FALSE(reports[1].ok());
  EXPECT_THAT(reports[1].error().message, HasSubstr("another file here than on rank 0"));
  EXPECT_FALSE(std::filesystem::exists(job().path("out")));
}

TEST_F(Ranks, NeedLessMemoryForAShareThanForAWholeBatch) {
  const auto one = run(1)[0].value().memory_bytes;
  TearDown();
  EXPECT_LT(run(10)[0].value().memory_bytes, one) << "two ranks a batch";
}

}  // namespace
}  // namespace obscura
