// SPDX-License-Identifier: Apache-2.0
#include "plan/slot_map.h"

#include <algorithm>
#include <cstdlib>
#include <unordered_map>

namespace obscura::plan {
namespace {

std::int64_t floor_mod(std::int64_t a, std::int64_t m) { return (a % m + m) % m; }

/// Into (-m/2, m/2].
std::int64_t centred(std::int64_t a, std::int64_t m) {
  const std::int64_t left = floor_mod(a, m);
  return left > m / 2 ? left - m : left;
}

/// The number of the offset that is nearest to a distance, around the period.
std::uint32_t nearest(const std::vector<std::int64_t>& offsets, std::int64_t distance, std::int64_t period) {
  const auto above = std::lower_bound(offsets.begin(), offsets.end(), distance);
  const auto after = above == offsets.end() ? offsets.begin() : above;
  const auto before = above == offsets.begin() ? offsets.end() - 1 : above - 1;
  const std::int64_t to_after = centred(distance - *after, period);
  const std::int64_t to_before = centred(distance - *before, period);
  return static_cast<std::uint32_t>((std::abs(to_before) <= std::abs(to_after) ? before : after) - offsets.begin());
}

/// How a block lies: what all blocks of a group have in common.
class Pattern {
 public:
  Pattern(const ckks::IntegerBlock& block, const SlotMap& slot_map, const std::vector<bool>& wanted) {
    const std::uint32_t turn = slot_map.distances() - 1;  // a power of two
    const std::uint32_t base = slot_map.target(block.outputs.at(0)).position;
    words_.reserve(block.inputs.size() + block.outputs.size() + 2);
    words_.push_back(block.matrix);
    // Parts of copies that differ are at other ends of a period, block by block.
    words_.push_back(slot_map.copies_apart() > 1 && slot_map.offsets().size() > 1 ? base : 0);
    for (const std::uint32_t input : block.inputs) {
      const Place& at = slot_map.source(input);
      add(at.ciphertext, (at.position - base) & turn, true);
    }
    for (const std::uint32_t output : block.outputs) {
      const Place& at = slot_map.target(output);
      add(at.ciphertext, (at.position - base) & turn, wanted.empty() || wanted[output]);
    }
  }
  bool operator==(const Pattern&) const = default;
  std::size_t hash() const {
    std::uint64_t out = 0;
    for (const std::uint64_t word : words_) out = (out ^ word) * 0x9e3779b97f4a7c15 ^ out >> 29U;
    return out;
  }

 private:
  void add(std::uint32_t ciphertext, std::uint32_t distance, bool wanted) {
    words_.push_back(std::uint64_t{ciphertext} << 33U | std::uint64_t{distance} << 1U | (wanted ? 1 : 0));
  }

  std::vector<std::uint64_t> words_;
};

struct PatternHash {
  std::size_t operator()(const Pattern& pattern) const { return pattern.hash(); }
};

}  // namespace

SlotMap::SlotMap(const Layout& from, const Layout& to, const std::vector<std::uint32_t>& spread,
                 std::uint64_t positions)
    : from_(from.places()),
      to_(to.places()),
      offsets_{0},
      positions_(static_cast<std::int64_t>(positions)),
      from_period_(from.period),
      to_period_(to.period),
      distances_(from.sharing.interleaved() ? from_period_ : 2 * positions_),
      copies_(static_cast<std::uint32_t>(positions / to.period)) {
  for (const std::uint32_t step : spread) {
    const std::size_t size = offsets_.size();
    for (std::size_t i = 0; i < size; ++i) offsets_.push_back(offsets_[i] + step);
  }
  std::sort(offsets_.begin(), offsets_.end());
  if (offsets_.size() == 1) return;
  nearest_.reserve(from.period);
  for (std::int64_t distance = 0; distance < from_period_; ++distance) {
    nearest_.push_back(nearest(offsets_, distance, from_period_));
  }
}

Entry SlotMap::at(std::uint32_t row, std::uint32_t column, std::uint32_t copy) const {
  const Place source = from_[column];
  const std::int64_t target = to_[row].position + std::int64_t{copy} * to_period_;
  // Distances and positions are powers of two.
  const std::int64_t distance = (source.position - target) & (distances_ - 1);
  const std::int64_t offset = offsets_[part(static_cast<std::uint32_t>(distance))];
  std::int64_t step = (distance - offset) & (distances_ - 1);
  if (step > distances_ / 2) step -= distances_;
  Entry entry;
  entry.diagonal = {to_[row].ciphertext, source.ciphertext, step};
  entry.position = static_cast<std::uint32_t>((target + offset) & (positions_ - 1));
  return entry;
}

std::vector<AlikeBlocks> alike_blocks(const ckks::IntegerMap& map, const SlotMap& slot_map,
                                      const std::vector<bool>& wanted) {
  std::vector<std::size_t> uses(map.matrices.size(), 0);
  for (const ckks::IntegerBlock& block : map.blocks) ++uses[block.matrix];
  std::vector<AlikeBlocks> out;
  std::unordered_map<Pattern, std::size_t, PatternHash> known;
  for (std::uint32_t b = 0; b < map.blocks.size(); ++b) {
    const ckks::IntegerBlock& block = map.blocks[b];
    const auto asked = [&](std::uint32_t output) { return wanted.empty() || wanted[output]; };
    if (std::none_of(block.outputs.begin(), block.outputs.end(), asked)) continue;
    std::size_t group = out.size();
    if (uses[block.matrix] > 1) group = known.emplace(Pattern(block, slot_map, wanted), group).first->second;
    if (group == out.size()) out.emplace_back();
    out[group].push_back(b);
  }
  return out;
}

}  // namespace obscura::plan
