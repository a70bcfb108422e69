// SPDX-License-Identifier: Apache-2.0
// Functions that a network spells in several operators, found by their values.
#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "nn/simplify.h"

namespace obscura::nn {
namespace {

using Kind = approx::Function::Kind;

constexpr int kMaxNodes = 16;          ///< that a spelling has
constexpr std::size_t kPoints = 65;    ///< at which values are compared
constexpr std::size_t kFewPoints = 4;  ///< the first of them, which tell most spellings apart
constexpr double kReach = 8;           ///< of the points
constexpr double kNear = 2e-5;         ///< constants of the file are floats
using Samples = std::array<double, kPoints>;

/// Points of [-8, 8], those first that lie far apart: the k-th is at 29 k mod 65 of the way.
Samples points() {
  Samples x{};
  constexpr std::size_t kStep = 29;
  for (std::size_t k = 0; k < kPoints; ++k) {
    x[k] = kReach * (2.0 * static_cast<double>((k + 1) * kStep % kPoints) / (kPoints - 1) - 1);
  }
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
    all.push_back(candidate);
  }
  // x sigmoid(1.702 x), which some call GELU.
  Candidate quick{approx::default_of(Kind::swish), points()};
  quick.function.beta = 1.702;
  for (double& x : quick.values) x = approx::value(quick.function, x);
  all.push_back(quick);
  return all;
}

class Namer {
 public:
  explicit Namer(Graph& graph) : graph_(graph), makers_(makers_of(graph)), candidates_(candidates()) {}

  void run() {
    for (Node& node : graph_.nodes) {
      const bool last = node.op == Op::mul || node.op == Op::add || ends_a_spelling(node);
      if (last) name(node);
    }
  }

 private:
  /// 1 / (1 + e^-x) and log(1 + e^x) end in a function.
  static bool ends_a_spelling(const Node& node) {
    const Kind kind = node.attributes.function.kind;
    return node.op == Op::function && (kind == Kind::reciprocal || kind == Kind::log || kind == Kind::power);
  }

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

  /// Values of `id` where those of `root` are the first points; false where it is no function of root alone.
  bool sample(ValueId id, ValueId root, std::span<double> out, int& budget, bool& has_function) const {
    if (id == root) {
      std::copy_n(points_.begin(), out.size(), out.begin());
      return true;
    }
    if (scalar(id)) {
      std::fill(out.begin(), out.end(), graph_.values[id].constant->data[0]);
      return true;
    }
    const Node* maker = makers_[id];
    if (maker == nullptr || graph_.values[id].constant || !elementwise(*maker) || --budget < 0) return false;
    if (!sample(maker->inputs[0], root, out, budget, has_function)) return false;
    if (maker->op == Op::function) {
      has_function = true;
      for (double& v : out) v = approx::value(maker->attributes.function, v);
      return true;
    }
    Samples other;
    const std::span<double> b(other.data(), out.size());
    if (!sample(maker->inputs[1], root, b, budget, has_function)) return false;
    for (std::size_t k = 0; k < out.size(); ++k) {
      double& v = out[k];
      v = maker->op == Op::add ? v + b[k] : maker->op == Op::mul ? v * b[k] : std::pow(v, b[k]);
    }
    return true;
  }

  /// What the output of `node` is as a function of root, by so many points.
  const Candidate* candidate(const Node& node, ValueId root, std::size_t count) const {
    Samples values;
    const std::span<double> some(values.data(), count);
    int budget = kMaxNodes;
    bool has_function = false;
    if (!sample(node.output, root, some, budget, has_function) || !has_function) return nullptr;
    const auto found =
        std::find_if(candidates_.begin(), candidates_.end(), [&](const Candidate& c) { return same(some, c.values); });
    return found == candidates_.end() ? nullptr : &*found;
  }

  void name(Node& node) {
    if (!elementwise(node)) return;
    for (const ValueId root : ancestors(node)) {
      // A node that is a function already has its name.
      if (node.op == Op::function && node.inputs[0] == root) continue;
      if (candidate(node, root, kFewPoints) == nullptr) continue;
      const Candidate* is = candidate(node, root, kPoints);
      if (is == nullptr) continue;
      node.op = Op::function;
      node.inputs = {root};
      node.attributes = Attributes();
      node.attributes.function = is->function;
      return;
    }
  }

  static bool same(std::span<const double> a, const Samples& b) {
    for (std::size_t k = 0; k < a.size(); ++k) {
      if (!(std::abs(a[k] - b[k]) <= kNear * (1 + std::abs(b[k])))) return false;
    }
    return true;
  }

  Graph& graph_;
  std::vector<const Node*> makers_;
  std::vector<Candidate> candidates_;
  Samples points_ = points();
};

}  // namespace

void name_functions(Graph& graph) {
  Namer(graph).run();
  leave_out_unused(graph);
}

}  // namespace obscura::nn
