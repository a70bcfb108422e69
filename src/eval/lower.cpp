// SPDX-License-Identifier: Apache-2.0
#include "eval/lower.h"

#include <algorithm>
#include <cmath>
#include <oneapi/dnnl/dnnl.hpp>

#include "eval/onednn.h"
#include "nn/broadcast.h"

namespace obscura::eval {
namespace {

using nn::Op;

/// Values of a chunk of images that together fill half of a core's cache of the second level: a step's input and
/// output.
constexpr std::size_t kChunkBytes = 512 << 10;
constexpr std::size_t kMaxChunk = 16;

bool is_activation(Op op) { return (op >= Op::relu && op <= Op::max_pool) || op == Op::lrn; }

bool takes_relu_form(Op op) { return op == Op::relu || op == Op::leaky_relu || op == Op::max_pool; }

Result<void> check_substitution(const nn::Graph& graph, const Substitution& substitution) {
  for (const auto& [index, activation] : substitution) {
    if (index >= graph.nodes.size()) {
      return error(Code::unsupported, "a polynomial for node {}, but network {} has {} nodes", index, graph.name,
                   graph.nodes.size());
    }
    const nn::Node& node = graph.nodes[index];
    if (!is_activation(node.op)) {
      return error(Code::unsupported, "node '{}': {} has no activation that a polynomial could stand for", node.name,
                   nn::to_string(node.op));
    }
    if (activation.form == approx::Activation::Form::relu && !takes_relu_form(node.op)) {
      return error(Code::unsupported, "node '{}': {} takes a polynomial of the direct form, not of the relu form",
                   node.name, nn::to_string(node.op));
    }
    if (activation.composite.stages.empty()) {
      return error(Code::unsupported, "node '{}': its polynomial has no stages", node.name);
    }
  }
  return {};
}

Affine affine_of(const nn::Graph& graph, const nn::Node& node) {
  const auto parameter = [&](std::size_t i) -> const std::vector<float>& {
    return graph.values[node.inputs[i]].constant->data;
  };
  Affine out;
  for (std::size_t c = 0; c < parameter(1).size(); ++c) {
    const double factor = parameter(1)[c] / std::sqrt(static_cast<double>(parameter(4)[c]) + node.attributes.epsilon);
    out.factor.push_back(factor);
    out.shift.push_back(parameter(2)[c] - factor * parameter(3)[c]);
  }
  return out;
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
  const std::vector<float>& constant(nn::ValueId id) const { return graph_.values[id].constant->data; }

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
    Planned planned;
    planned.node = n;
    planned.noise.push_back({n, {}});
    nn::ValueId output = node.output;
    if (node.op == Op::conv) {
      const auto after = normalization_after(n);
      Affine affine;
      if (after) {
        affine = affine_of(graph_, graph_.nodes[*after]);
        output = graph_.nodes[*after].output;
        folded_.resize(std::max(folded_.size(), *after + 1), false);
        folded_[*after] = true;
        planned.noise = {{n, affine.factor}, {*after, {}}};
        planned.node = *after;
      }
      planned.step = convolution(node, affine, layouts_[output]);
    } else {
      planned.step = step_of(n);
    }
    planned.activation = is_activation(node.op);
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

  StepPtr convolution(const nn::Node& node, const Affine& affine, const Layout& to) const {
    const std::vector<float>& given = constant(node.inputs[1]);
    const auto channels = static_cast<std::size_t>(shape(node.inputs[1])[0]);
    const std::size_t row = given.size() / channels;
    std::vector<float> weights(given.size());
    std::vector<float> bias(channels);
    for (std::size_t c = 0; c < channels; ++c) {
      const double factor = affine.factor.empty() ? 1 : affine.factor[c];
      const double shift = affine.shift.empty() ? 0 : affine.shift[c];
      const double own = node.inputs.size() > 2 ? constant(node.inputs[2])[c] : 0;
      bias[c] = static_cast<float>(factor * own + shift);
      for (std::size_t i = c * row; i < (c + 1) * row; ++i) weights[i] = static_cast<float>(factor * given[i]);
    }
    return make_convolution(node.attributes, shape(node.inputs[1]), weights, bias, layouts_[node.inputs[0]], to,
                            program_.chunk);
  }

  StepPtr dense(const nn::Node& node) const {
    const nn::Attributes& a = node.attributes;
    const std::vector<float>& given = constant(node.inputs[1]);
    const std::size_t outputs = layouts_[node.output].size();
    const std::size_t inputs = given.size() / outputs;
    std::vector<float> weights(given.size());
    std::vector<float> bias(outputs);
    for (std::size_t o = 0; o < outputs; ++o) {
      for (std::size_t i = 0; i < inputs; ++i) {
        weights[o * inputs + i] = a.alpha * given[a.transpose_b ? o * inputs + i : i * outputs + o];
      }
      if (node.inputs.size() > 2) bias[o] = a.beta * constant(node.inputs[2])[o];
    }
    return make_dense(weights, bias, program_.chunk);
  }

  Operand operand(nn::ValueId id, nn::ValueId result) const {
    const nn::Value& value = graph_.values[id];
    const Layout& to = layouts_[result];
    Operand out;
    out.layout = layouts_[id];
    if (!value.constant && value.shape == shape(result)) return out;
    const std::vector<std::uint32_t> index = nn::broadcast_index(value, shape(result));
    if (value.constant) {
      out.constant.resize(index.size());
      for (std::size_t e = 0; e < index.size(); ++e) out.constant[to.at(e)] = value.constant->data[index[e]];
    } else {
      out.index.resize(index.size());
      for (std::size_t e = 0; e < index.size(); ++e) {
        out.index[to.at(e)] = static_cast<std::uint32_t>(out.layout.at(index[e]));
      }
    }
    return out;
  }

  StepPtr concat(const nn::Node& node) const {
    std::vector<Move> moves;
    std::int64_t channel = 0;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      Move move;
      move.from = layouts_[node.inputs[i]];
      move.input = i;
      move.place = {channel, 0, 0};
      move.size = {static_cast<std::int64_t>(move.from.channels), static_cast<std::int64_t>(move.from.height),
                   static_cast<std::int64_t>(move.from.width)};
      channel += move.size[0];
      moves.push_back(move);
    }
    return make_moves(std::move(moves), layouts_[node.output]);
  }

  StepPtr slice_or_pad(const nn::Node& node) const {
    const Layout& from = layouts_[node.inputs[0]];
    const Layout& to = layouts_[node.output];
    const Layout& box = node.op == Op::slice ? to : from;
    Move move;
    move.from = from;
    move.size = {static_cast<std::int64_t>(box.channels), static_cast<std::int64_t>(box.height),
                 static_cast<std::int64_t>(box.width)};
    if (node.op == Op::slice) {
      move.start = node.attributes.starts;
      move.step = node.attributes.steps;
    } else {
      move.place = node.attributes.pads_before;
    }
    return make_moves({move}, to);
  }

  StepPtr step_of(std::size_t n) const {
    const nn::Node& node = graph_.nodes[n];
    const nn::Attributes& a = node.attributes;
    const Layout& from = layouts_[node.inputs[0]];
    const Layout& to = layouts_[node.output];
    const auto found = substitution_.find(n);
    const approx::Activation* substitution = found == substitution_.end() ? nullptr : &found->second;
    switch (node.op) {
      case Op::batch_normalization:
        return make_affine(affine_of(graph_, node), to);
      case Op::average_pool:
        return make_average_pool(a, from, to);
      case Op::global_average_pool: {
        nn::Attributes whole;
        whole.kernel = {static_cast<std::int64_t>(from.height), static_cast<std::int64_t>(from.width)};
        return make_average_pool(whole, from, to);
      }
      case Op::gemm:
        return dense(node);
      case Op::flatten:
      case Op::identity:
        return make_reshape(from, to);
      case Op::add:
      case Op::mul:
        return make_binary(node.op, operand(node.inputs[0], node.output), operand(node.inputs[1], node.output), to);
      case Op::pow:
        return make_power(constant(node.inputs[1])[0], to);
      case Op::max_pool:
        return make_max_pool(a, substitution, from, to);
      case Op::concat:
        return concat(node);
      case Op::slice:
      case Op::pad:
        return slice_or_pad(node);
      case Op::lrn:
        return make_lrn(a, substitution, to);
      default:
        return make_activation(node.op, a.alpha, substitution, to);
    }
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
