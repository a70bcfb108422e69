// SPDX-License-Identifier: Apache-2.0
/// Jobs of many batches by the program: killed and resumed, streamed, and held to their memory.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "api/images.h"
#include "program.h"

namespace obscura::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint32_t kSlots = 2048;  // of the smallest ring, which the small network takes

class Batches : public ProgramTest {
 protected:
  void SetUp() override {
    write_data_set();
    write_network();
  }

  /// data/mnist/t10k-*: `count` images.
  void write_many(std::uint32_t count) const {
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

  /// Keys, and `count` encrypted images in in.enc.
  void prepare(std::uint32_t count) const {
    write_many(count);
    good({"compile", "net.onnx", "--batch", "8", "--layout", "batch", "-o", "net.plan"});
    good({"offer", "net.plan", "-o", "net.offer"});
    good({"keygen", "net.offer", "--secret", "s", "--eval", "e"});
    good({"encrypt", "net.offer", "--secret", "s", "--dataset", "mnist", "-o", "in.enc"});
  }

  static std::vector<std::string> running(const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"run", "net.plan", "--eval", "e", "in.enc", "-o", out, "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  /// Starts the program, sends it a signal once its partial file has `bytes`, and returns its status as of waitpid; 0
  /// where it ended before.
  int interrupt(const std::vector<std::string>& arguments, const std::string& out, std::uintmax_t bytes,
                int signal) const {
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      std::vector<std::string> words = arguments;
      words.insert(words.begin(), OBSCURA_BINARY_DIR "/obscura");
      std::vector<char*> pointers;
      for (std::string& word : words) pointers.push_back(word.data());
      pointers.push_back(nullptr);
      const bool ready = chdir(folder_.c_str()) == 0 && std::freopen(path(".out").c_str(), "w", stdout) != nullptr &&
                         std::freopen(path(".err").c_str(), "w", stderr) != nullptr;
      if (ready) execv(pointers.front(), pointers.data());
      _exit(127);
    }
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
      std::error_code absent;
      const std::uintmax_t size = std::filesystem::file_size(path(out + ".partial"), absent);
      if (!absent && size >= bytes) {
        kill(child, signal);
        waitpid(child, &status, 0);
        return status;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return status;
  }
};

TEST_F(Batches, ARunThatIsKilledGoesOnWhereItWas) {
  constexpr std::uint32_t kBatches = 40;
  prepare((kBatches - 1) * kSlots + 3);
  good(running("whole.enc"));
  const std::string whole = slurp(path("whole.enc"));
  const std::uintmax_t three = 3 * whole.size() / kBatches;
  int status = 0;
  // On a machine that stalls this process it may come too late to kill the other.
  for (int attempt = 0; attempt < 5 && !WIFSIGNALED(status); ++attempt) {
    std::filesystem::remove(path("out.enc"));
    status = interrupt(running("out.enc"), "out.enc", three, SIGKILL);
  }
  ASSERT_TRUE(WIFSIGNALED(status)) << status << slurp(path(".err"));
  EXPECT_FALSE(std::filesystem::exists(path("out.enc")));
  refused({"decrypt", "net.offer", "--secret", "s", "out.enc.partial"}, {"truncated"});
  refused(running("out.enc"), {"out.enc.partial", "did not end", "--resume", "--restart"}, "out.enc");
  EXPECT_EQ(run(running("out.enc", {"--resume", "--restart"})).status, 2);
  const Outcome resumed = good(running("out.enc", {"--resume", "--json"}));
  EXPECT_GE(resumed.json().at("resumed_batches"), 2);
  EXPECT_THAT(resumed.err, AllOf(HasSubstr("resumes after"), HasSubstr("of memory")));
  EXPECT_EQ(slurp(path("out.enc")), whole);
  EXPECT_FALSE(std::filesystem::exists(path("out.enc.partial")));
  const auto answer = good({"decrypt", "net.offer", "--secret", "s", "out.enc", "--labels",
                            "data/mnist/t10k-labels-idx1-ubyte", "--json"})
                          .json();
  EXPECT_EQ(answer.at("accuracy"), 1.0);
}

TEST_F(Batches, ControlCKeepsWhatIsFinishedAndSaysSoInOneSentence) {
  constexpr std::uint32_t kBatches = 40;
  prepare((kBatches - 1) * kSlots + 3);
  int status = 0;
  std::string said;
  for (int attempt = 0; attempt < 5 && said.empty(); ++attempt) {
    std::filesystem::remove(path("out.enc"));
    status = interrupt(running("out.enc"), "out.enc", 2U << 18, SIGINT);
    said = slurp(path(".err"));
  }
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_THAT(said, AllOf(HasSubstr("of 40 batches are finished and stay in out.enc.partial"), HasSubstr("--resume")));
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  EXPECT_GE(good(running("out.enc", {"--resume", "--json"})).json().at("resumed_batches"), 1);
}

TEST_F(Batches, TheServersOwnProgramResumesToo) {
  prepare(3);
  write("out.enc.partial", "OBSC");
  const std::string server = OBSCURA_BINARY_DIR "/obscura-server";
  const std::vector<std::string> arguments{"run", "net.plan", "--eval", "e", "in.enc", "-o", "out.enc"};
  EXPECT_THAT(run(arguments, server).err, HasSubstr("--resume goes on with it"));
  auto resumed = arguments;
  resumed.emplace_back("--resume");
  EXPECT_EQ(run(resumed, server).status, 0);
  EXPECT_EQ(good({"decrypt", "net.offer", "--secret", "s", "out.enc", "--json"}).json().at("images"), 3);
}

TEST_F(Batches, MemoryDoesNotGrowWithTheirNumber) {
  // Under AddressSanitizer what is freed would stay, up to 256 MB of it.
  ::setenv("ASAN_OPTIONS", "quarantine_size_mb=1:thread_local_quarantine_size_kb=64", 0);
  prepare(30 * kSlots);
  const double many = good(running("many.enc", {"--json"})).json().at("peak_memory_bytes");
  good({"encrypt", "net.offer", "--secret", "s", "--dataset", "mnist", "--limit", "5", "-o", "few.enc"});
  auto few = running("few.out", {"--json"});
  few[4] = "few.enc";
  const auto json = good(few).json();
  // In memory a batch of inputs takes some 5 MB, and the answers of all 6 MB: held, they would show.
  EXPECT_LT(many - json.at("peak_memory_bytes").get<double>(), 4e6);
  EXPECT_GT(json.at("predicted_memory_bytes"), 0);
}

TEST_F(Batches, SayWhatTheyNeedWhereThatIsMoreThanAllowed) {
  prepare(3);
  refused(running("out.enc", {"--memory", "100KB"}), {"too little for plan thirds", "needs at least"}, "out.enc");
  for (const char* backend : {"ckks", "clear"}) {
    const std::vector<std::string> evaluate{"evaluate", "net.plan", "--dataset", "mnist", "--backend", backend};
    auto with = [&](const std::string& memory) {
      auto arguments = evaluate;
      arguments.insert(arguments.end(), {"--memory", memory});
      return arguments;
    };
    refused(with("100KB"), {"too little for plan thirds", "needs at least"});
    EXPECT_THAT(good(with("8GB")).out, HasSubstr("of the 8 GB allowed")) << backend;
  }
  EXPECT_THAT(good(running("out.enc", {"--memory", "8GB"})).out, HasSubstr("3 images in 1 batch: needs about"));
}

TEST_F(Batches, EvaluateStreamsThem) {
  constexpr std::uint32_t kCount = 2 * kSlots + 3;
  write_many(kCount);
  good({"compile", "net.onnx", "--batch", "8", "--layout", "batch", "-o", "net.plan"});
  for (const char* backend : {"ckks", "clear"}) {
    const auto json = good({"evaluate", "net.plan", "--model", "net.onnx", "--dataset", "mnist", "--backend", backend,
                            "--first", "1", "--predictions", "--json"})
                          .json();
    EXPECT_EQ(json.at("images"), kCount - 1);
    EXPECT_EQ(json.at("batches"), 3);
    EXPECT_EQ(json.at("dataset"), "mnist");
    EXPECT_EQ(json.at("split"), "test");
    EXPECT_EQ(json.at("backend"), backend);
    EXPECT_EQ(json.at("accuracy"), 1.0);
    EXPECT_EQ(json.at("agreement"), 1.0);
    EXPECT_GT(json.at("predicted_memory_bytes"), 0);
    EXPECT_EQ(json.at("labels").at(kCount - 2), (kCount - 1) % kClasses) << "of the last image, in the last batch";
  }
}

TEST_F(Batches, EncryptTakesImagesOfADataSetOrOfFiles) {
  prepare(kSlots + 5);
  const std::vector<std::string> encrypt{"encrypt", "net.offer", "--secret", "s"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), encrypt.begin(), encrypt.end());
    return more;
  };
  const auto json =
      good(with({"--dataset", "mnist", "--first", "3", "--limit", std::to_string(kSlots + 1), "-o", "in2", "--json"}))
          .json();
  EXPECT_EQ(json.at("images"), kSlots + 1);
  EXPECT_EQ(json.at("batches"), 2);
  good({"run", "net.plan", "--eval", "e", "in2", "-o", "out2"});
  const auto labels = good({"decrypt", "net.offer", "--secret", "s", "out2", "--json"}).json().at("labels");
  ASSERT_EQ(labels.size(), kSlots + 1);
  for (std::uint32_t i = 0; i <= kSlots; ++i) ASSERT_EQ(labels[i], (i + 3) % kClasses) << i;

  refused(with({"-o", "x"}), {"name the images"}, "x");
  refused(with({"data/mnist/t10k-images-idx3-ubyte", "--dataset", "mnist", "-o", "x"}), {"not both"}, "x");
  refused(with({"--dataset", "mnist", "--limit", "0", "-o", "x"}), {"--limit 0"}, "x");
  refused(with({"--dataset", "mnist", "--limit", "9999", "-o", "x"}), {"mnist", "9999", "2053"}, "x");
  refused(with({"--dataset", "cifar10", "-o", "x"}), {"obscura data fetch cifar10"}, "x");
  EXPECT_EQ(
      good(with({"data/mnist/t10k-images-idx3-ubyte", "--limit", "3", "-o", "in3", "--json"})).json().at("images"), 3);
  write("data/bccd/test.bin", base::Bytes(2 * 3073));
  refused(with({"--dataset", "bccd", "-o", "x"}), {"bccd", "3x32x32", "1x6x6"}, "x");
}

/// CIFAR-10 as `obscura data fetch` places it.
TEST_F(Batches, ImagesOfCifarAreReadAPartAtATime) {
  constexpr std::size_t kRows = 10000, kPixels = 1024;
  std::vector<std::uint8_t> planes(3 * kRows * kPixels);
  std::string list = "[";
  for (std::size_t i = 0; i < kRows; ++i) {
    std::fill_n(planes.begin() + static_cast<std::ptrdiff_t>(i * kPixels), kPixels, static_cast<std::uint8_t>(i % 251));
    list += std::to_string(i % 10) + (i + 1 < kRows ? "," : "]");
  }
  write("data/cifar10/test_batch.png", data::encode_png(planes, 3, kRows, kPixels));
  write("data/cifar10/test_lables.json", list);
  api::Selection selection;
  selection.dataset = "cifar10";
  selection.data = path("data");
  selection.first = 9;
  const auto images = api::Images::of(selection, {3, 32, 32});
  ASSERT_TRUE(images.ok()) << images.error().message;
  EXPECT_EQ(images->count(), kRows - 9);
  const auto part = images->read(4096, 2);
  ASSERT_TRUE(part.ok()) << part.error().message;
  ASSERT_EQ(part->count(), 2U);
  EXPECT_EQ(part->pixels[0], (4096 + 9) % 251);
  EXPECT_EQ(part->pixels[3 * kPixels], (4097 + 9) % 251);
  EXPECT_THAT(part->labels, ::testing::ElementsAre(5, 6));
}

TEST_F(Batches, ImagesOfSeveralFilesAreReadAcrossThem) {
  write_many(7);
  write_png("one.png", 1);
  const std::string file = path("data/mnist/t10k-images-idx3-ubyte");
  const auto images = api::Images::of_files({file + ":2:3", path("one.png"), file}, {1, kSide, kSide});
  ASSERT_TRUE(images.ok()) << images.error().message;
  ASSERT_EQ(images->count(), 11U);
  const auto part = images->read(2, 4);
  ASSERT_TRUE(part.ok()) << part.error().message;
  std::vector<std::uint8_t> expected;
  for (const std::uint32_t i : {4U, 1U, 0U, 1U}) {
    const auto one = image(i);
    expected.insert(expected.end(), one.begin(), one.end());
  }
  EXPECT_EQ(part->pixels, expected);
}

}  // namespace
}  // namespace obscura::cli
