// SPDX-License-Identifier: Apache-2.0
/// Polynomials, compositions of them, and what is certified of them.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace obscura::approx {

/// p(x) = sum_k c_k T_k(t) with t = (2 x - low - high) / (high - low) and T_k the Chebyshev polynomials. Outside
/// [low, high] the polynomial goes on, and nothing is promised of it.
struct Polynomial {
  double low = -1;
  double high = 1;
  std::vector<double> coefficients;  ///< c_0 ... c_degree; of an odd polynomial on [-b, b] the even ones are 0

  int degree() const { return static_cast<int>(coefficients.size()) - 1; }
};

double evaluate(const Polynomial& polynomial, double x);

/// What is known of an approximation. Errors are absolute, on the whole of its domain.
struct Certificate {
  std::string function;  ///< "sign", "relu", "swish", ...
  double low = -1;       ///< domain; of a sign, low <= |x| <= high
  double high = 1;
  double max_error = 0;     ///< max |p(x) - f(x)| there
  int depth = 0;            ///< levels: sum over the stages of ceil(log2(degree + 1)), and 1 for the product of a ReLU
  int multiplications = 0;  ///< of ciphertexts with ciphertexts, for one evaluation
};

/// p_k(... p_2(p_1(x))): stages[0] is applied first. A single stage is an ordinary polynomial.
struct Composite {
  std::vector<Polynomial> stages;
  Certificate certificate;
};

double evaluate(const Composite& composite, double x);

/// What stands for one function of a network.
///   direct  y = p(x)
///   relu    y = x (1 + p(x / bound)) / 2, where p approximates the sign on [-1, 1]
/// The maximum of two numbers is b + y(a - b) with y in the relu form and bound >= |a - b|. Of other functions that
/// ReLUs compute (approx/bent.h) the relu form has the composition of each of these, and the function's certificate.
struct Activation {
  enum class Form { direct, relu };
  Form form = Form::direct;
  Composite composite;
  double bound = 1;         ///< relu: of |x|; direct: the stages carry their interval
  Certificate certificate;  ///< of y on its domain
};

/// out[i] = y(in[i]), in double precision inside. in and out may be the same.
void evaluate(const Activation& activation, std::span<const float> in, std::span<float> out);
double evaluate(const Activation& activation, double x);
/// values[i] = y(values[i]), the same doubles as one by one.
void evaluate(const Activation& activation, std::span<double> values);

}  // namespace obscura::approx
