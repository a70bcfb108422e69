// SPDX-License-Identifier: Apache-2.0
/// obscura-train as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <sstream>
#include <thread>

#include "bars.h"
#include "nn/onnx.h"

namespace obscura::train {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class Program : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_bars(folder_);
    std::ofstream(path("bars.toml")) << testing::kBars << "[activation]\nkind = \"square\"\n";
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  /// The process, its standard streams in files.
  pid_t start(std::vector<std::string> words) const {
    words.insert(words.begin(), OBSCURA_BINARY_DIR "/obscura-train");
    words.insert(words.end(), {"--data", folder_.string(), "--threads", "1"});
    const std::string out = path("out");
    const std::string err = path("err");
    const pid_t child = fork();
    if (child != 0) return child;
    if (std::freopen(out.c_str(), "w", stdout) == nullptr || std::freopen(err.c_str(), "w", stderr) == nullptr)
      _exit(3);
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    execv(pointers[0], pointers.data());
    _exit(3);
  }
  static int wait(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  int run(std::vector<std::string> words) const { return wait(start(std::move(words))); }
  std::string text(const std::string& name) const {
    std::ostringstream out;
    out << std::ifstream(path(name)).rdbuf();
    return out.str();
  }

  fs::path folder_ = fs::temp_directory_path() / fmt::format("obscura-train-program-{}", getpid());
};

TEST_F(Program, WritesTheNetworkItsCardAndItsCurve) {
  ASSERT_EQ(run({path("bars.toml"), "-o", path("x.onnx"), "--json", "--seed", "3"}), 0) << text("err");
  EXPECT_TRUE(nn::read_onnx_file(path("x.onnx")).ok());
  EXPECT_THAT(text("x.md"), HasSubstr("of 200 ("));
  EXPECT_THAT(text("x.md"), HasSubstr("bars.toml --seed 3 -o x.onnx"));
  EXPECT_EQ(text("x.png").substr(1, 3), "PNG");
  EXPECT_THAT(text("out"), HasSubstr("\"history\":[{"));
  EXPECT_FALSE(fs::exists(path("x.checkpoint")));
  EXPECT_EQ(run({path("bars.toml"), "-o", path("x.onnx")}), 1);
  EXPECT_THAT(text("err"), HasSubstr("exists already"));
}

TEST_F(Program, ThatIsKilledGoesOnAndLosesNothing) {
  const std::vector<std::string> words = {path("bars.toml"), "--epochs", "60"};
  auto with = [&](const std::string& model, const std::vector<std::string>& more) {
    std::vector<std::string> out = words;
    out.insert(out.end(), {"-o", path(model)});
    out.insert(out.end(), more.begin(), more.end());
    return out;
  };
  ASSERT_EQ(run(with("whole.onnx", {})), 0) << text("err");
  const pid_t child = start(with("broken.onnx", {}));
  for (int i = 0; i < 3000 && !fs::exists(path("broken.checkpoint")); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  kill(child, SIGKILL);
  ASSERT_EQ(wait(child), -1) << "it ended before it could be killed";
  EXPECT_FALSE(fs::exists(path("broken.onnx")));
  EXPECT_EQ(run(with("broken.onnx", {})), 1);
  EXPECT_THAT(text("err"), HasSubstr("--resume"));
  ASSERT_EQ(run(with("broken.onnx", {"--resume"})), 0) << text("err");
  EXPECT_EQ(text("whole.onnx"), text("broken.onnx"));
}

TEST_F(Program, ChecksARecipeWithoutTraining) {
  EXPECT_EQ(run({path("bars.toml"), "--check", "--json"}), 0);
  EXPECT_THAT(text("err"), HasSubstr("conv 5x5 to 6 channels, stride 3"));
  EXPECT_THAT(text("out"), HasSubstr("\"parameters\":"));
  EXPECT_EQ(run({path("bars.toml")}), 1);
  EXPECT_THAT(text("err"), HasSubstr("no output"));
  EXPECT_EQ(run({"--no-such-option"}), 2);
}

}  // namespace
}  // namespace obscura::train
