// SPDX-License-Identifier: Apache-2.0
#include "compile/search/candidate.h"

#include <algorithm>
#include <cmath>

#include "ckks/noise.h"

namespace obscura::compile {
namespace {

constexpr double kMaxLog2Constant = 100;    // what ckks::apply and combine can encode
constexpr double kMaxLog2Coefficient = 60;  // of an encoded image; the encoder's bound is 2^62
constexpr double kSmallest = 0x1p-30;       // stands for values that are always 0
constexpr double kRoundOff = 0.01;  // in bits: the largest logit has just the room that its scale was chosen for

double log2_modulus(const std::vector<std::uint64_t>& chain, std::uint32_t limbs) {
  double sum = 0;
  for (std::uint32_t i = 0; i < limbs; ++i) sum += std::log2(static_cast<double>(chain[i]));
  return sum;
}

/// The largest constant, and the largest coefficient of x, that an action encodes.
struct Constants {
  double constant = 0;
  double coefficient = 0;
};

Constants constants_of(const MonicNetwork& network, const Action& action) {
  if (action.kind == Action::Kind::linear) return {largest(network.segments[action.segment][action.map].bias), 0};
  if (action.kind != Action::Kind::combine) return {};
  const MonicActivation& a = network.activations[action.segment];
  return action.outer ? Constants{0, largest(a.r)} : Constants{largest(a.q), largest(a.p)};
}

/// Tries weight bits on one choice.
class Trial {
 public:
  Trial(const Setting& setting, const Choice& choice, const ckks::Params& params)
      : setting_(setting), params_(params), empty_(make_schedule(*setting.network, choice, setting.cost)) {
    const auto& chain = params.literal().chain;
    const double room = log2_modulus(chain, choice.final_limbs) - 2 - setting.headroom_bits;
    final_scale_ = std::exp2(room) / std::max(setting.statistics->max_logit, kSmallest);
    for (const Action& action : empty_.actions) constants_.push_back(constants_of(*setting.network, action));
    coefficients_.resize(setting.network->segments.size(), 0);
    for (const Junction& junction : setting.network->junctions) {
      for (const Branch& branch : junction.branches) {
        if (!branch.diagonal) continue;
        coefficients_[branch.segment] = largest(setting.network->segments[branch.segment][0].matrix.value);
      }
    }
    for (std::uint32_t limbs = 0; limbs <= chain.size(); ++limbs) log2_modulus_.push_back(log2_modulus(chain, limbs));
  }

  /// The schedule with scales and errors by estimated rounding; nothing where it does not fit.
  std::optional<Schedule> run(const WeightBits& bits) const {
    Schedule schedule = empty_;
    set_scales(schedule, params_.literal().chain, setting_.rounding->scales(bits), final_scale_);
    if (!fits(schedule)) return std::nullopt;
    predict(schedule, setting_.rounding->predict(schedule.weight_scales));
    return schedule;
  }

  /// Errors anew, with another effect of rounding.
  void predict(Schedule& schedule, const std::vector<double>& rounding) const {
    set_errors(schedule, params_, *setting_.statistics, *setting_.gains, rounding);
  }

  /// The logit error by estimated rounding; infinite where the bits do not fit.
  double error(const WeightBits& bits) const {
    const auto schedule = run(bits);
    return schedule ? schedule->actions.back().output.error_std : HUGE_VAL;
  }

 private:
  /// Everything that is encoded fits, and no value lies below its noise.
  bool fits(const Schedule& schedule) const {
    const double noise = ckks::noise_of_rounding(params_, 2);
    const double input = std::log2(setting_.max_input * schedule.input_scale);
    if (schedule.input_scale < 2 || input > std::min(kMaxLog2Coefficient, log2_modulus_[schedule.limbs] - 2)) {
      return false;
    }
    std::vector<double> scales{schedule.input_scale};
    for (std::size_t i = 0; i < schedule.actions.size(); ++i) {
      const Action& action = schedule.actions[i];
      const double scale = action.output.scale;
      const double room = log2_modulus_[action.output.limbs] - 2;
      const double limit = std::min(kMaxLog2Constant, room);
      const double value = std::max(setting_.statistics->max_abs[action.point], kSmallest);
      if (!(std::log2(value * scale) < room - setting_.headroom_bits + kRoundOff) || value * scale < noise)
        return false;
      const auto [constant, coefficient] = constants_[i];
      if (constant > 0 && !(std::log2(constant * scale) < limit)) return false;
      if (action.with_x && !(std::log2(coefficient * scale / scales[action.other]) < limit)) return false;
      for (const Action::Addend& addend : action.addends) {
        const double size = addend.diagonal ? coefficients_[*addend.diagonal] : 1;
        if (!(std::log2(size * scale / scales[addend.value]) < limit)) return false;
      }
      scales.push_back(scale);
    }
    return true;
  }

  const Setting& setting_;
  const ckks::Params& params_;
  Schedule empty_;
  double final_scale_ = 1;
  std::vector<Constants> constants_;
  std::vector<double> coefficients_;  ///< the largest of each diagonal branch, by segment
  std::vector<double> log2_modulus_;
};

/// Weight bits with the least error: the best number for all maps, then one map at a time up or down while that helps.
std::optional<WeightBits> best_bits(const Setting& setting, const Trial& trial) {
  WeightBits best;
  double least = HUGE_VAL;
  const auto consider = [&](const WeightBits& bits) {
    const double error = trial.error(bits);
    if (!(error < least)) return false;
    best = bits;
    least = error;
    return true;
  };
  for (int bits = kMinWeightBits; bits <= kMaxWeightBits; ++bits) consider(setting.rounding->uniform(bits));
  if (least == HUGE_VAL) return std::nullopt;
  for (bool better = true; better;) {
    better = false;
    for (std::size_t s = 0; s < best.size(); ++s) {
      for (std::size_t m = 0; m < best[s].size(); ++m) {
        const MapRounding& map = setting.rounding->map(s, m);
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

Result<ckks::ParamsLiteral> make_literal(const Choice& choice) {
  const auto special = static_cast<std::size_t>(choice.digit_limbs);
  ckks::ParamsLiteral literal;
  literal.log2_degree = choice.log2_degree;
  literal.digit_limbs = choice.digit_limbs;
  std::vector<std::uint64_t> taken;
  const auto take = [&](int bits, std::size_t count, std::vector<std::uint64_t>& into) -> Result<void> {
    OBSCURA_TRY(const auto primes, ckks::make_primes(choice.log2_degree, bits, count, taken));
    into.insert(into.end(), primes.begin(), primes.end());
    taken.insert(taken.end(), primes.begin(), primes.end());
    return {};
  };
  OBSCURA_TRY_VOID(take(choice.largest_bits(), special, literal.special));
  OBSCURA_TRY_VOID(take(choice.final_bits, choice.final_limbs, literal.chain));
  OBSCURA_TRY_VOID(take(choice.drop_bits, choice.limbs() - choice.final_limbs, literal.chain));
  return literal;
}

std::optional<Candidate> judge(const Setting& setting, Choice choice, const ckks::Params& params) {
  const Trial trial(setting, choice, params);
  const auto bits = best_bits(setting, trial);
  if (!bits) return std::nullopt;
  choice.weight_bits = *bits;
  auto schedule = trial.run(*bits);
  OBSCURA_CHECK(schedule.has_value(), "weight bits that fitted do not fit");
  std::vector<double> rounding = setting.rounding->predict(schedule->weight_scales);
  if (schedule->actions.back().output.error_std <= setting.max_error) {
    rounding = setting.rounding->measure_together(schedule->weight_scales);
    trial.predict(*schedule, rounding);
  }
  const Action& last = schedule->actions.back();
  const double error = last.output.error_std;
  const double rounded = std::sqrt(rounding[last.point]);
  return Candidate{choice, params.literal(), std::move(*schedule), error, rounded};
}

}  // namespace obscura::compile
