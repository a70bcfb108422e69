// SPDX-License-Identifier: Apache-2.0
/// From images to labels over a socket, with the two programs.
#include <fcntl.h>
#include <signal.h>

#include <thread>

#include "program.h"

namespace obscura::cli {
namespace {

using ::testing::HasSubstr;

class Classify : public ProgramTest {
 protected:
  ~Classify() override {
    if (server_ > 0) stop(SIGKILL);
  }
  /// Starts the server on plans/, and waits until it says where it is.
  void serve() {
    server_ = fork();
    if (server_ == 0) {
      const int out = open(path("server.out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (out >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0 && chdir(folder_.c_str()) == 0) {
        execl(OBSCURA_BINARY_DIR "/obscura-server", "obscura-server", "serve", "plans", "--port", "0", nullptr);
      }
      _exit(127);
    }
    for (int k = 0; k < 600 && url_.empty(); ++k) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      const std::string said = slurp(path("server.out"));
      const std::size_t at = said.find("http://"), end = said.find(" serves");
      if (at != std::string::npos && end != std::string::npos) url_ = said.substr(at, end - at);
    }
    ASSERT_FALSE(url_.empty()) << slurp(path("server.out"));
  }
  int stop(int signal) {
    kill(server_, signal);
    int status = 0;
    waitpid(server_, &status, 0);
    server_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::vector<std::string> classify(std::vector<std::string> more) const {
    std::vector<std::string> all{"classify", "--server", url_, "--keys", "client", "net"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  pid_t server_ = -1;
  std::string url_;
};

TEST_F(Classify, GivesTheLabelsOfTheFilesWay) {
  write_data_set();
  write_network();
  std::filesystem::create_directory(path("plans"));
  good({"compile", "net.onnx", "--batch", "8", "-o", "plans/net.plan"});
  serve();
  const std::string images = "data/mnist/t10k-images-idx3-ubyte:0:3";
  const auto first = good(classify({images, "--json"})).json();
  EXPECT_TRUE(first.at("made_key"));
  EXPECT_EQ(first.at("images"), 3);
  good({"offer", "plans/net.plan", "-o", "o"});
  good({"keygen", "o", "--secret", "s", "--eval", "e"});
  good({"encrypt", "o", "--secret", "s", images, "-o", "in"});
  good({"run", "plans/net.plan", "--eval", "e", "in", "-o", "out"});
  const auto files = good({"decrypt", "o", "--secret", "s", "out", "--json"}).json();
  EXPECT_EQ(first.at("labels"), files.at("labels"));
  EXPECT_FALSE(good(classify({images, "--json"})).json().at("made_key"));
  refused({"classify", "--server", url_, "--keys", "client", "nets", images},
          {"no model of this name; there are: net"});
  refused({"classify", "--server", "ftp://a", "--keys", "client", "net", images}, {"http://HOST:PORT"});
  refused(classify({"absent.png"}), {"absent.png"});
  EXPECT_EQ(stop(SIGTERM), 0);
  EXPECT_THAT(slurp(path("server.out")), HasSubstr("ends after the answers that are under way"));
  refused(classify({images}), {"cannot be reached"});
}

}  // namespace
}  // namespace obscura::cli
