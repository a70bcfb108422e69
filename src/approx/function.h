// SPDX-License-Identifier: Apache-2.0
/// The functions that networks have and polynomials stand for: one table, a row a kind.
///
/// A new one is a kind here, a row in function.cpp and a formula in formulas.h; tests/approx/function_test.cpp goes
/// over the rows.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"

namespace obscura::approx {

/// A function of one variable, by its name and parameters (so that it can be computed in any precision).
struct Function {
  enum class Kind {
    relu,              ///< max(0, x)
    leaky_relu,        ///< x where x > 0, else alpha x
    clip,              ///< min(max(x, low), high); an end may be infinite
    hard_swish,        ///< x clip(x / 6 + 1/2, 0, 1)
    thresholded_relu,  ///< x where x > alpha, else 0
    elu,               ///< x where x > 0, else alpha (e^x - 1)
    selu,              ///< gamma times the elu of alpha
    celu,              ///< x where x > 0, else alpha (e^(x / alpha) - 1)
    swish,             ///< x / (1 + e^(-beta x)); beta = 1: SiLU
    gelu,              ///< x (1 + erf(x / sqrt 2)) / 2
    gelu_tanh,         ///< x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
    sigmoid,           ///< 1 / (1 + e^-x)
    tanh,              ///< tanh x
    softplus,          ///< log(1 + e^x)
    softsign,          ///< x / (1 + |x|)
    mish,              ///< x tanh(log(1 + e^x))
    erf,               ///< 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x
    exp,               ///< e^x
    log,               ///< log x, x > 0
    sqrt,              ///< sqrt x, x >= 0
    reciprocal,        ///< 1 / x, x not 0
    abs,               ///< |x|
    sin,               ///< sin x
    cos,               ///< cos x
    power,             ///< (bias + scale x)^-beta, the base > 0: local response normalisation, of the sum of squares
  };
  Kind kind = Kind::relu;
  /// Each kind reads the parameters of its row, and default_of sets them as that says.
  double alpha = 1;
  double beta = 1;
  double gamma = 1;
  double low = 0;
  double high = 6;
  double bias = 1;
  double scale = 1;

  bool operator==(const Function&) const = default;
};

struct Parameter {
  const char* name;  ///< and that of the attribute of the row's ONNX operator
  double Function::*field;
  double by_default;  ///< ONNX's, where the row has an operator
};

/// Where samples of f must lie to see all of it: centre, centre +- unit 4^k.
struct Turn {
  double centre = 0;
  double unit = 1;
};

/// shift + slope x + sum of change max(0, x - at), or with times_input x times that: what a few ReLUs compute.
struct BentLine {
  struct Bend {
    double at = 0;
    double change = 1;  ///< of the slope
  };
  double shift = 0;
  double slope = 0;
  std::vector<Bend> bends;
  bool times_input = false;
};

/// What is known of a kind beside its formula.
struct FunctionRow {
  Function::Kind kind;
  const char* name;
  std::vector<const char*> aliases;
  const char* onnx;  ///< the operator whose node it is; null where ONNX writes it in another way
  int since;         ///< operator set in which ONNX has that; 0 where it has none
  std::vector<Parameter> parameters;

  /// The rest is null, false or its default where a kind has nothing to say.
  std::vector<double> (*kinks)(const Function&) = nullptr;  ///< where f' jumps, or f does, beside the bends of its line
  Turn (*turn)(const Function&) = nullptr;
  /// Why it is not defined, or not finite, on all of [low, high]: "... falls to -1 ...; it must stay above 0", else "".
  std::string (*domain)(const Function&, double low, double high) = nullptr;
  std::string (*unfit)(const Function&) = nullptr;  ///< what is wrong with the parameters; ""
  bool (*affine)(const Function&) = nullptr;        ///< whether f is a x + b for these parameters
  /// Where f is a bent line for these parameters.
  std::optional<BentLine> (*line)(const Function&) = nullptr;
  double farthest = 1048576;  ///< |x| up to which polynomials are looked for
};

/// All kinds, in the order of the enumeration.
std::span<const FunctionRow> functions();
const FunctionRow& row(Function::Kind kind);

/// The function of a kind with its default parameters.
Function default_of(Function::Kind kind);

/// The row's name: "relu", "swish", ...
std::string name(const Function& function);

/// The function of a name or an alias ("silu" is swish, "relu6" clip), with its default parameters.
/// errors  unsupported: another name, with those that there are.
Result<Function> function_named(const std::string& name);

/// f(x), to a few units in the last place.
double value(const Function& function, double x);

/// Points of (low, high) where f has a kink or a jump: 0 for relu.
std::vector<double> kinks(const Function& function, double low, double high);

/// Points of (low, high) between which f is smooth on their own scale, in order: its kinks, and its centre, +-4^k about
/// it, where all of these functions turn. What samples f must not miss the turn on a wide range.
std::vector<double> scale_points(const Function& function, double low, double high);

/// Whether f(x) = a x + b on all of the line, so that no polynomial has to stand for it.
bool is_affine(const Function& function);

/// f as a bent line, where it is one with these parameters: relu, clip, hard_swish, abs, ...
std::optional<BentLine> bent_line(const Function& function);

/// errors  wrong_params: low >= high, not finite or beyond the row's farthest; parameters that are not finite (but the
///         ends of a clip) or not allowed; f not defined or not finite on all of [low, high].
Result<void> check_domain(const Function& function, double low, double high);

}  // namespace obscura::approx
