// SPDX-License-Identifier: Apache-2.0
/// What a worker gives up before it reads anything from outside.
#pragma once

#include <cstdint>

#include "base/check.h"

namespace obscura::worker {

/// No system calls but those of arithmetic on files that are there: no sockets, no programs, no other processes, no
/// change of rights (seccomp; the process ends where one is tried, or the call fails, see confine.cpp). No core file,
/// which would hold keys. memory: bytes of address space beyond what the process has now; 0: no limit.
/// errors  io: the kernel has no seccomp
Result<void> confine(std::uint64_t memory);

}  // namespace obscura::worker
