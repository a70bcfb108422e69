// SPDX-License-Identifier: Apache-2.0
/// How the error of a stage depends on its interval, tabulated.
#pragma once

#include <span>
#include <vector>

namespace obscura::approx {

/// A stage of odd degree d on [a, b] depends on a / b only; it maps onto [1 - e, 1 + e], whose own ratio is
/// (1 - e) / (1 + e). In the coordinate v = log(-log ratio) that map is smooth and nearly linear at both ends (e grows
/// as (1 - ratio)^((d + 1) / 2) near ratio 1), so that some 40 nodes and cubics between them give five digits.
class StageTable {
 public:
  /// cost  40 fits in double precision: 1 ms at degree 7, 15 ms at 63.
  explicit StageTable(int degree);

  int degree() const { return degree_; }
  /// v of the image of an interval with v.
  double image(double v) const;
  /// The v whose image is w: the widest interval that maps into one with w.
  double preimage(double w) const;
  /// c_k of p(x) = sum_k c_k T_{2k+1}(x / b).
  void coefficients(double v, std::vector<double>& out) const;

 private:
  struct Node {
    double v;
    double image;
    std::vector<double> coefficients;
  };
  std::size_t cell_of(double v) const;

  int degree_;
  double step_;
  std::vector<Node> nodes_;  ///< by v
};

/// v of an interval with this ratio of its ends, and back; error e of a stage whose image has v.
double coordinate_of(double ratio);
double ratio_of(double v);
double error_of(double v);

}  // namespace obscura::approx
