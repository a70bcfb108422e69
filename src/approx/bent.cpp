// SPDX-License-Identifier: Apache-2.0
#include "approx/bent.h"

#include <algorithm>
#include <cmath>

namespace obscura::approx {
BentLine within(BentLine line, double low, double high) {
  std::erase_if(line.bends, [&](const BentLine::Bend& bend) {
    if (bend.at <= low) {
      line.slope += bend.change;
      line.shift -= bend.change * bend.at;
    }
    return bend.at <= low || bend.at >= high;
  });
  return line;
}

std::vector<BentTerm> terms_of(const BentLine& line, const Certificate& certificate) {
  std::vector<BentTerm> out;
  for (const auto& bend : within(line, certificate.low, certificate.high).bends) {
    out.push_back({bend.change, bend.at, std::max(certificate.high - bend.at, bend.at - certificate.low)});
  }
  return out;
}

Activation bent(const std::string& name, const BentLine& line, const Activation& unit, double low, double high) {
  OBSCURA_CHECK(unit.form == Activation::Form::relu && unit.bound == 1, "bent: a bound of {}", unit.bound);
  Activation out = unit;
  Certificate& certificate = out.certificate;
  certificate.function = name;
  certificate.low = low;
  certificate.high = high;
  const std::vector<BentTerm> terms = terms_of(line, certificate);
  OBSCURA_CHECK(!terms.empty(), "bent: {} has no bend in ({}, {})", name, low, high);
  const auto count = static_cast<int>(terms.size());
  certificate.max_error = 0;
  certificate.low = -HUGE_VAL;
  certificate.high = HUGE_VAL;
  for (const BentTerm& term : terms) {
    certificate.max_error += std::abs(term.change) * term.bound * unit.certificate.max_error;
    certificate.low = std::max(certificate.low, term.at - term.bound);
    certificate.high = std::min(certificate.high, term.at + term.bound);
  }
  // Where another bend would come in, this is another function.
  for (const auto& bend : line.bends) {
    if (bend.at <= low) certificate.low = std::max(certificate.low, bend.at);
    if (bend.at >= high) certificate.high = std::min(certificate.high, bend.at);
  }
  out.bound = std::max(std::abs(certificate.low), std::abs(certificate.high));
  certificate.multiplications *= count;
  if (line.times_input) {
    certificate.max_error *= out.bound;
    certificate.depth += 1;
    certificate.multiplications += 1;
  }
  return out;
}

Replacement::Replacement(const Function& function, Activation activation) : activation_(std::move(activation)) {
  if (activation_.form == Activation::Form::direct) return;
  const auto line = bent_line(function);
  OBSCURA_CHECK(line.has_value(), "{} is no bent line, but a ReLU stands for it", name(function));
  line_ = within(*line, activation_.certificate.low, activation_.certificate.high);
  terms_ = terms_of(line_, activation_.certificate);
}

// A ReLU on [-b, b] by the one on the activation's own bound B is (b / B) y(u B / b).
double Replacement::operator()(double x) const {
  if (activation_.form == Activation::Form::direct) return evaluate(activation_, x);
  double y = line_.shift + line_.slope * x;
  for (const BentTerm& term : terms_) {
    const double wider = term.bound / activation_.bound;
    y += term.change * wider * evaluate(activation_, (x - term.at) / wider);
  }
  return line_.times_input ? x * y : y;
}

std::vector<double> Replacement::operator()(std::span<const double> in) const {
  std::vector<double> out(in.begin(), in.end());
  if (activation_.form == Activation::Form::direct) {
    evaluate(activation_, out);
    return out;
  }
  for (double& y : out) y = line_.shift + line_.slope * y;
  std::vector<double> u(in.size());
  for (const BentTerm& term : terms_) {
    const double wider = term.bound / activation_.bound;
    for (std::size_t i = 0; i < in.size(); ++i) u[i] = (in[i] - term.at) / wider;
    evaluate(activation_, u);
    for (std::size_t i = 0; i < in.size(); ++i) out[i] += term.change * wider * u[i];
  }
  for (std::size_t i = 0; line_.times_input && i < in.size(); ++i) out[i] *= in[i];
  return out;
}

void Replacement::operator()(std::span<const float> in, std::span<float> out) const {
  if (activation_.form == Activation::Form::direct) return evaluate(activation_, in, out);
  std::vector<float> u(in.size());
  const auto shift = static_cast<float>(line_.shift), slope = static_cast<float>(line_.slope);
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = shift + slope * in[i];
  for (const BentTerm& term : terms_) {
    const double wider = term.bound / activation_.bound;
    const auto at = static_cast<float>(term.at), inverse = static_cast<float>(1 / wider);
    for (std::size_t i = 0; i < in.size(); ++i) u[i] = (in[i] - at) * inverse;
    evaluate(activation_, u, u);
    const auto change = static_cast<float>(term.change * wider);
    for (std::size_t i = 0; i < in.size(); ++i) out[i] += change * u[i];
  }
  for (std::size_t i = 0; line_.times_input && i < in.size(); ++i) out[i] *= in[i];
}

}  // namespace obscura::approx
