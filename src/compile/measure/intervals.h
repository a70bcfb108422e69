// SPDX-License-Identifier: Apache-2.0
/// Intervals for the polynomials that ciphertexts know in the Chebyshev basis only. Arrow: FusedNetwork ->
/// FusedNetwork.
#pragma once

#include "compile/measure/statistics.h"

namespace obscura::compile {

/// Whether an activation is a polynomial that is no square of squares, of a degree other than 2 and 4, and still
/// without an interval.
bool is_unbounded(const PolynomialActivation& activation);
bool has_unbounded(const FusedNetwork& network);

/// Each of these becomes an approximation without an error: the same polynomial in the Chebyshev basis on [-b, b],
/// where b is the largest argument on the images, times 1 + margin. Beyond b it is that polynomial still; only what is
/// left of the modulus bounds it.
/// cost    that of measure
/// errors  unsupported: values that grow beyond all bounds on the images
Result<void> bound_polynomials(FusedNetwork& network, const Images& images, double margin);

}  // namespace obscura::compile
