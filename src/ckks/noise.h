// SPDX-License-Identifier: Apache-2.0
/// The noise model: predicted standard deviations of the error in one slot, in units of 1/scale (divide by the scale
/// to get slot units). Coefficients' errors are taken as independent; a slot is the real part of a sum of N of them, so
/// its deviation is sqrt(N / 2) times a coefficient's.
#pragma once

#include <cstddef>

#include "ckks/params.h"

namespace obscura::ckks {

/// The share of slots whose error passes `deviations` predicted deviations, at most. An error that met the secret is,
/// in a slot, the real part of a product of two complex Gaussians: a Laplace variable, exp(-sqrt(2) t), whose tail is
/// far heavier than a Gaussian's; errors that did not are below.
double tail_of_error(double deviations);

/// A fresh secret-key encryption: Gaussian error and rounding of the encoding.
double noise_of_encryption(const Params& params);
/// A public-key encryption: e0 + e1 s + e v, with the rounding of the encoding.
double noise_of_public_encryption(const Params& params);
/// Division by primes with rounding, `parts` polynomials: (1 + |s|^2 (parts - 1)) / 12, |s|^2 = 2N/3.
double noise_of_rounding(const Params& params, std::size_t parts);
/// Key switching of a polynomial of `limbs` limbs, before the rounding of its division by P.
double noise_of_switch(const Params& params, std::size_t limbs);

}  // namespace obscura::ckks
