// SPDX-License-Identifier: Apache-2.0
#include "train/coefficients.h"

#include <cmath>

namespace obscura::train {
namespace {

std::vector<double> swish4(double range) {
  const auto r = static_cast<std::size_t>(range);
  OBSCURA_CHECK(r >= 3 && r <= 8, "swish4: range {}; 3 to 8", range);
  // Ishiyama et al. 2020, table of the Swish fits; the cubic term is zero because swish(x) - x/2 is even.
  static constexpr double kFits[][3] = {{0.0108, 0.2212, -0.008248},  {0.03347, 0.19566, -0.005075},
                                        {0.07066, 0.17003, -0.00315}, {0.1198, 0.1473, -0.002012},
                                        {0.1773, 0.1282, -0.001328},  {0.2401, 0.11257, -0.000908}};
  const auto& fit = kFits[r - 3];
  return {fit[0], 0.5, fit[1], 0, fit[2]};
}

}  // namespace

std::vector<double> initial_coefficients(ActivationKind kind, double range) {
  const double two = kHermite2 / std::sqrt(2.0);
  const double four = kHermite4 / std::sqrt(24.0);
  switch (kind) {
    case ActivationKind::square:
      return {0, 0, 1};
    case ActivationKind::swish4:
      // Read from a recipe before its range is checked.
      return range >= 3 && range <= 8 ? swish4(range) : std::vector<double>{};
    case ActivationKind::quadratic:
      return {kHermite0 - two, kHermite1, two};
    case ActivationKind::degree4:
      return {kHermite0 - two + 3 * four, kHermite1, two - 6 * four, 0, four};
    default:
      return {};
  }
}

}  // namespace obscura::train
