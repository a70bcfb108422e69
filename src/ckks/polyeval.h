// SPDX-License-Identifier: Apache-2.0
/// Polynomials of a ciphertext, slot by slot: planned as a value with every limb count and exact scale, then evaluated
/// on ciphertexts or, by its plaintext simulator, on doubles. Arrow run -> ckks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ckks/context.h"
#include "ckks/values.h"

namespace obscura::ckks {

/// Largest degree of one polynomial, and of one in the monomial basis.
inline constexpr std::size_t kMaxPolynomialDegree = 63;
inline constexpr std::size_t kMaxMonomialDegree = 4;

enum class PolynomialBasis { monomial, chebyshev };

/// p(x) = sum_k c_k T_k(t), or sum_k c_k t^k, with t = (2 x - low - high) / (high - low).
struct PolynomialForm {
  double low = -1;
  double high = 1;
  PolynomialBasis basis = PolynomialBasis::chebyshev;
  std::span<const double> coefficients;  ///< c_0 ... c_degree
};

/// Where a polynomial starts and ends.
struct PolynomialPlace {
  std::size_t limbs = 0;             ///< of the input
  double scale = 1;                  ///< of the input
  double output_scale = 1;           ///< of the result, exactly
  std::size_t primes_per_level = 1;  ///< that one rescale drops: 2 where a level wants more bits than a prime has
};

/// values[a] * values[b].
struct PolynomialProduct {
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  bool operator==(const PolynomialProduct&) const = default;
};

/// An integer times a value.
struct PolynomialTerm {
  std::uint32_t value = 0;
  double factor = 0;  ///< an integer, on the residues
  bool operator==(const PolynomialTerm&) const = default;
};

/// One new value: multiplier * (sum of products) + (sum of terms) + constant, on residues, all at sum_scale; then
/// relinearised where there are products, and rescaled, in one division.
struct PolynomialStep {
  std::vector<PolynomialProduct> products;  ///< each of scale sum_scale / multiplier (times 2 in a Chebyshev step)
  double multiplier = 1;                    ///< an integer; other than 1 only with one product
  std::vector<PolynomialTerm> terms;
  double constant = 0;    ///< an integer, at sum_scale
  std::size_t limbs = 0;  ///< of the sum: each input is cut to as many
  double sum_scale = 1;
  double scale = 1;  ///< after the rescale
  bool operator==(const PolynomialStep&) const = default;
};

/// Work at one level.
struct PolynomialLevelCost {
  std::size_t limbs = 0;             ///< before the rescale
  std::size_t multiplications = 0;   ///< of ciphertexts with ciphertexts
  std::size_t relinearizations = 0;  ///< each with its rescale
  std::size_t rescales = 0;          ///< without relinearisation
  std::size_t terms = 0;             ///< ciphertexts times integers
  std::size_t rescale = 1;           ///< primes that each step drops
  bool operator==(const PolynomialLevelCost&) const = default;
};

/// All that is decided about one polynomial. Value 0 is t; step i defines value i + 1; the last is the result.
struct PolynomialPlan {
  std::size_t limbs = 0;    ///< of the input
  double input_scale = 1;   ///< of the input x
  double scale = 1;         ///< of t: the same residues
  double offset = 0;        ///< t = x / half width + offset
  std::size_t rescale = 1;  ///< primes that a step drops
  std::vector<PolynomialStep> steps;
  bool operator==(const PolynomialPlan&) const = default;

  double scale_of(std::uint32_t value) const { return value == 0 ? scale : steps[value - 1].scale; }
  std::size_t limbs_of(std::uint32_t value) const { return value == 0 ? limbs : steps[value - 1].limbs - rescale; }
  std::size_t output_limbs() const { return steps.back().limbs - rescale; }
  double output_scale() const { return steps.back().scale; }
  std::size_t depth() const { return (limbs - output_limbs()) / rescale; }
  /// By level, the input's first.
  std::vector<PolynomialLevelCost> cost() const;
  PolynomialLevelCost total() const;  ///< limbs: 0
};

/// The plan of least multiplications, then of least relinearisations, that takes ceil(log2(degree + 1)) levels.
///   p = q T_g + r,  deg r < g = 2^i,  q at one level before p,
/// down to combinations of baby steps T_1 ... T_b (Paterson, Stockmeyer 1973, in the Chebyshev basis); of an odd
/// polynomial (but for c_0) only odd baby steps, of an even one (but for c_1) a polynomial in T_2. q's scale is the one
/// for which q T_g has the scale of r exactly; a sum is relinearised and rescaled once.
/// limbs   place.limbs - ceil(log2(degree + 1)) * primes_per_level       scale  place.output_scale
/// needs   the interval costs nothing: t has the residues of x and scale * (high - low) / 2. Powers settle at a scale
///         near the primes dropped, which that scale must not exceed by much.
/// errors  wrong_params: degree not in 1 .. 63 (monomial: 4), coefficients that are not finite, an empty interval,
///         primes_per_level not in 1 .. kMaxRescale; infeasible: too few limbs, a scale that its limbs cannot hold or
///         that leaves constants fewer than kMinConstantBits.
Result<PolynomialPlan> plan_polynomial(std::span<const std::uint64_t> chain, const PolynomialForm& form,
                                       const PolynomialPlace& place);
/// Constants are integers at the ratio of two scales: at least this many bits.
inline constexpr int kMinConstantBits = 12;

/// result[j] = p(x[j]).
/// limbs, scale  as planned, exactly; x has the plan's, its scale by same_scale; more limbs are dropped
/// needs   two parts; the relinearisation key where plan.total().relinearizations > 0
/// cost    plan.cost()                      noise  predict_error
/// errors  ContractError: the key is absent; limbs or scale other than planned
/// threads all cores inside of each step
Ciphertext evaluate(const Context& context, const EvalKeys& keys, const PolynomialPlan& plan, const Ciphertext& x);

/// The plaintext simulator: the same steps, with the same integers for constants, on doubles.
std::vector<double> evaluate_clear(const PolynomialPlan& plan, std::span<const double> x);

/// Predicted deviation of the result's error at each x, in slot units: the input's error (slot units of x) and what
/// each relinearisation and rescale adds, carried to the result by first derivatives.
std::vector<double> predict_error(const Params& params, const PolynomialPlan& plan, std::span<const double> x,
                                  double input_error);

/// p_k(... p_1(x)), or x * (...).
struct CompositePlan {
  std::vector<PolynomialPlan> stages;
  bool times_input = false;  ///< the result is x * last stage
  std::size_t limbs = 0;     ///< of the input
  double input_scale = 1;
  double output_scale = 1;
  bool operator==(const CompositePlan&) const = default;

  std::size_t output_limbs() const { return stages.back().output_limbs() - (times_input ? stages.back().rescale : 0); }
  std::size_t depth() const;
  std::vector<PolynomialLevelCost> cost() const;
  PolynomialLevelCost total() const;
};

/// cos(2 a) from t = cos(a): 2 t^2 - 1, one multiplication and one level.
/// limbs   limbs - primes_per_level         scale  scale^2 / (primes dropped)
/// errors  as plan_polynomial
Result<PolynomialPlan> plan_double_angle(std::span<const std::uint64_t> chain, std::size_t limbs, double scale,
                                         std::size_t primes_per_level);

/// stages[0] is applied first; between stages the scale is the one at which the next one's t is as large as the
/// primes that it drops.
/// limbs   sum of the stages' levels
/// errors  as plan_polynomial; wrong_params: no stages
Result<CompositePlan> plan_composite(std::span<const std::uint64_t> chain, std::span<const PolynomialForm> stages,
                                     const PolynomialPlace& place);
/// y = x (1 + s(x)) / 2, where s = stages approximates the sign: the last stage is planned as (1 + p) / 2.
/// limbs   one level more than plan_composite
Result<CompositePlan> plan_relu(std::span<const std::uint64_t> chain, std::span<const PolynomialForm> stages,
                                const PolynomialPlace& place);

/// As of one polynomial.
Ciphertext evaluate(const Context& context, const EvalKeys& keys, const CompositePlan& plan, const Ciphertext& x);
std::vector<double> evaluate_clear(const CompositePlan& plan, std::span<const double> x);
std::vector<double> predict_error(const Params& params, const CompositePlan& plan, std::span<const double> x,
                                  double input_error);

}  // namespace obscura::ckks
