// SPDX-License-Identifier: Apache-2.0
#include "approx/tables.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "approx/remez.h"

namespace obscura::approx {
namespace {

constexpr double kWidest = 20.8;         ///< -log of the smallest ratio: 2^-30
constexpr double kSmallestError = 1e-8;  ///< smaller ones lie beyond what kMaxAlpha needs
constexpr double kStep = 0.12;
constexpr int kMaxNodes = 64;

/// Weights of four equidistant nodes at -1, 0, 1, 2 for the cubic through the two inner ones whose slopes there are
/// the central differences.
std::array<double, 4> cubic(double t) {
  const double t2 = t * t;
  const double t3 = t2 * t;
  return {(-t3 + 2 * t2 - t) / 2, (3 * t3 - 5 * t2 + 2) / 2, (-3 * t3 + 4 * t2 + t) / 2, (t3 - t2) / 2};
}

}  // namespace

double coordinate_of(double ratio) { return std::log(-std::log(ratio)); }
double ratio_of(double v) { return std::exp(-std::exp(v)); }
double error_of(double v) { return std::tanh(std::exp(v) / 2); }

StageTable::StageTable(int degree) : degree_(degree), step_(kStep) {
  std::vector<double> reference;
  for (int i = 0; i < kMaxNodes; ++i) {
    const double v = std::log(kWidest) - i * kStep;
    // Each fit starts where the one before, on a slightly wider interval, ended.
    const double low = ratio_of(v);
    if (!reference.empty()) {
      const double before = reference.front();
      for (double& x : reference) x = 1 - (1 - x) * (1 - low) / (1 - before);
    }
    const Minimax fit = quick_minimax_sign(degree, low, 1, reference);
    reference = fit.reference;
    if (fit.error < kSmallestError) break;
    Node node{v, coordinate_of((1 - fit.error) / (1 + fit.error)), {}};
    for (std::size_t k = 1; k < fit.polynomial.coefficients.size(); k += 2) {
      node.coefficients.push_back(fit.polynomial.coefficients[k]);
    }
    nodes_.push_back(std::move(node));
  }
  std::reverse(nodes_.begin(), nodes_.end());
}

std::size_t StageTable::cell_of(double v) const {
  const double position = (v - nodes_.front().v) / step_;
  return static_cast<std::size_t>(std::clamp(position, 1.0, static_cast<double>(nodes_.size()) - 2.5));
}

double StageTable::image(double v) const {
  const double slope = (nodes_[1].image - nodes_[0].image) / step_;
  if (v < nodes_[1].v) return nodes_[1].image + slope * (v - nodes_[1].v);
  const std::size_t cell = cell_of(v);
  const auto weights = cubic((v - nodes_[cell].v) / step_);
  double sum = 0;
  for (std::size_t j = 0; j < 4; ++j) sum += weights[j] * nodes_[cell + j - 1].image;
  return sum;
}

double StageTable::preimage(double w) const {
  double left = nodes_.front().v - 8;
  double right = nodes_.back().v;
  if (image(left) >= w) return left;
  if (image(right) <= w) return right;
  const auto above = std::upper_bound(nodes_.begin(), nodes_.end(), w,
                                      [](double value, const Node& node) { return value < node.image; });
  if (above != nodes_.begin() && above != nodes_.end()) {
    left = (above - 1)->v;
    right = above->v;
  }
  for (int halving = 0; halving < 40; ++halving) {
    const double middle = (left + right) / 2;
    (image(middle) < w ? left : right) = middle;
  }
  return (left + right) / 2;
}

void StageTable::coefficients(double v, std::vector<double>& out) const {
  const std::size_t cell = cell_of(v);
  const auto weights = cubic(std::clamp((v - nodes_[cell].v) / step_, -1.0, 2.0));
  out.assign(nodes_[0].coefficients.size(), 0.0);
  for (std::size_t j = 0; j < 4; ++j) {
    const std::vector<double>& from = nodes_[cell + j - 1].coefficients;
    for (std::size_t k = 0; k < out.size(); ++k) out[k] += weights[j] * from[k];
  }
}

}  // namespace obscura::approx
