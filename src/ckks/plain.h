// SPDX-License-Identifier: Apache-2.0
/// Ciphertexts with known slot vectors.
#pragma once

#include <complex>
#include <span>

#include "ckks/context.h"
#include "ckks/values.h"

namespace obscura::ckks {

/// A slot vector encoded at a scale.
struct Plaintext {
  ring::NttPoly poly;
  double scale = 1;
};

/// Encodes real or complex slots; fewer than there are: the rest are 0. Cost, noise and errors of Encoder::encode.
Plaintext make_plaintext(const Context& context, std::span<const double> slots, double scale, std::size_t limbs);
Plaintext make_plaintext(const Context& context, std::span<const std::complex<double>> slots, double scale,
                         std::size_t limbs);

/// result[j] = x[j] * p[j].
/// limbs   of x; p has at least as many     scale  x * p
/// parts   of x                             cost   one limb product a part
/// noise   x's, times |p[j]|; the rounding of p's encoding, times |x[j]|
Ciphertext multiply_plain(const Context& context, const Ciphertext& x, const Plaintext& p);

/// result[j] = x[j] + p[j].
/// limbs   of x; p has at least as many     scale  of x; equal in p (ContractError else)
/// cost    one limb sum                     noise  the rounding of p's encoding
Ciphertext add_plain(const Context& context, const Ciphertext& x, const Plaintext& p);

}  // namespace obscura::ckks
