// SPDX-License-Identifier: Apache-2.0
/// The cosine of EvalMod, fitted where it is used: near x = I - 1/4 for whole numbers I, the more the likelier I is
/// (after Han, Ki: ePrint 2019/688, who interpolate there). Arrow run -> ckks.
#pragma once

#include <vector>

namespace obscura::ckks {

struct CosineRequest {
  int degree = 0;         ///< even
  int double_angles = 0;  ///< r
  int range = 0;          ///< K: |I| <= K
  int weight = 0;         ///< I is the rounded sum of weight + 1 uniform numbers in +-1/2
  double reach = 0;       ///< x stays within this of I - 1/4
};

/// Half width of the interval on which the series is written, a bit more than range + 1/4 + reach.
double cosine_half_width(int range);

/// c with sum over even k of c_k T_k(x / half width) nearest to cos(2 pi x / 2^r): least squares, each I with its
/// probability, but at least 2^-12, so that the error at |I| = K is no more than some 2^8 times that at 0.
/// errors  ContractError: an odd degree, a reach of 1/32 or more
std::vector<double> fit_cosine(const CosineRequest& request);

}  // namespace obscura::ckks
