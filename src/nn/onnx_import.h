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

/// How the integers of a quantised tensor mean reals: (integer - zero) * scale.
struct Quantization {
  double scale = 1;
  double zero = 0;
  bool operator==(const Quantization&) const = default;
};

/// A tensor of the file for one image: the elements of a value of the graph, in the shape that the file sees. The
/// number of images is 1 there, so that what the file does with it is done to one image. Moves that keep the elements'
/// order change the shape alone; whoever needs another shape in the graph asks for it (NodeImport::in_shape).
struct FileValue {
  ValueId id = 0;
  Shape shape;
  std::optional<Quantization> quantized = {};  ///< it stands for integers; the graph's value is the reals they mean
};

/// The graph under construction and the names of the file.
struct ImportState {
  Graph graph;
  std::unordered_map<std::string, FileValue> values;         ///< computed from the image
  std::unordered_map<std::string, KnownConstant> constants;  ///< tensors are converted when used
  std::unordered_map<std::string, ValueId> used;             ///< constants in use, as values of the graph
  std::int64_t constant_elements = 0;                        ///< of all constants in use, and all that were read
  std::unordered_set<std::string> value_names;               ///< of the whole file: new ones avoid them
  std::unordered_set<std::string> node_names;                ///< taken so far
  std::int64_t batch = 1;                                    ///< images at a time where the file fixes more than one
  std::int64_t opset = 0;
  /// An ArgMax was left out: nothing may follow that computes.
  bool argmax = false;
};

/// One node while it is imported. Attributes and inputs are read through it, so that every message names the node,
/// the attribute, the actual and the allowed value.
class NodeImport {
 public:
  NodeImport(ImportState& state, const onnx::NodeProto& node, std::string name)
      : state_(state), node_(node), name_(std::move(name)), first_node_(state.graph.nodes.size()) {}

  const std::string& name() const { return name_; }
  const std::string& operator_name() const { return node_.op_type(); }
  const std::string& output_name() const { return node_.output(0); }
  int output_count() const { return node_.output_size(); }
  std::int64_t opset() const { return state_.opset; }
  std::int64_t fixed_batch() const { return state_.batch; }
  ImportState& state() { return state_; }
  /// "node 'n' (Conv): ..."
  template <class... Args>
  Error fail(Code code, fmt::format_string<Args...> format, Args&&... args) const {
    return error(code, "node '{}' ({}): {}", name_, node_.op_type(), fmt::format(format, std::forward<Args>(args)...));
  }

  /// The number of inputs, no attribute beyond `attributes`, an output that is new.
  Result<void> check_form(int min_inputs, int max_inputs, std::span<const char* const> attributes) const;

  int input_count() const { return node_.input_size(); }
  bool has_input(int i) const { return i < node_.input_size() && !node_.input(i).empty(); }
  const std::string& input_name(int i) const { return node_.input(i); }
  /// Is the input known when the file is read?
  bool is_constant(int i) const { return has_input(i) && state_.constants.contains(node_.input(i)); }
  /// Has the node inputs, and are all of them constants?
  bool has_constant_inputs_only() const;
  /// The i-th input, computed from the image. errors: a constant, absent, not defined.
  Result<FileValue> value(int i) const;
  /// The shape of the i-th input as the file sees it.
  Result<Shape> file_shape(int i) const;
  /// The constant's numbers. errors: computed or absent.
  Result<Constant> constant(int i);
  /// The same as floats, whatever their type.
  Result<Tensor> tensor(int i);
  /// The only number of a constant; `fallback` where the input is absent.
  Result<double> number(int i, double fallback);
  /// The same, of integers only (sizes, axes). errors: floats, more than 1024.
  Result<std::vector<std::int64_t>> integer_list(int i);
  /// The list in attribute `name`, or in the i-th input; nothing where neither is there.
  Result<std::optional<std::vector<std::int64_t>>> list(const char* name, int i);
  Result<std::optional<std::vector<std::int64_t>>> axes(int i) { return list("axes", i); }

  const onnx::AttributeProto* attribute(const char* name) const;
  Result<std::int64_t> integer(const char* name, std::int64_t fallback) const;
  Result<float> real(const char* name, float fallback) const;
  Result<std::string> text(const char* name, const char* fallback) const;
  Result<std::optional<std::vector<std::int64_t>>> integers(const char* name) const;
  /// An attribute that only has meaning at one value here.
  Result<void> require(const char* name, std::int64_t allowed) const;

  const Shape& graph_shape(ValueId id) const { return state_.graph.values[id].shape; }
  /// A constant of the graph. `suffix` follows the name of the node's output. Where its numbers are those of input
  /// `own`, and its shape too, it is the file's constant under its own name, one value however often it is read.
  Result<ValueId> add_constant(const char* suffix, Tensor tensor, std::optional<int> own = std::nullopt);
  /// The constant of the file as it stands; one value however often it is read.
  Result<ValueId> constant_value(int i);
  /// x's elements in this shape of the graph: a reshape, where it has another.
  Result<ValueId> in_shape(const FileValue& x, const Shape& shape);
  /// Counts what a node adds to the numbers of the graph: a small file may not ask for much. errors: too many in all.
  Result<void> charge(const std::string& name, std::size_t elements);
  /// Appends a node; the result is its output. The last one takes the names of the ONNX node and of its output.
  Result<ValueId> emit(Op op, std::vector<ValueId> inputs, Attributes attributes = {});
  /// x as the ONNX node's output, in this shape of the file.
  void define(ValueId x, Shape shape) { define(FileValue{x, std::move(shape)}); }
  void define(FileValue value, int output = 0);
  /// The ONNX node's output is this constant.
  void define_constant(const onnx::TensorProto* tensor) { state_.constants[node_.output(0)] = {tensor, nullptr}; }
  /// errors: a float that is not finite, too many elements.
  Result<void> define_constant(Constant constant, int output = 0);

 private:
  Result<ValueId> append_constant(std::string name, Tensor tensor);
  Result<ValueId> file_constant(int i, Tensor numbers);
  ImportState& state_;
  const onnx::NodeProto& node_;
  std::string name_;
  std::size_t first_node_;  ///< of the graph's, that this one may append
};

/// Imports one node by the table of operators. A node whose inputs are all constants becomes a constant.
/// errors: unsupported (operator, attribute), bad_format (shapes, damaged constants), naming the node.
Result<void> import_node(NodeImport& node, const std::string& domain);

/// "Conv, BatchNormalization, ...": the table's operators.
std::string supported_operators();

/// The graph's shape of a tensor of the file: without the axis of the one image.
Shape per_image(const Shape& file);

/// `wanted`, or with '_' or more appended so that it is not in `taken`; it is taken from now on.
std::string claim_name(std::unordered_set<std::string>& taken, std::string wanted);

}  // namespace obscura::nn
