// SPDX-License-Identifier: Apache-2.0
/// The program under mpirun: its answer is that of one process, byte for byte, and what fails says so.
#include <algorithm>
#include <cstdlib>

#include "tests/cli/program.h"

namespace obscura::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint32_t kSlots = 2048;  // of the smallest ring, which the small network takes

class Mpi : public ProgramTest {
 protected:
  void SetUp() override {
    if (std::system("command -v mpirun > /dev/null 2>&1") != 0) GTEST_SKIP() << "there is no mpirun (openmpi-bin)";
    if (!std::filesystem::exists(OBSCURA_BINARY_DIR "/obscura_mpi.so")) {
      GTEST_SKIP() << "built without MPI (libopenmpi-dev)";
    }
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    write_data_set();
    write_network();
  }

  /// Keys, in.enc with encrypted images, and the answer of one process.
  void prepare(std::uint32_t images) const {
    write_images(images);
    good({"compile", "net.onnx", "--batch", "8", "--layout", "batch", "-o", "net.plan"});
    good({"offer", "net.plan", "-o", "net.offer"});
    good({"keygen", "net.offer", "--secret", "s", "--eval", "e"});
    good({"encrypt", "net.offer", "--secret", "s", "--dataset", "mnist", "-o", "in.enc"});
    good({"run", "net.plan", "--eval", "e", "in.enc", "-o", "whole.enc"});
  }
  /// data/mnist/t10k-*: so many images.
  void write_images(std::uint32_t count) const {
    base::Bytes images;
    base::Bytes labels;
    for (const std::uint32_t word : {0x803U, count, kSide, kSide}) big_endian(images, word);
    for (const std::uint32_t word : {0x801U, count}) big_endian(labels, word);
    for (std::uint32_t i = 0; i < count; ++i) {
      for (const std::uint8_t pixel : image(i)) images.push_back(std::byte{pixel});
      labels.push_back(static_cast<std::byte>(i % kClasses));
    }
    write("data/mnist/t10k-images-idx3-ubyte", images);
    write("data/mnist/t10k-labels-idx1-ubyte", labels);
  }

  static std::string running(const std::string& in, const std::string& more = "") {
    return OBSCURA_BINARY_DIR "/obscura run --mpi --threads 1 net.plan --eval e " + in + " -o out.enc " + more;
  }
  static std::string mpirun(int ranks) {
    return "mpirun --oversubscribe --bind-to none -n " + std::to_string(ranks) + " ";
  }
  Outcome shell(const std::string& script) const { return run({"-c", script}, "/bin/sh"); }
  void expect_whole() const {
    EXPECT_EQ(slurp(path("out.enc")), slurp(path("whole.enc")));
    EXPECT_FALSE(std::filesystem::exists(path("out.enc.partial")));
    std::filesystem::remove(path("out.enc"));
  }
};

TEST_F(Mpi, AnswersByteForByteAsOneProcess) {
  prepare(2 * kSlots + 5);  // three batches: of two ranks each takes one, and both share the third
  for (const int ranks : {1, 2, 3, 4}) {
    const Outcome outcome = shell(mpirun(ranks) + running("in.enc", "--json"));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.json()["ranks"], ranks);
    EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1) << "rank 0 alone answers: " << outcome.out;
    expect_whole();
  }
}

TEST_F(Mpi, ARankThatFailsEndsTheJobWithASentence) {
  prepare(kSlots + 5);
  const Outcome outcome = shell(mpirun(1) + running("in.enc") + " : -n 1 " + running("absent.enc"));
  EXPECT_NE(outcome.status, 0);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("obscura: rank 1 of 2 on "), HasSubstr("absent.enc: ")));
  EXPECT_FALSE(std::filesystem::exists(path("out.enc")));
}

TEST_F(Mpi, AnotherNumberOfRanksGoesOnAfterOneWasKilled) {
  prepare(40 * kSlots);
  const Outcome killed = shell(mpirun(2) + running("in.enc") +
                               " & job=$!\n"
                               "some=$(($(stat -c %s whole.enc) / 20))\n"
                               "until [ $(stat -c %s out.enc.partial 2> /dev/null || echo 0) -gt $some ]; do\n"
                               "kill -0 $job || exit 3; sleep 0.01; done\n"
                               "kill -9 $(pgrep -P $job | tail -n 1); wait $job");
  ASSERT_NE(killed.status, 3) << "it ended before it could be killed";
  EXPECT_NE(killed.status, 0);
  ASSERT_TRUE(std::filesystem::exists(path("out.enc.partial")));
  EXPECT_FALSE(std::filesystem::exists(path("out.enc")));
  const Outcome refused = shell(mpirun(2) + running("in.enc"));
  EXPECT_NE(refused.status, 0);
  EXPECT_THAT(refused.err, HasSubstr("an earlier run to out.enc did not end; --resume goes on with it"));
  const Outcome resumed = shell(mpirun(3) + running("in.enc", "--resume --json"));
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_GT(resumed.json()["resumed_batches"], 0);
  expect_whole();
}

}  // namespace
}  // namespace obscura::cli
