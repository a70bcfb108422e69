// SPDX-License-Identifier: Apache-2.0
/// What the import of one ONNX node sees and does; internal to nn. The operators themselves: onnx_operators.h.
#pragma once

#include <onnx/onnx_pb.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "nn/graph.h"
#include "nn/onnx_constants.h"

namespace obscura::nn {

/// A constant of the file, or of a Constant node (tensor), or computed from others (folded): one of the two.
struct KnownConstant {
  const onnx::TensorProto* tensor = nullptr;
  std::shared_ptr<const Constant> folded;
};

/// The graph under construction and the names of the file.
struct ImportState {
  Graph graph;
  std::unordered_map<std::string, ValueId> values;           ///< computed, and constants in use
  std::unordered_map<std::string, KnownConstant> constants;  ///< tensors are converted when used
  std::int64_t constant_elements = 0;                        ///< of all constants in use, and all that were read
  std::unordered_map<std::string, int> readers;              ///< of each name in the file: nodes, and outputs
  std::unordered_set<std::string> value_names;               ///< of the whole file: new ones avoid them
  std::unordered_set<std::string> node_names;                ///< taken so far
  std::string output_name;                                   ///< of the file's output
  std::optional<std::int64_t> batch;                         ///< N where the file fixes it
  std::int64_t opset = 0;
};

/// One node while it is imported. Attributes and inputs are read through it, so that every message names the node,
/// the attribute, the actual and the allowed value.
class NodeImport {
 public:
  NodeImport(ImportState& state, const onnx::NodeProto& node, std::string name)
      : state_(state), node_(node), name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  const std::string& operator_name() const { return node_.op_type(); }
  /// "node 'n' (Conv): ..."
  template <class... Args>
  Error fail(Code code, fmt::format_string<Args...> format, Args&&... args) const {
    return error(code, "node '{}' ({}): {}", name_, node_.op_type(), fmt::format(format, std::forward<Args>(args)...));
  }

  /// The number of inputs, no attribute beyond `attributes`, one new output.
  Result<void> check_form(int min_inputs, int max_inputs, std::span<const char* const> attributes) const;
  bool has_input(int i) const { return i < node_.input_size() && !node_.input(i).empty(); }
  int input_count() const { return node_.input_size(); }
  /// Is the input known when the file is read?
  bool is_constant(int i) const { return has_input(i) && state_.constants.contains(node_.input(i)); }
  /// Has the node inputs, and are all of them constants?
  bool has_constant_inputs_only() const;
  /// The i-th input as a value of the graph; a constant enters the graph on first use.
  Result<ValueId> input(int i) { return input(i, has_input(i) ? node_.input(i) : ""); }
  /// The value of another name of the file, in the place of the i-th input.
  Result<ValueId> input(int i, const std::string& name);
  /// All inputs up to the last one that is present. errors: a gap before it.
  Result<std::vector<ValueId>> inputs();
  /// The constant's numbers. errors: computed or absent.
  Result<Constant> constant(int i);
  /// The same, of integers only (sizes, axes). errors: floats, more than 1024.
  Result<std::vector<std::int64_t>> integer_list(int i);
  /// The axes in attribute "axes", or in the i-th input; nothing where neither is there.
  Result<std::optional<std::vector<std::int64_t>>> axes(int i);
  /// The shape of the i-th input as the file sees it: the number of images first where it is computed.
  Result<Shape> file_shape(int i);
  const std::string& input_name(int i) const { return node_.input(i); }
  const Value& value(ValueId id) const { return state_.graph.values[id]; }
  /// N where the file fixes it.
  std::optional<std::int64_t> fixed_batch() const { return state_.batch; }
  std::int64_t opset() const { return state_.opset; }
  /// Is the node's output the file's output, and read by nothing else?
  bool gives_the_output_only() const;
  /// Is x the image, and this node all that reads it? Then set_image_shape may say how images are laid out.
  bool is_only_reader_of_the_image(ValueId x) const;
  void set_image_shape(Shape shape) { state_.graph.values[state_.graph.input].shape = std::move(shape); }

  const onnx::AttributeProto* attribute(const char* name) const;
  Result<std::int64_t> integer(const char* name, std::int64_t fallback) const;
  Result<float> real(const char* name, float fallback) const;
  Result<std::string> text(const char* name, const char* fallback) const;
  /// Exactly out.size() integers; `out` stays where the attribute is absent.
  Result<void> integers(const char* name, std::span<std::int64_t> out) const;
  /// An attribute that only has meaning at one value here.
  Result<void> require(const char* name, std::int64_t allowed) const;

  /// A constant made from another one: its name is `source`'s plus `suffix`.
  Result<ValueId> derive_constant(ValueId source, const char* suffix, Tensor tensor);
  /// Appends a node that writes the ONNX node's output, with its shape inferred.
  Result<void> emit(Op op, std::vector<ValueId> inputs, Attributes attributes = {});
  /// Appends a node before the one that emit() writes; the result is its output.
  Result<ValueId> emit_before(const char* suffix, Op op, std::vector<ValueId> inputs, Attributes attributes = {});
  /// The ONNX node's output is this value, unchanged.
  void define_alias(ValueId id) { state_.values.emplace(node_.output(0), id); }
  /// The ONNX node's output is this constant.
  void define_constant(const onnx::TensorProto* tensor) { state_.constants[node_.output(0)] = {tensor, nullptr}; }
  /// errors: a float that is not finite, too many elements.
  Result<void> define_constant(Constant constant);
  const std::string& output_name() const { return node_.output(0); }

 private:
  Result<ValueId> add_constant(std::string name, Tensor tensor);
  Result<void> charge(const std::string& name, std::size_t elements);
  Result<ValueId> append(std::string node_name, std::string value_name, Op op, std::vector<ValueId> inputs,
                         const Attributes& attributes);
  ImportState& state_;
  const onnx::NodeProto& node_;
  std::string name_;
};

/// Imports one node by the table of operators. A node whose inputs are all constants becomes a constant.
/// errors: unsupported (operator, attribute), bad_format (shapes, damaged constants), naming the node.
Result<void> import_node(NodeImport& node);

/// "Conv, BatchNormalization, ...": the table's operators.
std::string supported_operators();

/// `wanted`, or with '_' appended until it is not in `taken`; it is taken from now on.
std::string claim_name(std::unordered_set<std::string>& taken, std::string wanted);

}  // namespace obscura::nn
