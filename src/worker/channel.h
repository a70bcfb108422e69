// SPDX-License-Identifier: Apache-2.0
/// Messages between the server and its worker: a JSON object each, over a socket that keeps their bounds.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "worker/worker.h"

namespace obscura::worker {

inline constexpr std::size_t kMaxMessage = 65536;

/// Whether it was sent; not where the other side is gone.
bool send_message(int channel, const nlohmann::json& message);

/// What came: nothing within the time, the end, or a message.
struct Received {
  bool ended = false;
  std::optional<nlohmann::json> message;
};
/// wait  negative: however long it takes
Received receive_message(int channel, std::chrono::milliseconds wait);

/// Of a message that may hold anything: 0 and "" where there is no such number or text.
std::uint64_t number_of(const nlohmann::json& message, const char* name);
double seconds_of(const nlohmann::json& message, const char* name);
std::string text_of(const nlohmann::json& message, const char* name);

nlohmann::json to_json(const Task& task);
/// errors  bad_format
Result<Task> task_of(const nlohmann::json& message);

}  // namespace obscura::worker
