// SPDX-License-Identifier: Apache-2.0
#include "approx/cost.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "approx/remez.h"
#include "base/check.h"

namespace obscura::approx {
namespace {

constexpr int kImpossible = 1 << 20;

int log2_ceil(int n) { return static_cast<int>(std::bit_width(static_cast<unsigned>(n - 1))); }

/// One choice of baby steps T_1 ... T_b and giant steps T_2 ... T_{2^m}.
class Schedule {
 public:
  Schedule(int degree, int babies, int giants, bool odd)
      : babies_(babies),
        giants_(giants),
        odd_(odd),
        known_((static_cast<std::size_t>(degree) + 1) * (kLevels + 1), -1) {}

  /// Products for what lies above the baby steps, of any polynomial of this degree within `levels`.
  int combine(int degree, int levels) {
    if (degree == 0) return 0;
    if (levels < 1) return kImpossible;
    int& known = known_[static_cast<std::size_t>(degree) * (kLevels + 1) + static_cast<std::size_t>(levels)];
    if (known >= 0) return known;
    int best = kImpossible;
    if (degree <= babies_ && log2_ceil(degree) + 1 <= levels) best = 0;
    for (int i = 1; i <= giants_; ++i) {
      const int giant = 1 << i;
      if (giant > degree || i + 1 > levels) break;
      // q constant: a product with a constant only.
      const int product = degree == giant ? 0 : 1 + combine(degree - giant, levels - 1);
      const int rest = combine(odd_ ? giant - 1 : std::min(giant - 1, degree), levels);
      best = std::min(best, product + rest);
    }
    return known = best;
  }

 private:
  static constexpr std::size_t kLevels = 8;
  int babies_;
  int giants_;
  bool odd_;
  std::vector<int> known_;
};

}  // namespace

int depth_of(int degree) { return log2_ceil(degree + 1); }

int multiplications_of(int degree, Parity parity) {
  const bool odd = parity == Parity::odd;
  OBSCURA_CHECK(degree >= 0 && degree <= kMaxDegree, "multiplications_of: degree {}", degree);
  if (degree <= 1) return 0;
  OBSCURA_CHECK(parity == Parity::none || odd == (degree % 2 == 1), "multiplications_of: degree {} of the other parity",
                degree);
  if (parity == Parity::even) return 1 + multiplications_of(degree / 2, Parity::none);
  int best = kImpossible;
  for (int babies = 1; babies <= degree; babies += odd ? 2 : 1) {
    int steps = 0;  // the baby steps that are no powers of two
    for (int j = 3; j <= babies; ++j)
      steps += (odd ? j % 2 == 1 : !std::has_single_bit(static_cast<unsigned>(j))) ? 1 : 0;
    if (steps >= best) break;
    const int needed = babies == 1 ? 0 : static_cast<int>(std::bit_width(static_cast<unsigned>(babies))) - 1;
    for (int giants = needed; 1 << giants <= std::max(degree, 1); ++giants) {
      Schedule schedule(degree, babies, giants, odd);
      best = std::min(best, steps + giants + schedule.combine(degree, depth_of(degree)));
    }
  }
  return best;
}

}  // namespace obscura::approx
