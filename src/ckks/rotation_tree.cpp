// SPDX-License-Identifier: Apache-2.0
#include "ckks/rotation_tree.h"

#include <algorithm>
#include <limits>

namespace obscura::ckks {
namespace {

constexpr std::uint32_t kNobody = kUnrotated - 1;

class Growth {
 public:
  Growth(std::int64_t slots, std::span<const std::int64_t> wanted, std::span<const std::int64_t> keys)
      : slots_(slots), wanted_(static_cast<std::size_t>(slots), 0), place_(wanted_.size(), kNobody) {
    for (const std::int64_t step : wanted) {
      const std::size_t at = index(step);
      if (at == 0 || wanted_[at] != 0) continue;
      wanted_[at] = 1;
      left_.push_back({centred_step(step, slots_)});
    }
    for (const std::int64_t key : keys) {
      if (index(key) != 0) keys_.push_back(centred_step(key, slots_));
    }
    std::sort(left_.begin(), left_.end(), [](const Wanted& a, const Wanted& b) { return a.step < b.step; });
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    most_ = left_.size() * kMostBetween;
  }

  std::optional<std::vector<ComposedRotation>> run() {
    place_[0] = kUnrotated;
    near(0, kUnrotated);
    while (!left_.empty()) {
      const auto next = std::min_element(left_.begin(), left_.end(),
                                         [](const Wanted& a, const Wanted& b) { return a.switches < b.switches; });
      if (next->switches != kFar) {
        attach(next->step, next->from, next->turn);
      } else if (!reach()) {
        return std::nullopt;
      }
      if (tree_.size() > most_) return std::nullopt;
    }
    return std::move(tree_);
  }

 private:
  static constexpr std::uint32_t kFar = std::numeric_limits<std::uint32_t>::max();
  struct Wanted {
    std::int64_t step = 0;
    std::uint32_t from = kUnrotated;  ///< the lowest rotation that is one key away
    std::int64_t turn = 0;
    std::uint32_t switches = kFar;
  };

  std::size_t index(std::int64_t step) const { return static_cast<std::size_t>((step % slots_ + slots_) % slots_); }
  std::uint32_t switches_to(std::uint32_t node) const { return node == kUnrotated ? 0 : tree_[node].switches; }

  void attach(std::int64_t step, std::uint32_t from, std::int64_t turn) {
    const auto node = static_cast<std::uint32_t>(tree_.size());
    const std::size_t at = index(step);
    tree_.push_back({centred_step(step, slots_), from, turn, switches_to(from) + 1});
    place_[at] = node;
    if (wanted_[at] != 0) {
      std::erase_if(left_, [&](const Wanted& one) { return one.step == tree_[node].step; });
      wanted_[at] = 0;
    }
    near(step, node);
  }

  /// The wanted steps that are one key away from a new node.
  void near(std::int64_t step, std::uint32_t node) {
    const std::uint32_t switches = switches_to(node) + 1;
    for (const std::int64_t key : keys_) {
      if (wanted_[index(step + key)] == 0) continue;
      const std::int64_t there = centred_step(step + key, slots_);
      const auto one = std::lower_bound(left_.begin(), left_.end(), there,
                                        [](const Wanted& a, std::int64_t value) { return a.step < value; });
      if (switches < one->switches) *one = {there, node, key, switches};
    }
  }

  /// Joins the nearest wanted step, by several rotations.
  bool reach() {
    struct Visit {
      std::size_t before = 0;  ///< index of the step that it was found from
      std::int64_t turn = 0;
      bool seen = false;
    };
    std::vector<Visit> visits(place_.size());
    std::vector<std::uint32_t> nodes = {kUnrotated};
    for (std::uint32_t node = 0; node < tree_.size(); ++node) nodes.push_back(node);
    std::stable_sort(nodes.begin(), nodes.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return switches_to(a) < switches_to(b); });
    std::vector<std::size_t> queue;
    for (const std::uint32_t node : nodes) {
      queue.push_back(node == kUnrotated ? 0 : index(tree_[node].step));
      visits[queue.back()].seen = true;
    }
    for (std::size_t k = 0; k < queue.size(); ++k) {
      for (const std::int64_t key : keys_) {
        const std::size_t there = index(static_cast<std::int64_t>(queue[k]) + key);
        if (visits[there].seen) continue;
        visits[there] = {queue[k], key, true};
        queue.push_back(there);
        if (wanted_[there] == 0) continue;
        std::vector<std::size_t> path;
        for (std::size_t at = there; place_[at] == kNobody; at = visits[at].before) path.push_back(at);
        for (auto at = path.rbegin(); at != path.rend(); ++at) {
          attach(static_cast<std::int64_t>(*at), place_[visits[*at].before], visits[*at].turn);
        }
        return true;
      }
    }
    return false;
  }

  std::int64_t slots_;
  std::size_t most_ = 0;
  std::vector<char> wanted_;          ///< by step from 0 on: whether it is and is not reached yet
  std::vector<std::uint32_t> place_;  ///< likewise: its node
  std::vector<Wanted> left_;          ///< ascending
  std::vector<std::int64_t> keys_;
  std::vector<ComposedRotation> tree_;
};

}  // namespace

std::int64_t centred_step(std::int64_t step, std::int64_t slots) {
  const std::int64_t left = (step % slots + slots) % slots;
  return left > slots / 2 ? left - slots : left;
}

std::optional<std::vector<ComposedRotation>> rotation_tree(std::int64_t slots, std::span<const std::int64_t> wanted,
                                                           std::span<const std::int64_t> keys) {
  return Growth(slots, wanted, keys).run();
}

}  // namespace obscura::ckks
