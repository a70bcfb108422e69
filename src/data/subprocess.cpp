// SPDX-License-Identifier: Apache-2.0
#include "data/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace obscura::data {
namespace {

constexpr std::size_t kKept = 1 << 16;

/// Both ends close with the scope and in programs that are started.
struct Pipe {
  int ends[2] = {-1, -1};
  bool open() { return pipe2(ends, O_CLOEXEC) == 0; }
  void close(int end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
  ~Pipe() {
    close(0);
    close(1);
  }
};

class IgnoreInterrupts {
 public:
  IgnoreInterrupts() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGINT, &ignore, &before_);
  }
  ~IgnoreInterrupts() { sigaction(SIGINT, &before_, nullptr); }
  IgnoreInterrupts(const IgnoreInterrupts&) = delete;
  IgnoreInterrupts& operator=(const IgnoreInterrupts&) = delete;

 private:
  struct sigaction before_ {};
};

/// In the child: only calls that are safe between fork and exec. A failure travels as errno through `failure`.
[[noreturn]] void become(char* const* arguments, const char* folder, const Pipe& output, const Pipe& failure) {
  signal(SIGINT, SIG_DFL);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0 && dup2(nothing, 0) == 0 && dup2(output.ends[1], 1) == 1 && dup2(output.ends[1], 2) == 2 &&
      chdir(folder) == 0) {
    execvp(arguments[0], arguments);
  }
  const int reason = errno;
  [[maybe_unused]] const ssize_t written = write(failure.ends[1], &reason, sizeof reason);
  _exit(127);
}

/// Reads until all writers are gone, keeping the end.
std::string drain(int descriptor) {
  std::string text;
  std::array<char, 4096> piece{};
  for (;;) {
    const ssize_t got = read(descriptor, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
    if (text.size() > kKept) text.erase(0, text.size() - kKept);
  }
}

std::string last_line(std::string text) {
  const std::size_t end = text.find_last_not_of(" \r\n\t");
  if (end == std::string::npos) return "it said nothing";
  text.resize(end + 1);
  const std::size_t start = text.find_last_of('\n');
  return start == std::string::npos ? text : text.substr(start + 1);
}

}  // namespace

Result<std::string> run_program(const std::vector<std::string>& arguments, const std::filesystem::path& folder) {
  OBSCURA_CHECK(!arguments.empty(), "run_program: no program");
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  pointers.reserve(copies.size() + 1);
  for (std::string& copy : copies) pointers.push_back(copy.data());
  pointers.push_back(nullptr);
  Pipe output;
  Pipe failure;
  if (!output.open() || !failure.open()) return error(Code::io, "no pipe: {}", std::strerror(errno));
  const IgnoreInterrupts ignore;
  const pid_t child = fork();
  if (child < 0) return error(Code::io, "{}: cannot be started: {}", arguments[0], std::strerror(errno));
  if (child == 0) become(pointers.data(), folder.c_str(), output, failure);
  output.close(1);
  failure.close(1);
  std::string text = drain(output.ends[0]);
  int reason = 0;
  const bool failed_to_start = read(failure.ends[0], &reason, sizeof reason) == sizeof reason;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (failed_to_start) {
    if (reason == ENOENT) return error(Code::io, "{}: not installed (not found in PATH)", arguments[0]);
    return error(Code::io, "{}: cannot be started: {}", arguments[0], std::strerror(reason));
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) return error(Code::cancelled, "{} was stopped", arguments[0]);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
  const std::string how = WIFEXITED(status) ? fmt::format("exit status {}", WEXITSTATUS(status))
                                            : fmt::format("signal {}", WTERMSIG(status));
  return error(Code::io, "{} failed ({}): {}", fmt::join(arguments, " "), how, last_line(std::move(text)));
}

Result<TemporaryFolder> TemporaryFolder::create(const std::filesystem::path& parent) {
  std::error_code failed;
  std::filesystem::create_directories(parent, failed);
  std::string pattern = std::filesystem::absolute(parent / ".partial-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    return error(Code::io, "{}: cannot make a folder here: {}", parent.string(), std::strerror(errno));
  }
  return TemporaryFolder(pattern);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code failed;
  if (!path_.empty()) std::filesystem::remove_all(path_, failed);
}

}  // namespace obscura::data
