// SPDX-License-Identifier: Apache-2.0
/// Server-sent events (text/event-stream) out of bytes that come in pieces of any size.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.h"

namespace obscura::http {

struct Event {
  std::string name = "message";  ///< `event:`
  std::string data;              ///< the `data:` lines, with line feeds between them
};

class EventReader {
 public:
  /// `take` gets each event that has data, and says whether it wants more.
  EventReader(std::function<bool(const Event&)> take, std::uint64_t limit) : take_(std::move(take)), limit_(limit) {}
  /// The next bytes. What is left without an empty line after it is no event.
  /// errors  bad_format: an event, or a line, of more than `limit` bytes. cancelled: `take` wants no more
  Result<void> feed(base::ByteView bytes);

 private:
  Result<void> line();

  std::function<bool(const Event&)> take_;
  std::uint64_t limit_;
  std::string line_;
  bool after_return_ = false;  ///< a line feed now belongs to the line's end before it
  bool any_data_ = false;
  Event event_;
};

}  // namespace obscura::http
