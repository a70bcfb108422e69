// SPDX-License-Identifier: Apache-2.0
/// obscura-server as a process of its own, which a test may kill.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/check.h"

namespace obscura::service {

class Process {
 public:
  Process(const std::filesystem::path& folder, std::uint16_t port, const std::string& database = "") {
    int out[2];
    if (::pipe2(out, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, (folder / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    std::vector<std::string> words{OBSCURA_SERVER, "serve", folder, "--port", std::to_string(port)};
    if (!database.empty()) words.insert(words.end(), {"--database", database});
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    if (::posix_spawn(&pid_, OBSCURA_SERVER, &actions, nullptr, arguments.data(), environ) != 0) std::abort();
    posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    std::string said;
    char piece[256];
    while (said.find('\n') == std::string::npos) {
      const ssize_t n = ::read(out[0], piece, sizeof piece);
      if (n <= 0) break;
      said.append(piece, static_cast<std::size_t>(n));
    }
    ::close(out[0]);
    const std::size_t at = said.find("127.0.0.1:");
    port_ = at == std::string::npos ? 0 : static_cast<std::uint16_t>(std::stoul(said.substr(at + 10)));
  }
  ~Process() { kill(SIGKILL); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  /// Ends it.
  void kill(int signal) {
    if (pid_ == 0) return;
    ::kill(pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  void send(int signal) const { ::kill(pid_, signal); }
  std::uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }
  /// Its children: the worker, where there is one.
  std::vector<pid_t> children() const {
    std::vector<pid_t> out;
    for (const auto& task : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid_))) {
      std::ifstream own(task.path() / "children");
      for (pid_t one = 0; own >> one;) out.push_back(one);
    }
    return out;
  }

 private:
  pid_t pid_ = 0;
  std::uint16_t port_ = 0;
};

}  // namespace obscura::service
