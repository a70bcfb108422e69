// SPDX-License-Identifier: Apache-2.0
/// When two scales are one.
#pragma once

#include <cmath>

namespace obscura::ckks {

/// Whether a ciphertext has the scale that was planned for it, so that it may be read at that one. Each step of a plan
/// may state its scale 1e-9 off what follows from the one before; over 1000 steps this adds up.
inline bool same_scale(double actual, double planned) { return std::fabs(actual - planned) <= 1e-6 * planned; }

}  // namespace obscura::ckks
