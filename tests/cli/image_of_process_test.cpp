// SPDX-License-Identifier: Apache-2.0
/// The memory of the program itself when its work is done: it waits to print into a pipe that is full.
#include <fcntl.h>

#include <cstring>

#include "program.h"

namespace obscura::cli {
namespace {

/// What a process can write to of its memory, in one text; empty where the system does not let us look.
std::string memory_of(pid_t process) {
  std::ifstream maps("/proc/" + std::to_string(process) + "/maps");
  const int memory = open(("/proc/" + std::to_string(process) + "/mem").c_str(), O_RDONLY);
  std::string out;
  for (std::string line; memory >= 0 && std::getline(maps, line);) {
    unsigned long first = 0, last = 0;
    char how[8] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %7s", &first, &last, how) != 3 || how[0] != 'r' || how[1] != 'w') continue;
    std::string bytes(last - first, '\0');
    const ssize_t got = pread(memory, bytes.data(), bytes.size(), static_cast<off_t>(first));
    if (got > 0) out += bytes.substr(0, static_cast<std::size_t>(got));
  }
  if (memory >= 0) close(memory);
  return out;
}

class ProcessImage : public ProgramTest {
 protected:
  /// The memory of the program when it has done all but to say so.
  std::string image_of(std::vector<std::string> arguments) const {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    const std::string filler(4096, 'x');
    while (write_all(ends[1], filler)) {
    }
    fcntl(ends[1], F_SETFL, 0);
    arguments.insert(arguments.begin(), OBSCURA_BINARY_DIR "/obscura");
    const pid_t child = fork();
    if (child == 0) {
      std::vector<char*> pointers;
      for (std::string& argument : arguments) pointers.push_back(argument.data());
      pointers.push_back(nullptr);
      if (chdir(folder_.c_str()) == 0 && dup2(ends[1], STDOUT_FILENO) >= 0) execv(pointers.front(), pointers.data());
      _exit(127);
    }
    wait_for_write(child);
    std::string image = memory_of(child);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    close(ends[0]);
    close(ends[1]);
    return image;
  }

 private:
  static bool write_all(int to, const std::string& text) { return ::write(to, text.data(), text.size()) > 0; }
  /// Until its main thread sleeps in the write to the pipe.
  static void wait_for_write(pid_t child) {
    for (int k = 0; k < 600; ++k) {
      usleep(50'000);
      const std::string call = slurp("/proc/" + std::to_string(child) + "/wchan");
      if (call.find("pipe") != std::string::npos) return;
    }
  }
};

TEST_F(ProcessImage, HoldsNoSeedAfterKeygenEncryptAndDecrypt) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer maps terabytes, and keeps what was freed";
#endif
  write_data_set();
  write_network();
  good({"compile", "net.onnx", "--batch", "8", "-o", "net.plan"});
  good({"offer", "net.plan", "-o", "net.offer"});
  // Without --json: what keygen takes is printed before its work, which would stop it there.
  const std::vector<std::string> keygen{"keygen", "net.offer", "--secret", "s", "--eval", "e", "--json"};
  const std::string after_keygen = image_of(keygen);
  if (after_keygen.empty()) GTEST_SKIP() << "the system does not let this user read the memory of such a process";
  const std::string file = slurp(path("s"));
  ASSERT_EQ(file.size(), 20U + 48 + 1 + 32 + 32 + 32);
  const std::string seed = file.substr(20 + 48 + 1 + 32, 32);
  const auto expect_no_seed = [&](const std::string& image, const char* verb) {
    EXPECT_GT(image.size(), 100'000U) << verb;
    for (const std::size_t part : {0U, 8U, 16U, 24U}) {
      EXPECT_EQ(image.find(seed.substr(part, 8)), std::string::npos) << verb << ", from byte " << part;
    }
    EXPECT_NE(image.find("obscura"), std::string::npos) << verb << ": nothing was looked at";
  };
  expect_no_seed(after_keygen, "keygen");
  const std::vector<std::string> encrypt{
      "encrypt", "net.offer", "--secret", "s", "-o", "in", "data/mnist/t10k-images-idx3-ubyte:0:6"};
  expect_no_seed(image_of(encrypt), "encrypt");
  good({"run", "net.plan", "--eval", "e", "in", "-o", "out"});
  expect_no_seed(image_of({"decrypt", "net.offer", "--secret", "s", "out"}), "decrypt");
}

}  // namespace
}  // namespace obscura::cli
