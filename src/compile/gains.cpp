// SPDX-License-Identifier: Apache-2.0
#include "compile/gains.h"

#include <numeric>

#include "base/parallel.h"

namespace obscura::compile {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<double> times(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] * b[i];
  return out;
}

/// Follows errors from one place: 0 = the input, p + 1 = point p.
class Follower {
 public:
  Follower(const MonicNetwork& network, const Statistics& statistics, std::size_t place)
      : network_(network), statistics_(statistics), points_(network), place_(place), gains_(points_.count(), 0) {}

  std::vector<double> run() {
    if (place_ == 0) variance_.assign(network_.segments[0][0].matrix.cols, 1);
    for (std::size_t s = 0; s < network_.segments.size(); ++s) {
      for (std::size_t m = 0; m < network_.segments[s].size(); ++m) {
        const SparseMatrix& matrix = network_.segments[s][m].matrix;
        if (!variance_.empty()) variance_ = multiply_squared(matrix, variance_);
        enter(points_.map(s, m), matrix.rows);
      }
      if (s < network_.activations.size()) activation(s);
    }
    return std::move(gains_);
  }

 private:
  /// Errors enter here, or come by.
  void enter(std::size_t point, std::size_t elements) {
    if (point + 1 == place_) variance_.assign(elements, 1);
    if (!variance_.empty()) gains_[point] = mean(variance_);
  }

  void activation(std::size_t k) {
    const MonicActivation& a = network_.activations[k];
    const Slopes& slopes = statistics_.slopes[k];
    const std::vector<double> x = std::move(variance_);
    const auto through = [&](const std::vector<double>& slope, std::size_t point) {
      variance_ = x.empty() ? std::vector<double>() : times(x, slope);
      enter(point, a.elements);
    };
    through(slopes.square, points_.square(k));
    if (a.squares == 1) return;
    through(slopes.shifted, points_.shifted(k));
    if (points_.shifted(k) + 1 == place_) {
      variance_ = slopes.inner;
      gains_[points_.outer_square(k)] = mean(variance_);
      gains_[points_.result(k)] = mean(variance_);
      return;
    }
    through(slopes.outer, points_.outer_square(k));
    through(slopes.result, points_.result(k));
  }

  const MonicNetwork& network_;
  const Statistics& statistics_;
  Points points_;
  std::size_t place_;
  std::vector<double> variance_;  ///< empty before the place
  std::vector<double> gains_;
};

}  // namespace

Gains::Gains(const MonicNetwork& network, const Statistics& statistics) : gain_(Points(network).count() + 1) {
  base::parallel_for(gain_.size(),
                     [&](std::size_t place) { gain_[place] = Follower(network, statistics, place).run(); });
}

}  // namespace obscura::compile
