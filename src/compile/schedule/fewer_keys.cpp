// SPDX-License-Identifier: Apache-2.0
#include "compile/schedule/fewer_keys.h"

#include <algorithm>
#include <cmath>
#include <queue>

#include "base/parallel.h"
#include "compile/cost/transform.h"
#include "plan/keys.h"

namespace obscura::compile {
namespace {

using ShapePtr = std::shared_ptr<const ckks::TransformShape>;

std::uint64_t bytes_of(const plan::KeyRequest& galois, std::size_t limbs, int digit_limbs, int log2_degree) {
  ckks::ParamsLiteral sizes;  // the primes themselves do not matter
  sizes.log2_degree = log2_degree;
  sizes.digit_limbs = digit_limbs;
  sizes.chain.resize(limbs);
  sizes.special.resize(static_cast<std::size_t>(digit_limbs));
  plan::KeyRequest all = galois;
  all.relinearization = true;
  return plan::key_bytes(sizes, all);
}

class Reduction {
 public:
  Reduction(const Circuit& circuit, Splits& splits, int digit_limbs, const CostModel& cost)
      : circuit_(circuit), splits_(splits), digit_limbs_(digit_limbs), cost_(cost.of(circuit.ring)) {
    const auto alpha = static_cast<std::size_t>(digit_limbs);
    for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
      const Operation& operation = circuit.operations[k];
      const std::uint32_t limbs = splits.limbs[operation.input];
      if (operation.kind == Operation::Kind::fold) {
        plan::add_rotations(folds_, plan::rotations_of(operation.fold, circuit.ring_slots()), limbs);
      }
      if (operation.kind != Operation::Kind::transform) continue;
      uses_.push_back(
          {k, limbs, {limbs, alpha, (limbs + alpha - 1) / alpha, circuit.ring}, splits.shapes[k], splits.shapes[k], 0});
      uses_.back().nanoseconds = nanoseconds(uses_.back(), *uses_.back().now);
    }
    keys_ = splits.keys;
    bytes_ = bytes_of(keys_);
  }

  void run(std::uint64_t most) {
    std::vector<std::int64_t> steps;
    for (const auto& [step, limbs] : keys_.rotations) steps.push_back(step);
    std::vector<std::optional<Change>> changes(steps.size());
    base::parallel_for(steps.size(), [&](std::size_t k) { changes[k] = without(steps[k]); });
    std::priority_queue<Rank, std::vector<Rank>, std::greater<>> queue;
    for (std::size_t k = 0; k < steps.size(); ++k) {
      if (changes[k]) queue.emplace(changes[k]->price, steps[k]);
    }
    while (bytes_ > most && !queue.empty()) {
      const std::int64_t step = queue.top().second;
      queue.pop();
      // Prices only change with what went since, mostly upwards: the cheapest that is still so after another look goes.
      const std::optional<Change> change = without(step);
      if (!change) continue;
      if (queue.empty() || change->price <= queue.top().first) apply(*change);
      if (keys_.rotations.contains(step)) queue.emplace(change->price, step);
    }
    for (const Use& use : uses_) splits_.shapes[use.operation] = use.now;
    splits_.keys = keys_;
  }

 private:
  using Rank = std::pair<double, std::int64_t>;  // price, step
  struct Use {
    std::size_t operation = 0;
    std::uint32_t limbs = 0;
    ckks::SwitchSize size;
    ShapePtr direct, now;
    double nanoseconds = 0;
  };
  /// What one key less makes of the transforms that use it.
  struct Change {
    std::vector<std::pair<std::size_t, ShapePtr>> shapes;  ///< by use
    plan::KeyRequest keys;
    double price = 0;  ///< nanoseconds for a byte
  };

  double nanoseconds(const Use& use, const ckks::TransformShape& shape) const {
    const Operation& operation = circuit_.operations[use.operation];
    const auto work = shape.cost(use.size, operation.drops, operation.diagonals->period());
    return transform_nanoseconds(cost_, circuit_.log2_degree, work, use.size, {1, 1});
  }

  std::uint64_t bytes_of(const plan::KeyRequest& keys) const {
    return compile::bytes_of(keys, splits_.limbs[0], digit_limbs_, circuit_.log2_degree);
  }

  static bool needs(const Use& use, std::int64_t step) {
    const auto& steps = use.now->rotation_steps();
    return std::binary_search(steps.begin(), steps.end(), step);
  }

  /// Without the key of a step at its most limbs; nothing where some rotation cannot be composed then.
  std::optional<Change> without(std::int64_t step) const {
    const auto found = keys_.rotations.find(step);
    if (found == keys_.rotations.end()) return std::nullopt;
    const auto fold = folds_.rotations.find(step);
    std::uint32_t left = fold == folds_.rotations.end() ? 0 : fold->second;
    if (left == found->second) return std::nullopt;
    for (const Use& use : uses_) {
      if (use.limbs < found->second && needs(use, step)) left = std::max(left, use.limbs);
    }
    plan::KeyRequest keys = keys_;
    keys.rotations[step] = left;
    Change out;
    double more = 0;
    for (std::size_t u = 0; u < uses_.size(); ++u) {
      const Use& use = uses_[u];
      if (use.limbs <= left || !needs(use, step)) continue;
      std::vector<std::int64_t> there;
      for (const auto& [key, limbs] : keys.rotations) {
        if (limbs >= use.limbs) there.push_back(key);
      }
      auto shape = use.direct->composed(there);
      if (!shape) return std::nullopt;
      out.shapes.emplace_back(u, std::make_shared<const ckks::TransformShape>(*std::move(shape)));
      more += nanoseconds(use, *out.shapes.back().second) - use.nanoseconds;
    }
    out.keys = used(out.shapes);
    const std::uint64_t bytes = bytes_of(out.keys);
    if (bytes >= bytes_) return std::nullopt;
    out.price = more / static_cast<double>(bytes_ - bytes);
    return out;
  }

  /// The keys of all transforms, with these shapes of some, and of folds.
  plan::KeyRequest used(const std::vector<std::pair<std::size_t, ShapePtr>>& shapes) const {
    plan::KeyRequest out = folds_;
    auto other = shapes.begin();
    for (std::size_t u = 0; u < uses_.size(); ++u) {
      const bool changed = other != shapes.end() && other->first == u;
      const ShapePtr& shape = changed ? (other++)->second : uses_[u].now;
      plan::add_keys(out, *shape, uses_[u].limbs, uses_[u].limbs - circuit_.operations[uses_[u].operation].drops);
    }
    return out;
  }

  void apply(const Change& change) {
    for (const auto& [u, shape] : change.shapes) {
      uses_[u].now = shape;
      uses_[u].nanoseconds = nanoseconds(uses_[u], *shape);
    }
    keys_ = change.keys;
    bytes_ = bytes_of(keys_);
  }

  const Circuit& circuit_;
  Splits& splits_;
  int digit_limbs_;
  CostModel cost_;
  plan::KeyRequest folds_, keys_;
  std::uint64_t bytes_ = 0;
  std::vector<Use> uses_;
};

}  // namespace

std::uint64_t key_bytes(const Circuit& circuit, const Splits& splits, int digit_limbs) {
  return bytes_of(splits.keys, splits.limbs[0], digit_limbs, circuit.log2_degree);
}

Splits with_fewer_keys(const Circuit& circuit, Splits splits, int digit_limbs, const CostModel& cost,
                       std::uint64_t bytes) {
  Reduction(circuit, splits, digit_limbs, cost).run(bytes);
  price_transforms(circuit, digit_limbs, cost, splits);
  return splits;
}

}  // namespace obscura::compile
