// SPDX-License-Identifier: Apache-2.0
/// A stage of a composition made ready for many evaluations in double precision.
#pragma once

#include <vector>

#include "approx/polynomial.h"

namespace obscura::approx {

/// How far p(x) may be from its exact value is bounded by about 2 n u S with u = 2^-53 and S the sum of the absolute
/// coefficients in the basis used. In the Chebyshev basis S is at most a few times max |p|; but Clenshaw's recurrence
/// is longer by half. The monomials of s (below) grow: S up to (1 + sqrt 2)^n. Horner's rule is taken where S <= this,
/// which keeps the error below 2^-53 * 2 * 32 * 2^22 = 2^-25 at worst, that of the float which carries the result.
inline constexpr double kHornerLimit = 4194304;

/// p(x) = factor(t) * sum_k c_k b_k(s) with t = x scale + shift:
///   odd      factor = t, s = 2 t^2 - 1: half as many terms, and monomials of s grow as (1 + sqrt 2)^(degree / 2),
///   where
///            those of x would grow as (1 + sqrt 2)^degree (a composition for 14 bits has some of 1e5)
///   general  factor = 1, s = t
/// and b_k(s) = s^k (horner) or T_k(s).
struct PreparedStage {
  double scale = 1;
  double shift = 0;
  bool odd = false;
  bool horner = false;
  std::vector<double> coefficients;
};

PreparedStage prepare(const Polynomial& polynomial);

/// Coefficients of sum_k c_k T_k as sum_k m_k s^k.
std::vector<double> to_monomials(const std::vector<double>& chebyshev);

/// What evaluate_blocks computes: the composition of the stages, and of that y = x (1 + p(x / bound)) / 2 where relu.
struct PreparedActivation {
  std::vector<PreparedStage> stages;
  bool relu = false;
  double inverse_bound = 1;
};

/// cost    (degree of a stage)^2 each: for many evaluations, of which each may have few numbers
PreparedActivation prepare(const Activation& activation);

/// out[i] = y(in[i]) by the widest vectors of this machine; any size; in and out may be the same.
void evaluate_blocks(const PreparedActivation& activation, const float* in, float* out, std::size_t size);

}  // namespace obscura::approx
