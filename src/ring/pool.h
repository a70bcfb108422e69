// SPDX-License-Identifier: Apache-2.0
/// Buffers of one limb, kept for reuse. A fresh page costs microseconds to fault in, more than the arithmetic on it,
/// and a network frees and takes gigabytes: so limbs of one degree come from slabs that are recycled, never unmapped
/// while the process lives. The high-water mark is the peak of live limbs.
#pragma once

#include <cstddef>

namespace obscura::ring {

/// degree doubles, aligned to 64 bytes, uninitialised.
/// thread  concurrent
double* take_limb(std::size_t degree);
void give_limb(std::size_t degree, double* limb);

/// Bytes that one limb of this degree takes.
std::size_t limb_bytes(std::size_t degree);

}  // namespace obscura::ring
