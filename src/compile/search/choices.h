// SPDX-License-Identifier: Apache-2.0
/// The dimensions of the search: all choices, in the order in which they are tried.
///
/// A frame is a choice of what circuits are lowered for: images at once, ring, its degree, bootstrapping. A dimension
/// that layouts depend on is one more loop in frames_of, any other one more in parameters_of.
#pragma once

#include <cmath>

#include "compile/front/network.h"
#include "compile/layout/choice.h"

namespace obscura::compile {

struct Request {
  std::uint32_t batch = 1;    ///< images that are classified at a time
  bool image_layout = false;  ///< or one image per slot
  std::optional<int> log2_degree = {};
  std::optional<ckks::RingType> ring = {};  ///< else both
  double most_nanoseconds = HUGE_VAL;       ///< for the batch: choices that take more are of no use
};

/// How often a circuit runs for the batch.
std::uint32_t runs_of(const Choice& choice, std::uint32_t batch);

/// Numbers of images that may share ciphertexts, the most first: powers of two up to the batch, as long as a plane of
/// each fits; 0 alone in the batch layout.
std::vector<std::uint32_t> images_at_once(const MonicNetwork& network, const Request& request);

/// Frames for so many images at once that bootstrap or do not; the cheapest rings first.
std::vector<Choice> frames_of(const MonicNetwork& network, const Request& request, std::uint32_t images,
                              bool bootstrap);

/// The frame of one set of parameters for bootstrapping; digits and limbs follow from its circuit.
Choice bootstrapped_choice(const ckks::BootstrapLiteral& set, std::uint32_t images);

/// Of the largest primes that circuits are compared with.
inline constexpr int kLargestBits = 49;
/// Above these NTTs reduce more often (CostModel::large_prime_factor).
inline constexpr int kPreferredBits = 48;
/// Longer digits are slower and have smaller keys: those up to the second number are for where others are too large.
inline constexpr int kMaxDigitLimbs = 4;
inline constexpr int kMaxDigitLimbsForSmallKeys = 8;

/// All parameters of a frame without bootstrapping, with digits of `least` to `most` limbs. `drops`: what its circuit
/// drops, in the image layout.
std::vector<Choice> parameters_of(const MonicNetwork& network, const Choice& frame, std::uint32_t drops, int least,
                                  int most);

/// Primes for a choice: the special ones, which must be no smaller than those of a digit, are the largest.
/// errors: infeasible where there are not enough primes of the size.
Result<ckks::ParamsLiteral> make_literal(const Choice& choice);

}  // namespace obscura::compile
