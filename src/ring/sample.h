// SPDX-License-Identifier: Apache-2.0
/// Random polynomials.
#pragma once

#include <cstdint>
#include <span>

#include "base/random.h"
#include "ring/basis.h"

namespace obscura::ring {

/// Variance of the centred binomial noise: 21 coins against 21, deviation 3.24.
inline constexpr double kNoiseVariance = 10.5;

/// Fills limb i (basis prime `prime`) with uniform residues, by rejection. The same seed and domain give the same limb
/// on every machine and kernel table: the bytes of a residue are the least that hold the prime, little-endian, masked.
void sample_uniform(const base::Seed& seed, std::uint64_t domain, std::uint64_t prime, std::span<double> limb);

/// Small integers: uniform in {-1, 0, 1}.
void sample_ternary(base::Stream& stream, std::span<double> out);

/// Small integers: centred binomial, in constant time.
void sample_noise(base::Stream& stream, std::span<double> out);

}  // namespace obscura::ring
