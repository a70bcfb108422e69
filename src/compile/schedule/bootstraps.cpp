// SPDX-License-Identifier: Apache-2.0
#include "compile/schedule/bootstraps.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace obscura::compile {
namespace {

using Kind = Operation::Kind;
using Limbs = std::vector<std::uint32_t>;  // of the values that later operations read, in their order

/// A node of the shortest path, and the path to it.
struct Node {
  Limbs limbs;
  double nanoseconds = 0;
  std::size_t from = 0;            ///< in the layer before
  std::uint32_t bootstrapped = 0;  ///< limbs that are kept of the last operation's bootstrapping; 0: there is none
};

/// Goes through the operations, layer by layer.
class Placer {
 public:
  Placer(const Circuit& circuit, const PlacementLimits& limits, const StepCost& cost, double bootstrap)
      : circuit_(circuit),
        limits_(limits),
        cost_(cost),
        bootstrap_(bootstrap),
        last_use_(circuit.operations.size() + 1, 0) {
    for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
      for (const plan::ValueId id : circuit.operations[k].inputs()) last_use_[id] = k;
    }
    last_use_.back() = circuit.operations.size();
  }

  Result<Placement> run() {
    std::vector<plan::ValueId> live{0};
    layers_.emplace_back();
    for (std::uint32_t limbs = 1; limbs <= limits_.bootstrap_output; ++limbs) layers_[0].push_back({{limbs}, 0, 0, 0});
    for (std::size_t k = 0; k < circuit_.operations.size(); ++k) {
      live = advance(k, live);
      if (layers_.back().empty()) {
        return error(
            Code::infeasible,
            "{}: no bootstrapping leaves the levels that are needed here: it gives {} limbs, and the next needs "
            "{} of them; take polynomials of fewer levels (--alpha 12, or less)",
            circuit_.operations[k].origin, limits_.bootstrap_output, limits_.bootstrap_input);
      }
    }
    return trace();
  }

 private:
  /// Appends the layer after operation k; returns the values that are read after it.
  std::vector<plan::ValueId> advance(std::size_t k, const std::vector<plan::ValueId>& live) {
    const Operation& operation = circuit_.operations[k];
    std::vector<std::size_t> reads, kept;
    std::vector<plan::ValueId> next;
    const std::vector<plan::ValueId> inputs = operation.inputs();
    for (std::size_t i = 0; i < live.size(); ++i) {
      if (std::find(inputs.begin(), inputs.end(), live[i]) != inputs.end()) reads.push_back(i);
      if (last_use_[live[i]] > k) kept.push_back(i), next.push_back(live[i]);
    }
    next.push_back(static_cast<plan::ValueId>(k + 1));
    const std::uint32_t least = k + 1 == circuit_.operations.size() ? limits_.output : 1;
    layers_.emplace_back();
    index_.clear();
    for (std::size_t from = 0; from < layers_[k].size(); ++from) {
      const Node& node = layers_[k][from];
      std::uint32_t before = node.limbs[reads[0]];
      for (const std::size_t i : reads) before = std::min(before, node.limbs[i]);
      if (before < operation.drops + least) continue;
      const std::uint32_t after = before - operation.drops;
      Node fresh{{}, node.nanoseconds + cost_(k, before), from, 0};
      for (const std::size_t i : kept) fresh.limbs.push_back(node.limbs[i]);
      fresh.limbs.push_back(after);
      relax(fresh);
      if (!operation.refreshable || operation.last || after < limits_.bootstrap_input) continue;
      fresh.nanoseconds += operation.ciphertexts * bootstrap_;
      for (std::uint32_t limbs = limits_.bootstrap_output; limbs >= least; --limbs) {
        fresh.limbs.back() = fresh.bootstrapped = limbs;
        relax(fresh);
      }
    }
    return next;
  }

  /// Keeps the cheapest path to each node.
  void relax(const Node& node) {
    std::vector<Node>& layer = layers_.back();
    const auto [found, fresh] = index_.emplace(node.limbs, layer.size());
    if (fresh) {
      layer.push_back(node);
    } else if (node.nanoseconds < layer[found->second].nanoseconds) {
      layer[found->second] = node;
    }
  }

  Placement trace() const {
    Placement out;
    out.after.assign(circuit_.operations.size(), 0);
    out.limbs.assign(circuit_.operations.size(), 0);
    const std::vector<Node>& ends = layers_.back();
    const auto best = std::min_element(ends.begin(), ends.end(),
                                       [](const Node& a, const Node& b) { return a.nanoseconds < b.nanoseconds; });
    out.nanoseconds = best->nanoseconds;
    auto at = static_cast<std::size_t>(best - ends.begin());
    for (std::size_t k = circuit_.operations.size(); k-- > 0;) {
      out.limbs[k] = layers_[k + 1][at].bootstrapped;
      out.after[k] = out.limbs[k] > 0 ? 1 : 0;
      at = layers_[k + 1][at].from;
    }
    out.input_limbs = layers_[0][at].limbs[0];
    return out;
  }

  const Circuit& circuit_;
  const PlacementLimits& limits_;
  const StepCost& cost_;
  double bootstrap_;
  std::vector<std::size_t> last_use_;      ///< by value
  std::vector<std::vector<Node>> layers_;  ///< before each operation, and at the end
  std::map<Limbs, std::size_t> index_;     ///< of the last layer
};

}  // namespace

Result<Placement> place_bootstraps(const Circuit& circuit, const PlacementLimits& limits, const StepCost& cost,
                                   double bootstrap_nanoseconds) {
  return Placer(circuit, limits, cost, bootstrap_nanoseconds).run();
}

Circuit with_bootstraps(const Circuit& circuit, const Placement& placement) {
  Circuit out = circuit;
  out.operations.clear();
  std::vector<plan::ValueId> now{0};  ///< the value that replaces each old one
  for (std::size_t k = 0; k < circuit.operations.size(); ++k) {
    Operation operation = circuit.operations[k];
    operation.input = now[operation.input];
    operation.other = now[operation.other];
    for (Operation::Addend& addend : operation.addends) addend.value = now[addend.value];
    out.operations.push_back(std::move(operation));
    if (placement.after[k]) {
      const Operation& before = out.operations.back();
      Operation bootstrap;
      bootstrap.kind = Kind::bootstrap;
      bootstrap.input = static_cast<plan::ValueId>(out.operations.size());
      bootstrap.ciphertexts = before.ciphertexts;
      bootstrap.layout = before.layout;
      bootstrap.origin = before.origin;
      bootstrap.point = before.point;
      bootstrap.factor = before.factor;
      bootstrap.raised = placement.limbs[k];
      out.operations.push_back(std::move(bootstrap));
    }
    now.push_back(static_cast<plan::ValueId>(out.operations.size()));
  }
  return out;
}

}  // namespace obscura::compile
