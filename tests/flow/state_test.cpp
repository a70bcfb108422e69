// SPDX-License-Identifier: Apache-2.0
/// Runs in the image layout that end in the middle of an image, and what a later run makes of what they left.
#include "wire/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "../compile/residual.h"
#include "base/files.h"
#include "client/client.h"
#include "compile/compile.h"
#include "server/server.h"
#include "wire/plan_frame.h"

namespace obscura {
namespace {

namespace fs = std::filesystem;
using server::RunOptions;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Unfinished = RunOptions::Unfinished;

constexpr std::size_t kImages = 2;
constexpr std::size_t kPixels = 36;

template <class T>
void require(const Result<T>& result) {
  if (!result.ok()) throw std::runtime_error(result.error().message);
}

std::vector<float> pixels(std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<float> out(kImages * kPixels);
  for (auto& p : out) p = static_cast<float>(engine() & 255U) / 255;
  return out;
}

/// A convolution that a shortcut goes around, so that it lives for several steps, and two squares.
plan::Plan small_plan() {
  compile::Net net({1, 6, 6});
  const auto x = net.square(net.conv(0, 1, 2, 3, {.pads = {1, 1, 1, 1}}));
  const auto y = net.sum(net.conv(x, 2, 2, 3, {.pads = {1, 1, 1, 1}}), x);
  net.dense(net.square(y), 72, 3);
  const nn::Graph graph = net.finished();
  compile::Options options;
  options.batch = 1;
  options.layout = compile::LayoutChoice::image;
  const std::vector<float> images = compile::random_images(graph, 8);
  options.calibration = images;
  auto plan = compile::compile(graph, options);
  require(plan);
  return std::move(plan).value();
}

/// A folder with everything up to two encrypted images, and the answer of a run that nobody stopped.
struct Job {
  fs::path folder;
  std::size_t steps = 0;
  Job() {
    std::string name = fs::temp_directory_path() / "obscura-state-XXXXXX";
    folder = mkdtemp(name.data());
    const plan::Plan plan = small_plan();
    steps = plan.steps.size();
    require(base::write_file(path("plan"), wire::write_plan(plan), {}));
    const plan::Offer offer = wire::make_offer(wire::read_plan_file(path("plan")).value());
    require(client::keygen(offer, path("secret"), path("eval")));
    require(client::encrypt(offer, path("secret"), pixels(1), path("in")));
    require(client::encrypt(offer, path("secret"), pixels(2), path("in2")));
    require(server::run(path("plan"), path("eval"), path("in"), path("whole")));
  }
  ~Job() { fs::remove_all(folder); }
  fs::path path(const std::string& name) const { return folder / name; }
};

class RunState : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { job_ = new Job; }
  static void TearDownTestSuite() {
    delete job_;
    job_ = nullptr;
  }
  void TearDown() override {
    for (const fs::path& path : {out(), partial(), state()}) fs::remove(path);
  }
  static const Job& job() { return *job_; }
  static fs::path out() { return job().path("out"); }
  static fs::path partial() { return base::partial_of(out()); }
  static fs::path state() { return server::state_of(out()); }
  static base::Bytes read(const fs::path& path) { return base::read_file(path, 1U << 30).value(); }

  static Result<server::Report> run(Unfinished unfinished, base::Progress progress = {}, const std::string& in = "in") {
    RunOptions options;
    options.unfinished = unfinished;
    options.save_seconds = 0;
    options.progress = std::move(progress);
    return server::run(job().path("plan"), job().path("eval"), job().path(in), out(), options);
  }
  /// Stops a run once so much of the work of all images is done.
  static Error stop_at(double share, Unfinished unfinished = Unfinished::refuse, const std::string& in = "in") {
    const auto report = run(
        unfinished,
        [=](std::size_t done, std::size_t total) {
          return static_cast<double>(done) <= share * static_cast<double>(total);
        },
        in);
    return report.ok() ? Error{} : report.error();
  }
  /// The state as it is after another change of its header, with records that are no longer looked at.
  static void change_header(const std::function<void(wire::StateHeader&)>& change) {
    wire::StateHeader header = wire::StateReader::open(state()).value().header();
    const std::size_t size = wire::write_state_header(header).size();
    base::Bytes bytes = read(state());
    change(header);
    const base::Bytes changed = wire::write_state_header(header);
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    bytes.insert(bytes.begin(), changed.begin(), changed.end());
    require(base::write_file(state(), bytes, {.overwrite = true}));
  }
  /// Goes on after so many images and some steps of the next, and answers as a run would that nobody stopped.
  static void expect_resumed(std::uint64_t images, bool within) {
    const auto report = run(Unfinished::resume);
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report.value().resumed_batches, images);
    EXPECT_EQ(report.value().resumed_steps > 0, within);
    EXPECT_EQ(read(out()), read(job().path("whole")));
    EXPECT_FALSE(fs::exists(partial()));
    EXPECT_FALSE(fs::exists(state()));
  }
  static void expect_refused(const std::string& words) {
    const auto report = run(Unfinished::resume);
    ASSERT_FALSE(report.ok()) << words;
    EXPECT_THAT(report.error().message,
                AllOf(HasSubstr(state().string()), HasSubstr(words), HasSubstr("without it --resume continues after"),
                      HasSubstr("--restart begins again")));
    EXPECT_FALSE(fs::exists(out()));
    EXPECT_TRUE(fs::exists(partial())) << "a refusal takes nothing away";
    EXPECT_TRUE(fs::exists(state()));
  }

 private:
  static Job* job_;
};
Job* RunState::job_ = nullptr;

TEST_F(RunState, GoesOnInTheMiddleOfTheFirstImage) {
  const Error stopped = stop_at(0.3);
  EXPECT_EQ(stopped.code, Code::cancelled);
  EXPECT_THAT(stopped.message,
              AllOf(HasSubstr("0 of 2 batches and "), HasSubstr("steps of the next are finished and stay"),
                    HasSubstr(state().string()), HasSubstr("--resume")));
  EXPECT_FALSE(fs::exists(out()));
  expect_resumed(0, true);
}

TEST_F(RunState, GoesOnInTheMiddleOfALaterImage) {
  (void)stop_at(0.8);
  EXPECT_EQ(wire::StateReader::open(state()).value().header().batch, 1U);
  expect_resumed(1, true);
}

TEST_F(RunState, DoesNotRepeatTheStepsThatWereSaved) {
  (void)stop_at(0.8);  // in the last image, so that the trace of the rest is of this one
  std::vector<server::Outlook> told;
  RunOptions options;
  options.unfinished = Unfinished::resume;
  options.before = [&](const server::Outlook& outlook) { told.push_back(outlook); };
  std::size_t first = 0, last = 0, all = 0;
  options.progress = [&](std::size_t done, std::size_t total) {
    if (first == 0) first = done;
    last = done;
    all = total;
    return true;
  };
  const auto report = server::run(job().path("plan"), job().path("eval"), job().path("in"), out(), options);
  ASSERT_TRUE(report.ok()) << report.error().message;
  const std::size_t steps = report.value().resumed_steps;
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].done_steps, steps);
  EXPECT_EQ(told[0].steps, job().steps);
  ASSERT_GT(steps, 0U);
  for (std::size_t s = 0; s < job().steps; ++s) {
    EXPECT_EQ(report.value().trace.steps[s].seconds > 0, s >= steps) << "step " << s << " of " << steps;
  }
  EXPECT_EQ(last, all) << "progress is of what is left";
  EXPECT_LE(first, all);
}

/// A kill at any time leaves what stands on disk then.
TEST_F(RunState, GoesOnWithWhatAKilledRunLeft) {
  fs::create_directory(job().path("killed"));
  std::size_t kept = 0;
  const auto report = run(Unfinished::refuse, [&](std::size_t, std::size_t) {
    if (!fs::exists(state())) return true;
    const fs::path to = job().path("killed") / std::to_string(kept++);
    fs::create_directory(to);
    fs::copy(partial(), to / "partial");
    fs::copy(state(), to / "state");
    return true;
  });
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_FALSE(fs::exists(state()));
  ASSERT_GT(kept, 4U);
  for (std::size_t k = 0; k < kept; ++k) {
    SCOPED_TRACE(k);
    const fs::path from = job().path("killed") / std::to_string(k);
    fs::remove(out());
    fs::copy(from / "partial", partial());
    fs::copy(from / "state", state());
    const auto resumed = run(Unfinished::resume);
    ASSERT_TRUE(resumed.ok()) << resumed.error().message;
    EXPECT_GT(resumed.value().resumed_steps, 0U);
    EXPECT_EQ(read(out()), read(job().path("whole")));
  }
}

TEST_F(RunState, IgnoresTheStateOfAnImageThatWasFinishedAfterIt) {
  (void)stop_at(0.3);
  const base::Bytes early = read(state());
  (void)stop_at(0.8, Unfinished::resume);
  require(base::write_file(state(), early, {.overwrite = true}));
  expect_resumed(1, false);
}

TEST_F(RunState, DoesNotTouchAnUnfinishedRunUnlessToldTo) {
  (void)stop_at(0.3);
  const base::Bytes before = read(state());
  fs::remove(partial());
  const auto refused = run(Unfinished::refuse);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr(state().string()), HasSubstr("--resume"), HasSubstr("--restart")));
  EXPECT_EQ(read(state()), before);
  const auto again = run(Unfinished::restart);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again.value().resumed_steps, 0U);
  EXPECT_FALSE(fs::exists(state()));
}

TEST_F(RunState, RefusesADamagedState) {
  (void)stop_at(0.8);
  base::Bytes bytes = read(state());
  bytes[bytes.size() / 2] ^= std::byte{1};
  require(base::write_file(state(), bytes, {.overwrite = true}));
  expect_refused("damaged");
  fs::remove(state());
  expect_resumed(1, false);
}

TEST_F(RunState, RefusesAStateOfOtherInputs) {
  (void)stop_at(0.3, Unfinished::refuse, "in2");
  const base::Bytes other = read(state());
  fs::remove(partial());
  fs::remove(state());
  (void)stop_at(0.3);
  require(base::write_file(state(), other, {.overwrite = true}));
  expect_refused("inputs");
}

TEST_F(RunState, RefusesAStateOfAnotherPlanOrKey) {
  (void)stop_at(0.3);
  change_header([](wire::StateHeader& header) { header.binding.plan.fill(7); });
  expect_refused("saved with plan 0707070707070707");
  change_header([](wire::StateHeader& header) { header.binding.key.fill(8); });
  expect_refused("key 0808080808080808");
}

TEST_F(RunState, RefusesAStateThatIsNotBetweenTheTasksOfThisRun) {
  (void)stop_at(0.3);
  const base::Bytes sound = read(state());
  change_header([](wire::StateHeader& header) { header.tasks += 1; });
  expect_refused("this run has others there");
  for (const std::uint64_t tasks : {std::uint64_t{0}, std::uint64_t{1} << 60}) {
    change_header([&](wire::StateHeader& header) { header.tasks = tasks; });
    expect_refused("tasks are done");
  }
  require(base::write_file(state(), sound, {.overwrite = true}));
  change_header([](wire::StateHeader& header) { header.live[0].at.value += 1000; });
  expect_refused("this run has others there");
  require(base::write_file(state(), sound, {.overwrite = true}));
  change_header([](wire::StateHeader& header) { header.live[0].scale *= 2; });
  expect_refused("scale");
}

}  // namespace
}  // namespace obscura
