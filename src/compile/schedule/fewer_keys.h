// SPDX-License-Identifier: Apache-2.0
/// Rotations composed of others, so that fewer have keys of their own (compile --max-keys).
#pragma once

#include "compile/schedule/splits.h"

namespace obscura::compile {

/// Bytes of the evaluation keys of a circuit without bootstrapping, in the server's memory.
std::uint64_t key_bytes(const Circuit& circuit, const Splits& splits, int digit_limbs);

/// The same splits with keys of at most `bytes`, or as few as this finds: one rotation key after the other goes, or is
/// kept at the limbs of later transforms alone, always the one that costs the least time for its bytes. Keys of folds
/// stay.
Splits with_fewer_keys(const Circuit& circuit, Splits splits, int digit_limbs, const CostModel& cost,
                       std::uint64_t bytes);

}  // namespace obscura::compile
