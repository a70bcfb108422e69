// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>
#include <set>

#include "ckks/diagonals.h"
#include "ckks/switch_size.h"

namespace obscura::ckks {

SwitchSize SwitchSize::at(const Params& params, std::size_t limbs) {
  const auto alpha = static_cast<std::size_t>(params.literal().digit_limbs);
  return {limbs, params.special_limbs(), (limbs + alpha - 1) / alpha, params.ring()};
}

std::size_t TransformShape::plaintexts() const {
  return std::accumulate(groups_.begin(), groups_.end(), std::size_t{0},
                         [](std::size_t sum, const TransformGroup& group) { return sum + group.terms.size(); });
}

TransformCost TransformShape::cost(const SwitchSize& size, std::size_t rescale, std::size_t period) const {
  const std::size_t rows = size.limbs + size.special;
  TransformCost out;
  out.keys = rotation_steps_.size();
  std::set<std::uint32_t> rotated, between;
  for (const Baby& baby : babies_) {
    if (baby.step == 0) continue;
    ++out.baby_switches;
    if (baby.from == kUnrotated) rotated.insert(baby.input);
    if (baby.from != kUnrotated) between.insert(baby.from);
  }
  for (const TransformGroup& group : groups_) out.giant_switches += group.giant != 0 ? 1 : 0;
  out.between = between.size();
  const std::size_t divided = out.between + out.giant_switches;
  out.plaintexts = plaintexts();
  out.decompositions = rotated.size() + divided;
  out.divisions = divided + 2 * outputs_;
  out.ntts = rotated.size() * size.digits * rows + divided * giant_ntts(size) +
             2 * outputs_ * (rescale + size.special + size.limbs - rescale);
  const std::size_t switches = out.baby_switches + out.giant_switches;
  out.permutations = switches * 2 * rows;
  out.products = out.baby_switches * baby_products(size) + out.giant_switches * giant_products(size) -
                 out.permutations + out.plaintexts * 2 * rows;
  const std::size_t kept = size.limbs - rescale;
  out.conversions = out.decompositions * raised_sources(size) + divided * (size.special + 1) * size.limbs +
                    2 * outputs_ * (size.special + rescale + 1) * kept;
  if (split_.pair != 0) {
    const SwitchSize after{kept, size.special, (kept + size.special - 1) / size.special, size.ring};
    for (const auto& [one, count] :
         {std::pair<SwitchSize, std::size_t>{size, inputs_ * partner_turns_.size()}, {after, outputs_}}) {
      out.pair_switches += count;
      out.ntts += count * switch_ntts(one);
      out.products += count * switch_products(one);
      out.permutations += count * 2 * one.limbs;
      out.conversions += count * (raised_sources(one) + 2 * (one.special + 1) * one.limbs);
    }
  }
  const std::size_t all = slots_ / (size.ring == RingType::standard ? 1 : 2);
  const std::size_t gap =
      period == 0 ? 1 : all / std::clamp(period * all / slots_, std::min(all, Encoder::kLeastPeriod), all);
  out.fft_values = all / gap;
  out.encode_ntts = (out.plaintexts * rows + gap - 1) / gap;
  out.encoded_limbs = out.plaintexts * rows / std::min(gap, kMostRepeats);
  // The babies, and for what runs at a time the sums of its groups and outputs.
  out.working_limbs = 2 * rows * (babies_.size() + 2 * kGroupsTogether);
  return out;
}

}  // namespace obscura::ckks
