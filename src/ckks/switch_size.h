// SPDX-License-Identifier: Apache-2.0
/// The work of key switches in limbs, for transform_shape.cpp and transform_cost.cpp.
#pragma once

#include <algorithm>

#include "ckks/transform.h"

namespace obscura::ckks {

/// Inner products with a key, both parts: digits * rows * 2 products, then P times the body and 2 permutations.
inline std::size_t baby_products(const SwitchSize& size) {
  const std::size_t rows = size.limbs + size.special;
  return 2 * size.digits * rows + size.limbs + 2 * rows;
}

/// Division of one part by P, decomposition, raising.
inline std::size_t giant_ntts(const SwitchSize& size) {
  const std::size_t rows = size.limbs + size.special;
  return size.special + size.limbs + size.limbs + size.digits * rows - size.limbs;
}

inline std::size_t giant_products(const SwitchSize& size) {
  const std::size_t rows = size.limbs + size.special;
  return 2 * size.digits * rows + size.limbs + 4 * rows;
}

/// Conversions of a decomposition: each digit, of as many limbs as there are special primes, to all rows but its own.
inline std::size_t raised_sources(const SwitchSize& size) {
  std::size_t own = 0;
  for (std::size_t d = 0, left = size.limbs; d < size.digits; ++d) {
    const std::size_t digit = std::min(left, size.special);
    own += digit * digit;
    left -= digit;
  }
  return size.limbs * (size.limbs + size.special) - own;
}

/// A whole key switch: decomposition, raising, division of both parts by P.
inline std::size_t switch_ntts(const SwitchSize& size) {
  const std::size_t rows = size.limbs + size.special;
  return size.digits * rows + 2 * rows;
}

inline std::size_t switch_products(const SwitchSize& size) {
  return 2 * size.digits * (size.limbs + size.special) + 3 * size.limbs;
}

}  // namespace obscura::ckks
