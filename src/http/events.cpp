// SPDX-License-Identifier: Apache-2.0
#include "http/events.h"

#include <utility>

namespace obscura::http {

Result<void> EventReader::feed(base::ByteView bytes) {
  for (const std::byte byte : bytes) {
    const char letter = static_cast<char>(byte);
    const bool second = std::exchange(after_return_, letter == '\r') && letter == '\n';
    if (second) continue;
    if (letter == '\n' || letter == '\r') {
      OBSCURA_TRY_VOID(line());
      continue;
    }
    line_ += letter;
    if (line_.size() + event_.data.size() > limit_) {
      return error(Code::bad_format, "an event of more than {} bytes", limit_);
    }
  }
  return {};
}

Result<void> EventReader::line() {
  const std::string whole = std::exchange(line_, {});
  if (whole.empty()) {
    const Event event = std::exchange(event_, {});
    if (std::exchange(any_data_, false) && !take_(event)) return error(Code::cancelled, "no more events are wanted");
    return {};
  }
  const std::size_t colon = whole.find(':');
  const std::string field = whole.substr(0, colon);
  std::string value = colon == std::string::npos ? "" : whole.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.erase(0, 1);
  if (field == "event") {
    event_.name = value;
  } else if (field == "data") {
    if (std::exchange(any_data_, true)) event_.data += '\n';
    event_.data += value;
  }
  return {};  // others, and comments, mean nothing here
}

}  // namespace obscura::http
