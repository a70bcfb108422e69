// SPDX-License-Identifier: Apache-2.0
/// The sign by compositions of minimax polynomials, and the ReLU from it.
/// E. Lee, J.-W. Lee, J.-S. No, Y.-S. Kim, "Minimax approximation of sign function by composite polynomial for
/// homomorphic comparison", IEEE TDSC 2022; J. Lee et al., "Precise approximation of convolutional neural networks for
/// homomorphically encrypted data", IEEE Access 2023. docs/APPROXIMATION.md has the theory.
#pragma once

#include <memory>
#include <vector>

#include "approx/polynomial.h"
#include "base/check.h"

namespace obscura::approx {

inline constexpr int kMinAlpha = 1;
inline constexpr int kMaxAlpha = 16;
inline constexpr int kMaxSignDepth = 18;
inline constexpr int kMaxStages = 12;
inline constexpr int kMaxStageDegree = 63;
inline constexpr double kMaxBound = 1048576;

/// A composition p_k(... p_1(x)) of odd polynomials: p_1 is the best approximation of the sign on epsilon <= |x| <= 1,
/// and p_{i+1} on the interval |y| in [1 - e_i - margin, 1 + e_i + margin] onto which p_i maps, e_i being its error.
/// No composition of these degrees has a smaller error on [epsilon, 1] (margin 0).
struct SignChoice {
  std::vector<int> degrees;  ///< odd, 3 to kMaxStageDegree, the first applied first
  double epsilon = 0;        ///< 0: the one for which the ReLU is best
  double margin = 0x1p-22;   ///< what a stage's input may be off by noise and rounding
};

/// A composition and what its ReLU costs and gives.
struct SignCandidate {
  SignChoice choice;
  double bits = 0;          ///< -log2 of max |ReLU(x) - x (1 + p(x)) / 2| on [-1, 1]
  int depth = 0;            ///< of the sign: sum of depth_of(degree); the ReLU takes one more
  int multiplications = 0;  ///< of the sign: sum of multiplications_of(degree, odd); the ReLU takes one more
};

/// What a search minimises first; the other one decides among equals.
enum class Objective { depth, multiplications };

struct SearchOptions {
  Objective objective = Objective::depth;
  int max_depth = 16;                ///< of the sign
  int max_degree = kMaxStageDegree;  ///< of a stage
};

/// The best compositions by search over all sequences of degrees. It keeps how each degree's error depends on its
/// interval (tabulated in double precision when made, ~0.1 s); what it returns is computed anew.
/// Threads: const functions may run at the same time.
class SignSearch {
 public:
  explicit SignSearch(int max_degree = kMaxStageDegree);
  SignSearch(SignSearch&&) noexcept;
  SignSearch& operator=(SignSearch&&) noexcept;
  ~SignSearch();

  /// The cheapest composition whose ReLU is within 2^-alpha on [-1, 1]; of equals, the most precise.
  /// errors  wrong_params: alpha or an option out of its bounds; infeasible: none within max_depth.
  Result<SignCandidate> for_relu(double alpha, const SearchOptions& options = {}) const;

  /// The cheapest composition within 2^(1 - alpha) of the sign where |x| >= 2^-alpha: comparisons of alpha bits.
  Result<SignCandidate> for_sign(double alpha, const SearchOptions& options = {}) const;

  /// Every composition that no other one beats in all of depth, multiplications and bits, up to max_depth; by depth,
  /// then multiplications. bits within 0.01 of what relu() certifies.
  /// cost    ~1 s up to depth 14.
  /// errors  wrong_params: an option out of its bounds.
  Result<std::vector<SignCandidate>> front(const SearchOptions& options) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The composition of a choice, with the certificate of |p(x) - sign x| on epsilon <= |x| <= 1.
/// errors  wrong_params: no degrees or too many, an even one or one out of bounds, an epsilon outside of (0, 1), a
///         margin outside of [0, 0.01].
/// cost    1 to 10 ms a stage; epsilon 0: some 10 ms more.
Result<Composite> sign(const SignChoice& choice);
/// That of SignSearch::for_sign.
Result<Composite> sign(int alpha);

/// y(x) = x (1 + p(x / bound)) / 2 on [-bound, bound]. Of a single degree with epsilon 0, p minimises the error of y
/// itself; else p is sign(choice).
/// errors  as sign(); bound not in (0, kMaxBound].
Result<Activation> relu(const SignChoice& choice, double bound);
/// That of SignSearch::for_relu: max |y - ReLU| <= bound 2^-alpha on all of [-bound, bound].
Result<Activation> relu(int alpha, double bound);

}  // namespace obscura::approx
