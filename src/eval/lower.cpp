// SPDX-License-Identifier: Apache-2.0
#include "eval/lower.h"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>

#include "eval/onednn.h"
#include "nn/operators.h"

namespace obscura::eval {
namespace {

using nn::Op;

/// Values of a chunk of images that together fill half of a core's cache of the second level: a step's input and
/// output.
constexpr std::size_t kChunkBytes = 512 << 10;
constexpr std::size_t kMaxChunk = 16;

Result<void> check_substitution(const nn::Graph& graph, const Substitution& substitution) {
  for (const auto& [index, activation] : substitution) {
    if (index >= graph.nodes.size()) {
      return error(Code::unsupported, "a polynomial for node {}, but network {} has {} nodes", index, graph.name,
                   graph.nodes.size());
    }
    const nn::Node& node = graph.nodes[index];
    if (!is_activation(node)) {
      return error(Code::unsupported, "{} has no activation that a polynomial could stand for", nn::describe(node));
    }
    if (activation.form == approx::Activation::Form::relu && !takes_relu(node)) {
      return error(Code::unsupported, "{} takes a polynomial of the direct form, not of the relu form",
                   nn::describe(node));
    }
    if (activation.composite.stages.empty()) {
      return error(Code::unsupported, "{}: its polynomial has no stages", nn::describe(node));
    }
  }
  return {};
}

class Lowering {
 public:
  Lowering(const nn::Graph& graph, const Substitution& substitution)
      : graph_(graph), substitution_(substitution), native_(native_block()), readers_(graph.values.size(), 0) {
    std::size_t largest = 0;
    for (const nn::Value& value : graph.values) {
      layouts_.push_back(value.constant ? Layout{} : layout_of(value.shape, native_));
      largest = std::max(largest, layouts_.back().size());
    }
    program_.chunk = std::clamp(kChunkBytes / (largest * sizeof(float)), std::size_t{1}, kMaxChunk);
    for (const nn::Node& node : graph.nodes) {
      for (const nn::ValueId id : node.inputs) ++readers_[id];
    }
    ++readers_[graph.output];
  }

  Program take() {
    load();
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (folded_.size() <= n) folded_.resize(n + 1, false);
      if (!folded_[n]) lower_node(n);
    }
    store();
    return std::move(program_);
  }

  const std::string& current() const { return current_; }

 private:
  const nn::Shape& shape(nn::ValueId id) const { return graph_.values[id].shape; }

  /// The images come in planar, in buffer 0, which holds nothing else.
  void load() {
    program_.input = layout_of(shape(graph_.input), 1);
    program_.buffers.push_back(program_.input.size());
    buffer_of_.assign(graph_.values.size(), 0);
    remaining_ = readers_;
    buffer_of_[graph_.input] = relayout(0, program_.input, layouts_[graph_.input]);
  }

  /// The logits go out planar.
  void store() {
    const Layout planar = layout_of(shape(graph_.output), 1);
    program_.classes = planar.size();
    program_.output = relayout(buffer_of_[graph_.output], layouts_[graph_.output], planar);
  }

  /// The buffer in which a value stands in another layout: its own where that is the same.
  std::size_t relayout(std::size_t buffer, const Layout& from, const Layout& to) {
    if (from == to) return buffer;
    Planned planned;
    planned.step = make_reshape(from, to);
    planned.node = graph_.nodes.size();
    planned.in = {buffer};
    planned.out = take_buffer(to.size());
    planned.layout = to;
    program_.steps.push_back(std::move(planned));
    return program_.steps.back().out;
  }

  /// The batch normalisation that alone reads the output of convolution n.
  std::optional<std::size_t> normalization_after(std::size_t n) const {
    const nn::ValueId output = graph_.nodes[n].output;
    if (readers_[output] != 1) return std::nullopt;
    for (std::size_t next = n + 1; next < graph_.nodes.size(); ++next) {
      const nn::Node& node = graph_.nodes[next];
      if (node.op == Op::batch_normalization && node.inputs[0] == output) return next;
    }
    return std::nullopt;
  }

  void lower_node(std::size_t n) {
    const nn::Node& node = graph_.nodes[n];
    current_ = node.name;
    const Site site{graph_, node, layouts_, substitution_of(n), program_.chunk};
    Planned planned;
    planned.node = n;
    planned.noise.push_back({n, {}});
    nn::ValueId output = node.output;
    if (node.op == Op::conv) {
      const auto after = normalization_after(n);
      Affine affine;
      if (after) {
        affine = affine_of({graph_, graph_.nodes[*after], layouts_});
        output = graph_.nodes[*after].output;
        folded_.resize(std::max(folded_.size(), *after + 1), false);
        folded_[*after] = true;
        planned.noise = {{n, affine.factor}, {*after, {}}};
        planned.node = *after;
      }
      planned.step = make_convolution_step(site, affine, layouts_[output]);
    } else {
      planned.step = make_step(site);
    }
    planned.activation = is_activation(node);
    planned.substituted = substitution_.contains(n);
    planned.layout = layouts_[output];
    place(node, output, std::move(planned));
  }

  /// Buffers: the output's is taken before those of the inputs that are read for the last time are given back.
  void place(const nn::Node& node, nn::ValueId output, Planned planned) {
    planned.out = take_buffer(planned.layout.size());
    for (const nn::ValueId id : node.inputs) {
      if (graph_.values[id].constant) continue;
      planned.in.push_back(buffer_of_[id]);
    }
    for (const nn::ValueId id : node.inputs) {
      if (!graph_.values[id].constant && --remaining_[id] == 0) give_back(buffer_of_[id]);
    }
    buffer_of_[output] = planned.out;
    if (remaining_[output] == 0) give_back(planned.out);
    program_.scratch_bytes = std::max(program_.scratch_bytes, planned.step->scratch_bytes());
    program_.steps.push_back(std::move(planned));
  }

  void give_back(std::size_t buffer) {
    if (buffer != 0) free_.push_back(buffer);
  }

  /// The one freed last, which is the likeliest to be in a cache.
  std::size_t take_buffer(std::size_t floats) {
    if (free_.empty()) {
      program_.buffers.push_back(floats);
      return program_.buffers.size() - 1;
    }
    const std::size_t buffer = free_.back();
    free_.pop_back();
    program_.buffers[buffer] = std::max(program_.buffers[buffer], floats);
    return buffer;
  }

  const approx::Activation* substitution_of(std::size_t n) const {
    const auto found = substitution_.find(n);
    return found == substitution_.end() ? nullptr : &found->second;
  }

  const nn::Graph& graph_;
  const Substitution& substitution_;
  std::size_t native_;
  std::vector<Layout> layouts_;         ///< by value
  std::vector<std::size_t> readers_;    ///< by value
  std::vector<std::size_t> remaining_;  ///< of them
  std::vector<std::size_t> buffer_of_;  ///< by value
  std::vector<std::size_t> free_;
  std::vector<bool> folded_;  ///< by node
  std::string current_;
  Program program_;
};

}  // namespace

bool is_activation(const nn::Node& node) {
  switch (node.op) {
    case Op::function:
      return !approx::is_affine(node.attributes.function);
    case Op::max_pool:
      return node.attributes.kernel != std::array<std::int64_t, 2>{1, 1};
    default:
      return node.op == Op::lrn;
  }
}

bool takes_relu(const nn::Node& node) {
  return node.op == Op::max_pool ||
         (node.op == Op::function && approx::bent_line(node.attributes.function).has_value());
}

Layout layout_of(const nn::Shape& shape, std::size_t native) {
  Layout layout;
  if (!shape.empty()) layout.channels = static_cast<std::size_t>(shape[0]);
  if (shape.size() > 1) layout.height = static_cast<std::size_t>(shape[1]);
  for (std::size_t d = 2; d < shape.size(); ++d) layout.width *= static_cast<std::size_t>(shape[d]);
  if (layout.area() > 1 && layout.channels % native == 0) layout.block = native;
  return layout;
}

Result<Program> lower(const nn::Graph& graph, const Substitution& substitution) {
  OBSCURA_TRY_VOID(check_substitution(graph, substitution));
  const OneThread one_thread;
  Lowering lowering(graph, substitution);
  try {
    return lowering.take();
  } catch (const dnnl::error& refused) {
    return error(Code::unsupported, "node '{}': oneDNN does not do this: {}", lowering.current(), refused.what());
  }
}

}  // namespace obscura::eval
