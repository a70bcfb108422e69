// SPDX-License-Identifier: Apache-2.0
/// Several processes that work on one job. What carries their messages implements this (mpi/); nothing else of the
/// library knows of it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace obscura::run {

/// A rank of count() processes, numbered from 0. Messages of one tag between two ranks come in the order in which they
/// were sent. A transport that fails, or another rank that does, ends the whole job: nothing here returns an error.
/// threads  one at a time
class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual std::size_t rank() const = 0;
  virtual std::size_t count() const = 0;
  /// Does not wait for the other rank; whoever sends may end only after all was received.
  virtual void send(std::size_t to, std::uint32_t tag, base::Bytes bytes) = 0;
  /// Waits for the next message of this tag.
  virtual base::Bytes receive(std::size_t from, std::uint32_t tag) = 0;
  /// Rank 0's bytes become those of all.
  virtual void broadcast(base::Bytes& bytes) = 0;
};

}  // namespace obscura::run
