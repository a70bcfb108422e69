// SPDX-License-Identifier: Apache-2.0
#include "compile/search/weight_bits.h"

#include <cmath>

namespace obscura::compile {
namespace {

/// The schedule with scales and errors by estimated rounding; nothing where it does not fit.
std::optional<Schedule> schedule_with(const Trial& trial, const WeightBits& bits) {
  const Rounding& rounding = *trial.setting.rounding;
  auto schedule = solve_scales(trial, rounding.scales(bits));
  if (!schedule || !fits(trial, *schedule)) return std::nullopt;
  predict_errors(trial, rounding.predict(schedule->weight_scales), *schedule);
  return schedule;
}

/// Errors of polynomials take far longer to predict than those of squares: single maps are looked at only where the
/// best number for all is so many times too imprecise at most.
constexpr double kWithinReach = 4;

/// The best number for all maps, then one map at a time up or down while that helps; with polynomials, until the
/// precision is reached.
std::optional<WeightBits> best_bits(const Trial& trial) {
  const Rounding& rounding = *trial.setting.rounding;
  WeightBits best;
  double least = HUGE_VAL;
  const auto consider = [&](const WeightBits& bits) {
    const auto schedule = schedule_with(trial, bits);
    if (!schedule || !(schedule->logit_error < least)) return false;
    best = bits;
    least = schedule->logit_error;
    return true;
  };
  for (int bits = kMinWeightBits; bits <= kMaxWeightBits; ++bits) consider(rounding.uniform(bits));
  if (least == HUGE_VAL) return std::nullopt;
  const double enough = is_approximated(*trial.setting.network) ? trial.setting.max_error : 0;
  if (enough > 0 && least > kWithinReach * enough) return best;
  for (bool better = true; better && least > enough;) {
    better = false;
    for (std::size_t s = 0; s < best.size(); ++s) {
      for (std::size_t m = 0; m < best[s].size(); ++m) {
        const MapRounding& map = rounding.map(s, m);
        if (map.fixed()) continue;
        for (const int step : {-1, 1}) {
          WeightBits bits = best;
          bits[s][m] += step;
          if (bits[s][m] >= kMinWeightBits && bits[s][m] <= map.max_bits) better |= consider(bits);
        }
      }
    }
  }
  return best;
}

}  // namespace

std::optional<Candidate> with_best_weight_bits(const Trial& trial) {
  const auto bits = best_bits(trial);
  if (!bits) return std::nullopt;
  auto schedule = schedule_with(trial, *bits);
  OBSCURA_CHECK(schedule.has_value(), "weight bits that fitted do not fit");
  schedule->choice.weight_bits = *bits;
  std::vector<double> rounding = trial.setting.rounding->predict(schedule->weight_scales);
  if (schedule->logit_error <= trial.setting.max_error) {
    rounding = trial.setting.rounding->measure_together(schedule->weight_scales);
    predict_errors(trial, rounding, *schedule);
  }
  predict_times(trial, *schedule);
  verify_after(Pass::price, [&] { return verify(trial.circuit, *schedule); });
  const double rounded = std::sqrt(rounding[trial.circuit.operations.back().point]);
  return Candidate{nullptr, std::move(*schedule), trial.params.literal(), rounded};
}

}  // namespace obscura::compile
