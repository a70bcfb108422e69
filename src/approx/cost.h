// SPDX-License-Identifier: Apache-2.0
/// What a polynomial costs on ciphertexts.
#pragma once

namespace obscura::approx {

/// ceil(log2(degree + 1)): levels of a polynomial whose coefficients are any numbers, each product with a constant
/// taking a level as well. No method needs fewer.
int depth_of(int degree);

/// What is known of a polynomial beyond its degree.
enum class Parity {
  none,
  odd,   ///< but for a constant
  even,  ///< but for a linear term
};

/// Products of two ciphertexts in which a polynomial of this degree is evaluated at depth_of(degree) levels, by baby
/// steps and giant steps: T_2, T_4, ..., T_{2^m} and the baby steps T_j, j <= b, are computed; then
///   p = q T_g + r,  deg r < g = 2^i,  q at one level less than p,
/// until what is left is a combination of baby steps whose levels, ceil(log2 j) + 1, are within reach; m and b are
/// the best ones. Odd: only odd j (q and r are odd where p is); even: a polynomial of half the degree in T_2.
/// docs/APPROXIMATION.md has the table and an example.
/// needs   0 <= degree <= kMaxDegree, of the parity's kind.
/// cost    < 1 ms.
int multiplications_of(int degree, Parity parity);

}  // namespace obscura::approx
