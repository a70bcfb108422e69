// SPDX-License-Identifier: Apache-2.0
/// The noise model: predicted standard deviations of the error in one slot, in units of 1/scale (divide by the scale
/// to get slot units). Coefficients' errors are taken as independent. A slot of the standard ring is the real part of a
/// sum of N of them, so its deviation is sqrt(N / 2) times a coefficient's; one of the conjugate-invariant ring is c_0
/// plus a sum of 2 c_j cos, and its deviation sqrt(2 N) times a coefficient's.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ckks/params.h"

namespace obscura::ckks {

/// The share of slots whose error passes `deviations` predicted deviations, at most, from one deviation on. An error
/// that met the secret is, in a slot, the real part of a product of two complex Gaussians: a Laplace variable,
/// exp(-sqrt(2) t), whose tail is far heavier than a Gaussian's; errors that did not are below. In the
/// conjugate-invariant ring it is a product of two real ones, whose density is K0(t) / pi: below exp(-t).
double tail_of_error(double deviations, RingType ring = RingType::standard);

/// A fresh secret-key encryption: Gaussian error and rounding of the encoding.
double noise_of_encryption(const Params& params);
/// A public-key encryption: e0 + e1 s + e v, with the rounding of the encoding.
double noise_of_public_encryption(const Params& params);
/// Division by primes with rounding, `parts` polynomials: (1 + |s|^2 (parts - 1)) / 12, with |s|^2 that of the secret's
/// slots, 2N/3 or 4N/3.
double noise_of_rounding(const Params& params, std::size_t parts);
/// Key switching of a polynomial of `limbs` limbs, before the rounding of its division by P.
double noise_of_switch(const Params& params, std::size_t limbs);

/// The numbers of a diagonal, for what its encoding takes away from them.
struct DiagonalNumbers {
  double period = 0;  ///< slots after which they repeat
  double square = 0;  ///< sum of w^2 over one period
  double copies = 1;  ///< periods in all slots
  /// Those of one period that are not 0, where they are few; else none, and they are taken for many of one size.
  std::vector<double> few;
};
inline constexpr std::size_t kFewNumbers = 8;

/// Sum over one period of the squares of what rounding takes away from the numbers of a diagonal encoded at `scale`.
/// A number w among P slots is a wave of amplitude A = |w| scale / P in the coefficients. With few numbers, or small
/// ones, the rounding errors of coefficients depend on them, and make the same waves again instead of noise that
/// spreads over all slots: of amplitude 2 sum_m (-1)^m / (pi m) J1(2 pi m A) prod over the other waves B of
/// J0(2 pi m B). With many numbers coefficients are Gaussian, of deviation s = sqrt(sum A^2 / 2), and the amplitude is
/// 2 A exp(-2 pi^2 s^2).
double square_of_lost(const DiagonalNumbers& numbers, double scale);

/// What the error of one output of a linear transform (ckks/transform.h) depends on.
struct TransformNoise {
  std::size_t limbs = 0;  ///< of the inputs
  double scale_in = 1, scale_out = 1, plaintext_scale = 1;
  double error_in = 0;         ///< standard deviation of an input slot's error, in slot units
  double input_square = 0;     ///< mean of x^2 over the slots of the inputs that the output reads
  double weight_square = 0;    ///< sum over the output's diagonals of |d|^2, mean over their slots
  double rotated_square = 0;   ///< the same over the diagonals whose baby step is not 0
  double composed_square = 0;  ///< of babies that several rotations make: for each of these but the last once more
  std::size_t plaintexts = 0;  ///< of the output
  /// Plaintexts of pairs (ckks::Split): half the scale, a rotation before and a conjugation after. What the imaginary
  /// parts of the inputs hold adds to the error: it is taken for what one relinearisation leaves there.
  bool paired = false;
  std::size_t partner_switches = 1;  ///< rotations that make what is paired
  /// Real slots of the standard ring encode to a polynomial whose rounding errors mirror: they are real too, and twice
  /// the variance.
  bool real_weights = true;
  std::size_t giant_switches = 0;                 ///< giant steps of the output that are not 0
  std::span<const DiagonalNumbers> numbers = {};  ///< of its diagonals; they outlive this
  double written = 1;                             ///< slots of the output that have a weight
};

/// Standard deviation of the error in a slot of the output, in slot units (unlike the above): the inputs' errors and
/// the babies' key switches, times the weights; the rounding of the encoded diagonals, as noise and as numbers that are
/// lost (square_of_lost), times the inputs; the giant steps' key switches and divisions, which stand at the scale
/// before the rescale; and the last division.
double noise_of_transform(const Params& params, const TransformNoise& transform);

}  // namespace obscura::ckks
