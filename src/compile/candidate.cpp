// SPDX-License-Identifier: Apache-2.0
#include "compile/candidate.h"

#include <algorithm>
#include <cmath>

#include "ckks/noise.h"

namespace obscura::compile {
namespace {

constexpr double kMaxLog2Constant = 100;    // what ckks::apply and combine can encode
constexpr double kMaxLog2Coefficient = 60;  // of an encoded image; the encoder's bound is 2^62
constexpr double kMaxLog2Factor = 100;

double log2_modulus(const std::vector<std::uint64_t>& chain, std::uint32_t limbs) {
  double sum = 0;
  for (std::uint32_t i = 0; i < limbs; ++i) sum += std::log2(static_cast<double>(chain[i]));
  return sum;
}

double largest(const std::vector<double>& values) {
  double out = 0;
  for (const double v : values) out = std::max(out, std::abs(v));
  return out;
}

/// The largest constant, and the largest factor of x, that an action encodes.
std::pair<double, double> constants_of(const MonicNetwork& network, const Action& action) {
  if (action.kind == Action::Kind::linear) return {largest(network.segments[action.segment][action.map].bias), 0};
  if (action.kind != Action::Kind::combine) return {0, 0};
  const MonicActivation& a = network.activations[action.segment];
  return action.outer ? std::pair(0.0, largest(a.r)) : std::pair(largest(a.q), largest(a.p));
}

/// Everything that is encoded fits, and no value lies below its noise.
bool fits(const Setting& setting, const Schedule& schedule, const ckks::Params& params) {
  const auto& chain = params.literal().chain;
  const double noise = ckks::noise_of_rounding(params, 2);
  const double input = std::log2(setting.max_input * schedule.input_scale);
  if (schedule.input_scale < 2 || input > kMaxLog2Coefficient || input > log2_modulus(chain, schedule.limbs) - 2) {
    return false;
  }
  std::vector<double> scales{schedule.input_scale};
  for (const Action& action : schedule.actions) {
    const double scale = action.output.scale;
    const double room = log2_modulus(chain, action.output.limbs) - 2;
    const double value = std::max(setting.statistics->max_abs[action.point], 0x1p-30);
    if (!(std::log2(value * scale) < room) || value * scale < noise) return false;
    const auto [constant, factor] = constants_of(*setting.network, action);
    const double limit = std::min(kMaxLog2Constant, room);
    if (constant > 0 && !(std::log2(constant * scale) < limit)) return false;
    if (action.with_x && !(std::log2(factor * scale / scales[action.other]) < std::min(kMaxLog2Factor, room)))
      return false;
    scales.push_back(scale);
  }
  return true;
}

}  // namespace

Result<ckks::ParamsLiteral> make_literal(const Choice& choice) {
  const auto special = static_cast<std::size_t>(choice.digit_limbs);
  OBSCURA_TRY(auto primes, ckks::make_primes(choice.log2_degree, choice.prime_bits, choice.limbs() + special, {}));
  ckks::ParamsLiteral literal;
  literal.log2_degree = choice.log2_degree;
  literal.digit_limbs = choice.digit_limbs;
  const auto split = primes.begin() + static_cast<std::ptrdiff_t>(special);
  literal.special.assign(primes.begin(), split);
  literal.chain.assign(split, primes.end());
  return literal;
}

std::optional<Candidate> judge(const Setting& setting, Choice choice, const ckks::Params& params) {
  const auto& chain = params.literal().chain;
  const double room = log2_modulus(chain, choice.final_limbs) - 2 - setting.headroom_bits;
  const double final_scale = std::exp2(room) / std::max(setting.statistics->max_logit, 0x1p-30);
  const Schedule empty = make_schedule(*setting.network, choice, setting.cost);
  std::optional<Candidate> best;
  for (const WeightOption& option : setting.weights) {
    Schedule schedule = empty;
    set_scales(schedule, chain, option.scales, final_scale);
    if (!fits(setting, schedule, params)) continue;
    set_errors(schedule, params, *setting.network, *setting.statistics, option.rounding);
    const double error = schedule.actions.back().output.error_std;
    if (best && best->logit_error <= error) continue;
    choice.weight_bits = option.bits;
    best = Candidate{choice, params.literal(), std::move(schedule), &option, error};
  }
  return best;
}

}  // namespace obscura::compile
