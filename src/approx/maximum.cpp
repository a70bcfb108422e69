// SPDX-License-Identifier: Apache-2.0
#include "approx/maximum.h"

#include <bit>
#include <cmath>
#include <vector>

namespace obscura::approx {
namespace {

int levels_of(int count) { return static_cast<int>(std::bit_width(static_cast<unsigned>(count - 1))); }

double tree(const Activation& relu, std::vector<double> numbers) {
  while (numbers.size() > 1) {
    std::vector<double> next;
    for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) next.push_back(maximum(relu, numbers[i], numbers[i + 1]));
    if (numbers.size() % 2 == 1) next.push_back(numbers.back());
    numbers = std::move(next);
  }
  return numbers.front();
}

Result<void> check(double low, double high, int rows, int columns) {
  if (rows < 1 || columns < 1 || rows > kMaxWindow || columns > kMaxWindow || rows * columns < 2) {
    return error(Code::wrong_params, "max: a window of {}x{}; it has 2 numbers or more, and sides up to {}", rows,
                 columns, kMaxWindow);
  }
  if (!(low < high) || !std::isfinite(low) || !std::isfinite(high)) {
    return error(Code::wrong_params, "max: the range [{}, {}] is empty; its low end must be below its high end", low,
                 high);
  }
  return {};
}

}  // namespace

double maximum(const Activation& relu, double a, double b) { return b + evaluate(relu, a - b); }

double evaluate(const MaxPool& pool, std::span<const double> window) {
  const auto columns = static_cast<std::size_t>(pool.columns);
  OBSCURA_CHECK(window.size() == columns * static_cast<std::size_t>(pool.rows), "max: {} numbers in a window of {}x{}",
                window.size(), pool.rows, pool.columns);
  std::vector<double> of_rows;
  for (std::size_t i = 0; i < window.size(); i += columns) {
    const auto row = window.subspan(i, columns);
    of_rows.push_back(tree(pool.relu, {row.begin(), row.end()}));
  }
  return tree(pool.relu, std::move(of_rows));
}

Result<MaxPool> max_pool(const SignChoice& choice, double low, double high, int rows, int columns) {
  OBSCURA_TRY_VOID(check(low, high, rows, columns));
  OBSCURA_TRY(const Activation unit, relu(choice, 1));
  MaxPool out{rows, columns, levels_of(rows) + levels_of(columns), rows * columns - 1, unit, {}};
  const double eta = unit.certificate.max_error;
  const double room = 1 - 2 * (out.levels - 1) * eta;
  if (!(room > 0)) {
    return error(Code::infeasible, "max: an error of {:.3g} a maximum is too large for {} levels; raise alpha", eta,
                 out.levels);
  }
  const double bound = (high - low) / room;
  if (!(bound <= kMaxBound)) {
    return error(Code::wrong_params, "max: the range [{}, {}] is wider than {}", low, high, kMaxBound);
  }
  out.relu.bound = bound;
  out.relu.certificate.low = -bound;
  out.relu.certificate.high = bound;
  out.relu.certificate.max_error = bound * eta;
  const Certificate& one = out.relu.certificate;
  out.certificate = {
      "max", low, high, out.levels * one.max_error, out.levels * one.depth, out.maxima * one.multiplications};
  return out;
}

Result<MaxPool> max_pool(int alpha, double low, double high, int rows, int columns) {
  if (alpha < kMinAlpha || alpha > kMaxAlpha) {
    return error(Code::wrong_params, "alpha {}; it lies between {} and {}", alpha, kMinAlpha, kMaxAlpha);
  }
  OBSCURA_TRY(const SignCandidate best, SignSearch().for_relu(alpha));
  return max_pool(best.choice, low, high, rows, columns);
}

}  // namespace obscura::approx
