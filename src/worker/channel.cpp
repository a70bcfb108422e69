// SPDX-License-Identifier: Apache-2.0
#include "worker/channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace obscura::worker {

bool send_message(int channel, const nlohmann::json& message) {
  const std::string text = message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  OBSCURA_CHECK(text.size() <= kMaxMessage, "a message of {} bytes; at most {}", text.size(), kMaxMessage);
  for (;;) {
    const ssize_t sent = ::send(channel, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(text.size())) return true;
    if (sent >= 0 || errno != EINTR) return false;
  }
}

Received receive_message(int channel, std::chrono::milliseconds wait) {
  pollfd ready{channel, POLLIN, 0};
  const int found = ::poll(&ready, 1, wait.count() < 0 ? -1 : static_cast<int>(wait.count()));
  if (found == 0 || (found < 0 && errno == EINTR)) return {};
  if (found < 0) return {.ended = true, .message = {}};
  std::string text(kMaxMessage, '\0');
  const ssize_t got = ::recv(channel, text.data(), text.size(), 0);
  if (got < 0 && errno == EINTR) return {};
  if (got <= 0) return {.ended = true, .message = {}};
  text.resize(static_cast<std::size_t>(got));
  nlohmann::json message = nlohmann::json::parse(text, nullptr, false);
  // A worker that something took over may send anything: what cannot be read ends it.
  if (!message.is_object()) return {.ended = true, .message = {}};
  return {.ended = false, .message = std::move(message)};
}

std::uint64_t number_of(const nlohmann::json& message, const char* name) {
  const auto found = message.find(name);
  return found != message.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

double seconds_of(const nlohmann::json& message, const char* name) {
  const auto found = message.find(name);
  return found != message.end() && found->is_number() ? found->get<double>() : 0;
}

std::string text_of(const nlohmann::json& message, const char* name) {
  const auto found = message.find(name);
  return found != message.end() && found->is_string() ? found->get<std::string>() : "";
}

nlohmann::json to_json(const Task& task) {
  return {{"model", task.model},        {"plan", task.plan.string()}, {"key", task.key},
          {"keys", task.keys.string()}, {"in", task.in.string()},     {"out", task.out.string()}};
}

Result<Task> task_of(const nlohmann::json& message) {
  std::array<std::string, 6> texts;
  constexpr std::array kNames{"model", "plan", "key", "keys", "in", "out"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const auto found = message.find(kNames[i]);
    if (found == message.end() || !found->is_string()) return error(Code::bad_format, "a task without {}", kNames[i]);
    texts[i] = found->get<std::string>();
  }
  return Task{texts[0], texts[1], texts[2], texts[3], texts[4], texts[5]};
}

}  // namespace obscura::worker
