// SPDX-License-Identifier: Apache-2.0
#include "compile/readiness.h"

#include <algorithm>
#include <set>

#include "ckks/params.h"
#include "compile/front/layers.h"
#include "compile/front/walk.h"
#include "compile/layout/candidates.h"
#include "compile/measure/intervals.h"
#include "nn/operators.h"

namespace obscura::compile {
namespace {

constexpr std::uint32_t kMostSlots = std::uint32_t{1} << (ckks::kMaxLog2Degree - 1);

/// Maps that are but their number of elements.
class Atoms final : public Maps {
 public:
  explicit Atoms(const nn::Graph& graph) : graph_(graph) {}

  Result<AffinePtr> apply(const nn::Node& node, const AffinePtr&) override { return atom(node); }
  AffinePtr concatenate(const nn::Node& node, const std::vector<AffinePtr>&) override { return atom(node); }
  AffinePtr repeat(const nn::Node& node, std::size_t, const AffinePtr&) override { return atom(node); }
  AffinePtr sum(const nn::Node& node, const std::vector<AffinePtr>&) override { return atom(node); }

  AffinePtr product(const nn::Node& node, const AffinePtr&, const AffinePtr&) override {
    note(fmt::format("{}: two values are multiplied in the image layout only", describe(node)));
    products_.insert(node.output);
    return atom(node);
  }

  Result<AffinePtr> activate(const nn::Node&, AffinePtr x, PolynomialActivation activation) override {
    if (is_unbounded(activation)) {
      note(fmt::format("the polynomial of degree {} ({}) is evaluated in the image layout only",
                       degree(activation.coefficients), activation.origin));
      return of(x->elements);
    }
    OBSCURA_TRY_VOID(check_squares(activation, Quartics::plain));
    const auto squared = check_squares(activation, Quartics::squared);
    if (!squared.ok()) note(squared.error().message);
    return of(x->elements);
  }

  AffinePtr maximum(const nn::Node& node, const AffinePtr&, const PolynomialActivation&) override { return atom(node); }

  AffinePtr atom(const nn::Node& node) {
    return of(static_cast<std::uint32_t>(nn::element_count(graph_.values[node.output].shape)));
  }
  /// Why some polynomial is not for batches; "" where none is.
  const std::string& image_only() const { return image_only_; }
  /// Whether a node multiplies two values that are no polynomials of the same one.
  bool multiplies(const nn::Node& node) const { return products_.contains(node.output); }

 private:
  void note(const std::string& why) {
    if (image_only_.empty()) image_only_ = why;
  }
  AffinePtr of(std::uint32_t elements) { return std::make_shared<const Affine>(Affine{++atoms_, {}, elements}); }

  const nn::Graph& graph_;
  std::size_t atoms_ = 0;
  std::string image_only_;
  std::set<nn::ValueId> products_;
};

/// What an exact node is, whose output is a polynomial of this degree in what came before.
std::string form_of(const nn::Node& node, std::size_t degree) {
  if (degree > 1) return fmt::format("polynomial of degree {}", degree);
  switch (nn::row(node.op).role) {
    case nn::Role::move:
      return "moves elements";
    case nn::Role::affine:
      return "factor and shift";
    case nn::Role::activation:
      return "straight line";
    default:
      return "linear";
  }
}

std::optional<std::string> too_large(const nn::Graph& graph, const nn::Node& node) {
  const nn::Shape& shape = graph.values[node.output].shape;
  if (nn::element_count(shape) <= plan::kMaxLayoutElements) return std::nullopt;
  return fmt::format(
      "{}: it gives {}, {} numbers for one image; at most {} fit into the ciphertexts of a value: train the network on "
      "smaller images, or with fewer channels or larger strides",
      describe(node), nn::to_string(shape), nn::element_count(shape), plan::kMaxLayoutElements);
}

/// One node after the other.
class Classifier {
 public:
  explicit Classifier(const nn::Graph& graph) : graph_(graph), maps_(graph), walk_(graph, kNone, maps_) {}

  Readiness run() {
    out_.nodes.assign(graph_.nodes.size(), {});
    const auto live = live_nodes(graph_);
    for (const nn::Node* node : live) classify(*node);
    if (!live.empty() && standing(*live.back()) != Standing::never) {
      const auto output = walk_.affine(*live.back(), graph_.output);
      if (!output.ok()) refuse(*live.back(), output.error().message);
    }
    out_.image_only = maps_.image_only();
    return std::move(out_);
  }

 private:
  NodeReadiness& of(const nn::Node& node) { return out_.nodes[static_cast<std::size_t>(&node - graph_.nodes.data())]; }
  Standing standing(const nn::Node& node) { return of(node).standing; }

  void classify(const nn::Node& node) {
    if (const auto why = too_large(graph_, node)) return refuse(node, *why);
    if (needs_approximation(node)) return approximate(node);
    const auto followed = walk_.follow(node);
    if (!followed.ok()) return refuse(node, followed.error().message);
    of(node).form =
        maps_.multiplies(node) ? "product of two values" : form_of(node, walk_.degree_of(node.output).value_or(1));
  }

  void approximate(const nn::Node& node) {
    const auto x = walk_.affine(node, node.inputs[0]);
    if (!x.ok()) return refuse(node, x.error().message);
    const std::string near = node.op == nn::Op::max_pool ? "maxima by a polynomial near relu"
                                                         : "polynomial near " + approx::name(node.attributes.function);
    of(node) = {Standing::approximation, near, fmt::format("{}: {}", describe(node), way_out(node))};
    walk_.hold_atom(node, maps_.atom(node));
  }

  void refuse(const nn::Node& node, const std::string& why) {
    of(node) = {Standing::never, "-", why};
    walk_.hold_atom(node, maps_.atom(node));
  }

  static inline const Approximations kNone = {};
  const nn::Graph& graph_;
  Atoms maps_;
  Walk walk_;
  Readiness out_;
};

std::optional<std::string> image_too_large(const nn::Graph& graph) {
  const nn::Shape& input = graph.values[graph.input].shape;
  if (nn::element_count(input) <= plan::kMaxLayoutElements) return std::nullopt;
  return fmt::format("images of {} are {} numbers; at most {} can be encrypted: train the network on smaller ones",
                     nn::to_string(input), nn::element_count(input), plan::kMaxLayoutElements);
}

std::optional<std::string> too_many_products(const nn::Graph& graph) {
  std::uint64_t sum = 0, most = 0;
  const nn::Node* largest = nullptr;
  for (const nn::Node* node : live_nodes(graph)) {
    const std::uint64_t own = multiply_adds(graph, *node);
    sum += own;
    if (own < most) continue;
    most = own;
    largest = node;
  }
  if (sum <= kMaxMultiplyAdds) return std::nullopt;
  return fmt::format(
      "its layers take {:.3g} products for one image, of which {} takes {:.3g}; as matrices at most {:.3g} can be "
      "held: "
      "train the network on smaller images, or with fewer channels or larger strides",
      static_cast<double>(sum), describe(*largest), static_cast<double>(most), static_cast<double>(kMaxMultiplyAdds));
}

/// "3 Relu, 1 Sigmoid"
std::string functions_of(const nn::Graph& graph, const Readiness& readiness) {
  std::map<std::string, std::size_t> counts;
  for (std::size_t k = 0; k < graph.nodes.size(); ++k) {
    if (readiness.nodes[k].standing == Standing::approximation) ++counts[nn::operator_name(graph.nodes[k])];
  }
  std::vector<std::string> parts;
  parts.reserve(counts.size());
  for (const auto& [name, count] : counts) parts.push_back(fmt::format("{} {}", count, name));
  return join(parts);
}

bool fits_slots(const nn::Graph& graph) {
  return make_grid(graph.values[graph.input].shape, kMostSlots, 1).has_value();
}

std::string needs_slots(const nn::Graph& graph, const std::string& image_only) {
  const nn::Shape& input = graph.values[graph.input].shape;
  return fmt::format(
      "{}; and there a plane of images of {}, which has {} pixels, does not fit the {} slots of the largest "
      "ciphertext: "
      "train the network on smaller images",
      image_only, nn::to_string(input), input[1] * input[2], kMostSlots);
}

void conclude(const nn::Graph& graph, Readiness& out) {
  const auto find = [&](Standing standing) {
    return std::find_if(out.nodes.begin(), out.nodes.end(), [&](const auto& n) { return n.standing == standing; });
  };
  const auto never = find(Standing::never);
  const bool functions = find(Standing::approximation) != out.nodes.end();
  const auto refuse = [&](const std::string& why) {
    out.verdict = Verdict::never;
    out.sentence = "cannot be compiled: " + why;
  };
  if (const auto why = image_too_large(graph)) {
    refuse(*why);
  } else if (never != out.nodes.end()) {
    out.obstacle = static_cast<std::size_t>(never - out.nodes.begin());
    refuse(never->why);
  } else if (const auto products = too_many_products(graph)) {
    refuse(*products);
  } else if (!out.image_only.empty() && !fits_slots(graph)) {
    refuse(needs_slots(graph, out.image_only));
  } else if (functions) {
    out.verdict = Verdict::options;
    out.sentence = fmt::format(
        "compiles{} with polynomials in place of {}: --batch 1 --calibrate DATASET, or a larger batch where a secure "
        "modulus holds their levels (how near they come: --max-loss, or one of --alpha, --depth and --products)",
        out.image_only.empty() ? "" : " for single images", functions_of(graph, out));
  } else {
    out.sentence = "compiles as it is";
    if (!out.image_only.empty()) out.sentence += ", for single images (--layout image --batch 1): " + out.image_only;
  }
}

}  // namespace

Readiness readiness(const nn::Graph& graph) {
  Readiness out = Classifier(graph).run();
  conclude(graph, out);
  return out;
}

Result<void> require_ready(const nn::Graph& graph, LayoutChoice layout, bool approximated) {
  const Readiness found = readiness(graph);
  const auto refused = [&](const std::string& why) {
    return error(Code::unsupported, "network '{}': {}", graph.name, why);
  };
  if (found.verdict == Verdict::never) {
    if (found.obstacle) return error(Code::unsupported, "{}", found.nodes[*found.obstacle].why);
    return refused(found.sentence);
  }
  for (const NodeReadiness& node : found.nodes) {
    if (node.standing == Standing::approximation && !approximated) return error(Code::unsupported, "{}", node.why);
  }
  if (layout != LayoutChoice::batch || found.image_only.empty()) return {};
  return refused(found.image_only + " (--layout image)");
}

}  // namespace obscura::compile
