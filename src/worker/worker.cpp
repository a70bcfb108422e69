// SPDX-License-Identifier: Apache-2.0
#include "worker/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "worker/channel.h"

namespace obscura::worker {

namespace {

constexpr std::chrono::milliseconds kAskEvery{200};  ///< whether to go on
/// A step of a deep network takes seconds; what takes longer hangs.
constexpr std::chrono::seconds kStopWithin{60};
constexpr int kChannelOfWorker = 3;

/// What a worker may say of a task that failed; anything else is a crash.
std::optional<Error> error_of(const nlohmann::json& message) {
  const auto code = message.find("code");
  if (code == message.end()) return std::nullopt;
  const int number = code->is_number_integer() ? code->get<int>() : -1;
  const bool known = number >= 0 && number <= static_cast<int>(Code::cancelled);
  return Error{known ? static_cast<Code>(number) : Code::io, text_of(message, "error")};
}

}  // namespace

Worker::~Worker() { end(); }

void Worker::end() {
  const std::lock_guard lock(mutex_);
  if (channel_ >= 0) ::close(channel_);
  channel_ = -1;
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  process_ = 0;
}

pid_t Worker::process() const {
  const std::lock_guard lock(mutex_);
  return process_;
}

void Worker::forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (channel_ >= 0) send_message(channel_, {{"forget", key}});
}

Result<void> Worker::start() {
  const std::lock_guard lock(mutex_);
  if (process_ > 0) return {};
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return error(Code::io, "no channel to a worker: {}", std::strerror(errno));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], kChannelOfWorker);
  // Clients' connections are none of its business, and would stay open in it.
  posix_spawn_file_actions_addclosefrom_np(&actions, kChannelOfWorker + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  // A group of its own: Ctrl-C at the server's terminal is the server's to answer.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> words{options_.program.string(), "worker", "--memory", std::to_string(options_.memory)};
  if (!options_.signing_key.empty()) words.insert(words.end(), {"--sign", options_.signing_key.string()});
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t process = 0;
  const int failed =
      ::posix_spawn(&process, options_.program.c_str(), &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    return error(Code::io, "{}: {}", options_.program.string(), std::strerror(failed));
  }
  process_ = process;
  channel_ = ends[0];
  return {};
}

/// Of a channel that closed.
std::string Worker::how_it_ended() {
  const std::lock_guard lock(mutex_);
  int status = 0;
  // It closed its channel and may hang all the same.
  ::kill(process_, SIGKILL);
  ::waitpid(process_, &status, 0);
  ::close(channel_);
  channel_ = -1;
  process_ = 0;
  if (WIFEXITED(status)) return fmt::format("the worker ended with status {}", WEXITSTATUS(status));
  const char* name = ::sigabbrev_np(WTERMSIG(status));
  return fmt::format("the worker was ended by SIG{}", name != nullptr ? name : "?");
}

Result<Outcome> Worker::run(const Task& task, const base::Progress& progress) {
  OBSCURA_TRY_VOID(start());
  const std::uint64_t number = ++tasks_;
  nlohmann::json message = to_json(task);
  message["task"] = number;
  std::optional<std::chrono::steady_clock::time_point> stopped;
  std::size_t done = 0, total = 0;
  send_message(channel_, message);  // where the worker is gone, receiving says so
  for (;;) {
    const Received received = receive_message(channel_, kAskEvery);
    if (received.ended) return Outcome{Error{Code::io, how_it_ended()}, true, 0, 0};
    if (received.message && number_of(*received.message, "task") == number) {
      const nlohmann::json& said = *received.message;
      if (said.contains("done") || said.contains("code")) {
        return Outcome{error_of(said), false, seconds_of(said, "load_seconds"), seconds_of(said, "run_seconds")};
      }
      done = number_of(said, "work");
      total = number_of(said, "of");
    }
    if (!stopped && progress && !progress(done, total)) {
      stopped = std::chrono::steady_clock::now();
      send_message(channel_, {{"cancel", number}});
    }
    if (stopped && std::chrono::steady_clock::now() - *stopped > kStopWithin) {
      end();
      return Outcome{error(Code::cancelled, "the worker did not stop, and was ended"), false, 0, 0};
    }
  }
}

}  // namespace obscura::worker
