// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "ckks/pairs.h"
#include "ckks/rotation_tree.h"

namespace obscura::ckks {

std::vector<DiagonalPair> pair_up(std::span<const Diagonal> sorted, std::int64_t pair) {
  std::vector<DiagonalPair> out;
  if (pair == 0) {
    for (const Diagonal& d : sorted) out.push_back({d, false});
    return out;
  }
  std::vector<bool> taken(sorted.size());
  std::size_t partner = 0;
  for (std::size_t k = 0; k < sorted.size(); ++k) {
    if (taken[k]) continue;
    Diagonal wanted = sorted[k];
    wanted.step += pair;
    while (partner < sorted.size() && sorted[partner] < wanted) ++partner;
    const bool there = partner < sorted.size() && sorted[partner] == wanted;
    if (there) taken[partner] = true;
    out.push_back({sorted[k], there});
  }
  return out;
}

TransformShape::TransformShape(std::size_t slots, std::uint32_t inputs, std::uint32_t outputs,
                               const std::vector<Diagonal>& diagonals, const SplitOptions& options)
    : TransformShape(slots, inputs, outputs, diagonals, choose_split(slots, diagonals, options)) {}

TransformShape::TransformShape(std::size_t slots, std::uint32_t inputs, std::uint32_t outputs,
                               std::vector<Diagonal> diagonals, const Split& split)
    : slots_(slots), inputs_(inputs), outputs_(outputs), split_(split) {
  const auto n = static_cast<std::int64_t>(slots);
  OBSCURA_CHECK(!diagonals.empty() && slots > 0, "transform: no diagonals");
  OBSCURA_CHECK(split.period > 0, "transform: a split of period {}", split.period);
  OBSCURA_CHECK(split.pair >= 0 && split.pair < n, "transform: pairs {} apart in {} slots", split.pair, n);
  std::vector<bool> input_used(inputs), output_used(outputs);
  for (Diagonal& d : diagonals) {
    OBSCURA_CHECK(d.output < outputs && d.input < inputs,
                  "transform: a diagonal from input {} of {} to output {} of {}", d.input, inputs, d.output, outputs);
    d.step = centred_step(d.step, n);
    input_used[d.input] = output_used[d.output] = true;
  }
  for (std::size_t i = 0; i < inputs; ++i) OBSCURA_CHECK(input_used[i], "transform: input {} has no diagonal", i);
  for (std::size_t o = 0; o < outputs; ++o) OBSCURA_CHECK(output_used[o], "transform: output {} has no diagonal", o);
  if (!std::is_sorted(diagonals.begin(), diagonals.end())) std::sort(diagonals.begin(), diagonals.end());
  const auto twice = std::adjacent_find(diagonals.begin(), diagonals.end());
  OBSCURA_CHECK(twice == diagonals.end(), "transform: the diagonal of step {} from input {} to output {} stands twice",
                twice->step, twice->input, twice->output);
  std::map<std::pair<std::uint32_t, std::int64_t>, std::uint32_t> babies;
  std::map<std::pair<std::uint32_t, std::int64_t>, TransformGroup> groups;
  if (split.pair != 0) partner_turns_ = {centred_step(split.pair, n)};
  const std::vector<DiagonalPair> plaintexts = pair_up(diagonals, split.pair);
  for (const auto& [d, _] : plaintexts) {
    babies.emplace(std::pair{d.input, centred_step(baby_of(split, d.step), n)}, 0);
  }
  for (auto& [baby, index] : babies) {
    const auto& [input, step] = baby;
    index = static_cast<std::uint32_t>(babies_.size());
    babies_.push_back({input, step, kUnrotated, step, step == 0 ? 0U : 1U});
  }
  for (const auto& [d, paired] : plaintexts) {
    const std::int64_t baby = centred_step(baby_of(split, d.step), n), giant = centred_step(d.step - baby, n);
    TransformGroup& group = groups[{d.output, giant}];
    group.output = d.output;
    group.giant = group.turn = giant;
    group.terms.push_back({d, paired, babies.at({d.input, baby})});
  }
  for (auto& [key, group] : groups) groups_.push_back(std::move(group));
  find_rotation_steps();
}

void TransformShape::find_rotation_steps() {
  std::set<std::int64_t> steps(partner_turns_.begin(), partner_turns_.end());
  for (const Baby& baby : babies_) steps.insert(baby.turn);
  for (const TransformGroup& group : groups_) steps.insert(group.turn);
  steps.erase(0);
  rotation_steps_.assign(steps.begin(), steps.end());
}

std::optional<TransformShape> TransformShape::composed(std::span<const std::int64_t> keys) const {
  TransformShape out(*this);
  if (!out.compose_babies(keys) || !out.compose_groups(keys)) return std::nullopt;
  if (split_.pair != 0) {
    const auto tree = rotation_tree(static_cast<std::int64_t>(slots_), std::span(&split_.pair, 1), keys);
    if (!tree) return std::nullopt;
    out.partner_turns_.clear();
    for (const ComposedRotation& rotation : *tree) out.partner_turns_.push_back(rotation.turn);
  }
  out.find_rotation_steps();
  return out;
}

bool TransformShape::compose_babies(std::span<const std::int64_t> keys) {
  std::vector<bool> read(babies_.size());
  for (const TransformGroup& group : groups_) {
    for (const TransformGroup::Term& term : group.terms) read[term.baby] = true;
  }
  std::map<std::pair<std::uint32_t, std::int64_t>, std::uint32_t> places;
  std::vector<Baby> babies;
  const auto add = [&](const Baby& baby) {
    places.emplace(std::pair{baby.input, baby.step}, static_cast<std::uint32_t>(babies.size()));
    babies.push_back(baby);
  };
  for (std::uint32_t input = 0, b = 0; input < inputs_; ++input) {
    std::vector<std::int64_t> wanted;
    for (; b < babies_.size() && babies_[b].input == input; ++b) {
      if (!read[b]) continue;
      wanted.push_back(babies_[b].step);
      if (wanted.back() == 0) add({input});
    }
    const auto tree = rotation_tree(static_cast<std::int64_t>(slots_), wanted, keys);
    if (!tree) return false;
    const auto first = static_cast<std::uint32_t>(babies.size());
    for (const ComposedRotation& one : *tree) {
      add({input, one.step, one.from == kUnrotated ? kUnrotated : first + one.from, one.turn, one.switches});
    }
  }
  for (TransformGroup& group : groups_) {
    for (TransformGroup::Term& term : group.terms) {
      term.baby = places.at({term.diagonal.input, babies_[term.baby].step});
    }
  }
  babies_ = std::move(babies);
  return true;
}

/// The same trees the other way round: sums go from the ends to the output.
bool TransformShape::compose_groups(std::span<const std::int64_t> keys) {
  std::vector<TransformGroup> groups;
  for (std::size_t g = 0; g < groups_.size();) {
    const std::uint32_t output = groups_[g].output;
    std::map<std::int64_t, TransformGroup*> own;
    std::vector<std::int64_t> wanted;
    for (; g < groups_.size() && groups_[g].output == output; ++g) {
      if (groups_[g].terms.empty()) continue;
      own[groups_[g].giant] = &groups_[g];
      wanted.push_back(groups_[g].giant);
    }
    const auto tree = rotation_tree(static_cast<std::int64_t>(slots_), wanted, keys);
    if (!tree) return false;
    const auto last = static_cast<std::uint32_t>(groups.size() + tree->size()) - 1;
    for (auto one = tree->rbegin(); one != tree->rend(); ++one) {
      TransformGroup& group = groups.emplace_back();
      if (const auto found = own.find(one->step); found != own.end()) group.terms = std::move(found->second->terms);
      group.output = output;
      group.giant = one->step;
      group.turn = one->turn;
      group.into = one->from == kUnrotated ? TransformGroup::kOutput : last - one->from;
    }
    if (const auto found = own.find(0); found != own.end()) groups.push_back(std::move(*found->second));
  }
  groups_ = std::move(groups);
  return true;
}

}  // namespace obscura::ckks
