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
      : network_(network),
        statistics_(statistics),
        points_(network),
        place_(place),
        gains_(points_.count(), 0),
        values_(network.junctions.size() + 1) {}

  std::vector<double> run() {
    if (place_ == 0) values_[0].assign(network_.segments[0][0].matrix.cols, 1);
    for (std::size_t j = 0; j < network_.junctions.size(); ++j) {
      const Junction& junction = network_.junctions[j];
      std::vector<double> sum;
      std::size_t elements = 0;
      for (const Branch& b : junction.branches) {
        std::vector<double> variance = branch(b);
        elements = network_.segments[b.segment].back().matrix.rows;
        if (sum.empty()) {
          sum = std::move(variance);
        } else if (!variance.empty()) {
          for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += variance[i];
        }
      }
      if (junction.branches.size() > 1) enter(points_.sum(j), elements, sum);
      values_[j + 1] = junction.activation ? activation(*junction.activation, sum) : std::move(sum);
    }
    return std::move(gains_);
  }

 private:
  /// Variances by element, or none where no error has come.
  using Variance = std::vector<double>;

  Variance branch(const Branch& branch) {
    Variance variance = values_[branch.source];
    for (std::size_t m = 0; m < network_.segments[branch.segment].size(); ++m) {
      const SparseMatrix& matrix = network_.segments[branch.segment][m].matrix;
      if (!variance.empty()) variance = multiply_squared(matrix, variance);
      enter(points_.map(branch.segment, m), matrix.rows, variance);
    }
    return variance;
  }

  /// Errors enter here, or come by.
  void enter(std::size_t point, std::size_t elements, Variance& variance) {
    if (point + 1 == place_) variance.assign(elements, 1);
    if (!variance.empty()) gains_[point] = mean(variance);
  }

  Variance activation(std::size_t k, const Variance& x) {
    const MonicActivation& a = network_.activations[k];
    const Slopes& slopes = statistics_.slopes[k];
    Variance y;
    const auto through = [&](const std::vector<double>& slope, std::size_t point) {
      y = x.empty() ? Variance() : times(x, slope);
      enter(point, a.elements, y);
    };
    through(slopes.square, points_.square(k));
    if (a.squares < 2) return y;
    through(slopes.shifted, points_.shifted(k));
    if (points_.shifted(k) + 1 == place_) {
      gains_[points_.outer_square(k)] = mean(slopes.inner);
      gains_[points_.result(k)] = mean(slopes.inner);
      return slopes.inner;
    }
    through(slopes.outer, points_.outer_square(k));
    through(slopes.result, points_.result(k));
    return y;
  }

  const MonicNetwork& network_;
  const Statistics& statistics_;
  Points points_;
  std::size_t place_;
  std::vector<double> gains_;
  std::vector<Variance> values_;
};

}  // namespace

Gains::Gains(const MonicNetwork& network, const Statistics& statistics) : gain_(Points(network).count() + 1) {
  base::parallel_for(gain_.size(),
                     [&](std::size_t place) { gain_[place] = Follower(network, statistics, place).run(); });
}

}  // namespace obscura::compile
