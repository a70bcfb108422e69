// SPDX-License-Identifier: Apache-2.0
// Functions that a network spells in several operators, found by their values.
#include <algorithm>
#include <cmath>
#include <optional>

#include "nn/simplify.h"

namespace obscura::nn {
namespace {

using Kind = approx::Function::Kind;

constexpr int kMaxNodes = 24;   ///< that a spelling has
constexpr int kPoints = 65;     ///< at which values are compared
constexpr double kReach = 8;    ///< of the points
constexpr double kNear = 2e-5;  ///< constants of the file are floats
using Samples = std::vector<double>;

Samples points() {
  Samples x;
  for (int k = 0; k < kPoints; ++k) x.push_back(kReach * (2.0 * k / (kPoints - 1) - 1));
  return x;
}

/// What spellings may turn out to be.
struct Candidate {
  approx::Function function;
  Samples values;
};

std::vector<Candidate> candidates() {
  std::vector<Candidate> all;
  for (const Kind kind : {Kind::swish, Kind::mish, Kind::gelu, Kind::gelu_tanh, Kind::hard_swish, Kind::softplus,
                          Kind::sigmoid, Kind::tanh, Kind::softsign, Kind::elu}) {
    Candidate candidate{approx::default_of(kind), points()};
    for (double& x : candidate.values) x = approx::value(candidate.function, x);
    all.push_back(std::move(candidate));
  }
  // x sigmoid(1.702 x), which some call GELU.
  Candidate quick{approx::default_of(Kind::swish), points()};
  quick.function.beta = 1.702;
  for (double& x : quick.values) x = approx::value(quick.function, x);
  all.push_back(std::move(quick));
  return all;
}

class Namer {
 public:
  explicit Namer(Graph& graph) : graph_(graph), makers_(makers_of(graph)), candidates_(candidates()) {}

  void run() {
    for (Node& node : graph_.nodes) {
      const bool last = node.op == Op::mul || node.op == Op::add || node.op == Op::function;
      if (last) name(node);
    }
  }

 private:
  bool scalar(ValueId id) const { return graph_.values[id].constant && graph_.values[id].constant->data.size() == 1; }

  /// Elementwise on one value, beside constants of one number.
  bool elementwise(const Node& node) const {
    if (node.op == Op::function) return true;
    if (node.op != Op::add && node.op != Op::mul && node.op != Op::pow) return false;
    const Shape& shape = graph_.values[node.output].shape;
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
      return graph_.values[id].constant ? scalar(id) : graph_.values[id].shape == shape;
    });
  }

  /// The values that `node` may be a function of, the nearest first; and whether a function is among the nodes between.
  std::vector<ValueId> ancestors(const Node& node) const {
    std::vector<ValueId> found;
    std::vector<const Node*> open = {&node};
    for (std::size_t i = 0; i < open.size() && open.size() <= kMaxNodes; ++i) {
      for (const ValueId id : open[i]->inputs) {
        if (graph_.values[id].constant || std::find(found.begin(), found.end(), id) != found.end()) continue;
        found.push_back(id);
        if (makers_[id] != nullptr && elementwise(*makers_[id])) open.push_back(makers_[id]);
      }
    }
    return found;
  }

  /// Values of `id` where those of `root` are the points; nothing where it is no function of root alone.
  std::optional<Samples> samples(ValueId id, ValueId root, int& budget, bool& has_function) const {
    if (id == root) return points();
    if (scalar(id)) return Samples(kPoints, graph_.values[id].constant->data[0]);
    const Node* maker = makers_[id];
    if (maker == nullptr || graph_.values[id].constant || !elementwise(*maker) || --budget < 0) return std::nullopt;
    auto a = samples(maker->inputs[0], root, budget, has_function);
    if (!a) return std::nullopt;
    if (maker->op == Op::function) {
      has_function = true;
      for (double& v : *a) v = approx::value(maker->attributes.function, v);
      return a;
    }
    const auto b = samples(maker->inputs[1], root, budget, has_function);
    if (!b) return std::nullopt;
    for (std::size_t k = 0; k < a->size(); ++k) {
      double& v = (*a)[k];
      v = maker->op == Op::add ? v + (*b)[k] : maker->op == Op::mul ? v * (*b)[k] : std::pow(v, (*b)[k]);
    }
    return a;
  }

  void name(Node& node) {
    if (!elementwise(node)) return;
    for (const ValueId root : ancestors(node)) {
      int budget = kMaxNodes;
      bool has_function = false;
      const auto values = samples(node.output, root, budget, has_function);
      // A node that is a function already has its name.
      const bool single = node.op == Op::function && node.inputs[0] == root;
      if (!values || !has_function || single) continue;
      for (const Candidate& candidate : candidates_) {
        if (!same(*values, candidate.values)) continue;
        node.op = Op::function;
        node.inputs = {root};
        node.attributes = Attributes();
        node.attributes.function = candidate.function;
        return;
      }
    }
  }

  static bool same(const Samples& a, const Samples& b) {
    for (std::size_t k = 0; k < a.size(); ++k) {
      if (!(std::abs(a[k] - b[k]) <= kNear * (1 + std::abs(b[k])))) return false;
    }
    return true;
  }

  Graph& graph_;
  std::vector<const Node*> makers_;
  std::vector<Candidate> candidates_;
};

}  // namespace

void name_functions(Graph& graph) {
  Namer(graph).run();
  leave_out_unused(graph);
}

}  // namespace obscura::nn
