// SPDX-License-Identifier: Apache-2.0
/// Functions that a few ReLUs compute, by what stands for one ReLU.
#pragma once

#include "approx/function.h"
#include "approx/polynomial.h"

namespace obscura::approx {

/// The line with its bends outside of (low, high) gone: the same function on [low, high].
BentLine within(BentLine line, double low, double high);

/// b y(u / b) for the ReLU of u = x - at with b = the largest |u| on the certificate's domain, and so on for each bend.
struct BentTerm {
  double change = 1;
  double at = 0;
  double bound = 1;
};
/// The bends inside of the domain of the certificate of an activation of the relu form.
std::vector<BentTerm> terms_of(const BentLine& line, const Certificate& certificate);

/// What stands for a bent line on [low, high]: the composition of `unit`, a ReLU of the relu form on [-1, 1], for each
/// of its bends there, which are one at least. The certificate's domain is all where the terms hold, no smaller than
/// [low, high].
Activation bent(const std::string& name, const BentLine& line, const Activation& unit, double low, double high);

/// What stands for f: the direct form is that of f; the relu form stands for each ReLU of its bent line.
class Replacement {
 public:
  Replacement(const Function& function, Activation activation);
  const Activation& activation() const { return activation_; }
  double operator()(double x) const;
  /// Of each, the same doubles as one by one.
  std::vector<double> operator()(std::span<const double> in) const;
  /// Of each; in and out must not be the same.
  void operator()(std::span<const float> in, std::span<float> out) const;

 private:
  Activation activation_;
  BentLine line_;
  std::vector<BentTerm> terms_;
};

}  // namespace obscura::approx
