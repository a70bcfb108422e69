// SPDX-License-Identifier: Apache-2.0
/// The functions that networks have and polynomials stand for.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/check.h"

namespace obscura::approx {

/// A function of one variable, by its name and parameters (so that it can be computed in any precision).
struct Function {
  enum class Kind {
    relu,      ///< max(0, x)
    swish,     ///< x / (1 + e^(-beta x)); beta = 1: SiLU
    gelu,      ///< x (1 + erf(x / sqrt 2)) / 2
    sigmoid,   ///< 1 / (1 + e^-x)
    tanh,      ///< tanh x
    softplus,  ///< log(1 + e^x)
    mish,      ///< x tanh(log(1 + e^x))
    power,     ///< (bias + scale x)^-beta: local response normalisation, of the sum of squares
  };
  Kind kind = Kind::relu;
  double beta = 1;   ///< swish, power
  double bias = 1;   ///< power
  double scale = 1;  ///< power
};

/// "relu", "swish" ("silu" is the same), "gelu", "sigmoid", "tanh", "softplus", "mish", "power".
std::string name(const Function& function);

/// errors  unsupported: another name, with those that there are.
Result<Function> function_named(const std::string& name);

/// f(x), to a few units in the last place.
double value(const Function& function, double x);

/// Points of (low, high) where f has a kink: 0 for relu.
std::vector<double> kinks(const Function& function, double low, double high);

/// Points of (low, high) between which f is smooth on their own scale, in order: its kinks, and 0, +-4^k about the
/// point 0 where all of these functions turn. What samples f must not miss the turn on a wide range.
std::vector<double> scale_points(const Function& function, double low, double high);

/// errors  wrong_params: low >= high, not finite or beyond 2^20; parameters that are not finite; a power whose base is
///         not positive on all of [low, high].
Result<void> check_domain(const Function& function, double low, double high);

}  // namespace obscura::approx
