// SPDX-License-Identifier: Apache-2.0
// Softmax, spelt in exponentials and sums.
#include <algorithm>
#include <optional>
#include <unordered_map>

#include "nn/onnx_constants.h"
#include "nn/onnx_model.h"

namespace obscura::nn {
namespace {

class SoftmaxFinder {
 public:
  explicit SoftmaxFinder(onnx::GraphProto& graph) : graph_(graph) {
    for (int i = 0; i < graph.node_size(); ++i) {
      for (const auto& output : graph.node(i).output()) makers_.emplace(output, i);
    }
    for (const auto& tensor : graph.initializer()) constants_.emplace(tensor.name(), &tensor);
  }

  void run() {
    for (int i = 0; i < graph_.node_size(); ++i) {
      const onnx::NodeProto& node = graph_.node(i);
      if (node.input_size() != 2 || node.output_size() != 1) continue;
      if (node.op_type() == "Div") quotient(i);
      if (node.op_type() == "Sub") difference(i);
    }
  }

 private:
  const onnx::NodeProto* maker(const std::string& name, const char* type) const {
    const auto found = makers_.find(name);
    if (found == makers_.end()) return nullptr;
    const onnx::NodeProto& node = graph_.node(found->second);
    return node.op_type() == type && node.input_size() > 0 ? &node : nullptr;
  }

  /// The integers that a reduction is over, in an attribute or an input; nothing where they are not known here.
  std::optional<std::vector<std::int64_t>> axes_of(const onnx::NodeProto& reduction) const {
    for (const auto& a : reduction.attribute()) {
      if (a.name() == "axes") return std::vector<std::int64_t>(a.ints().begin(), a.ints().end());
    }
    if (reduction.input_size() < 2) return std::vector<std::int64_t>();
    const onnx::TensorProto* tensor = nullptr;
    if (const auto found = constants_.find(reduction.input(1)); found != constants_.end()) tensor = found->second;
    const auto found = makers_.find(reduction.input(1));
    if (found != makers_.end() && graph_.node(found->second).op_type() == "Constant") {
      for (const auto& a : graph_.node(found->second).attribute()) {
        if (a.name() == "value") tensor = &a.t();
        if (a.name() == "value_ints") return std::vector<std::int64_t>(a.ints().begin(), a.ints().end());
      }
    }
    if (tensor == nullptr) return std::nullopt;
    auto read = read_constant(*tensor, reduction.input(1));
    if (!read.ok() || !read->is_integer) return std::nullopt;
    return std::move(read->integers);
  }

  static bool keeps_axes(const onnx::NodeProto& reduction) {
    return std::none_of(reduction.attribute().begin(), reduction.attribute().end(),
                        [](const auto& a) { return a.name() == "keepdims" && a.i() == 0; });
  }

  /// x where x - max(x) stands, the largest of the same elements as the sum's: the softmax of both is the same.
  std::string unshifted(const std::string& name, const onnx::NodeProto& sum) const {
    const auto* sub = maker(name, "Sub");
    if (sub == nullptr || sub->input_size() != 2) return name;
    const auto* largest = maker(sub->input(1), "ReduceMax");
    const bool same = largest != nullptr && largest->input(0) == sub->input(0) && keeps_axes(*largest) &&
                      axes_of(*largest) == axes_of(sum);
    return same ? sub->input(0) : name;
  }

  /// e^z / sum of e^z
  void quotient(int i) {
    const auto* exp = maker(graph_.node(i).input(0), "Exp");
    const auto* sum = maker(graph_.node(i).input(1), "ReduceSum");
    if (exp == nullptr || sum == nullptr || sum->input(0) != exp->output(0)) return;
    replace(i, "Softmax", unshifted(exp->input(0), *sum), *sum);
  }

  /// z - log of the sum of e^z
  void difference(int i) {
    const std::string& z = graph_.node(i).input(0);
    const auto* log = maker(graph_.node(i).input(1), "Log");
    const auto* sum =
        log != nullptr ? maker(log->input(0), "ReduceSum") : maker(graph_.node(i).input(1), "ReduceLogSumExp");
    if (sum == nullptr) return;
    if (log != nullptr) {
      const auto* exp = maker(sum->input(0), "Exp");
      if (exp == nullptr || exp->input(0) != z) return;
    } else if (sum->input(0) != z) {
      return;
    }
    replace(i, "LogSoftmax", unshifted(z, *sum), *sum);
  }

  /// Where the sum is over one axis.
  void replace(int i, const char* type, const std::string& x, const onnx::NodeProto& sum) {
    const auto axes = axes_of(sum);
    if (!axes || axes->size() != 1 || !keeps_axes(sum)) return;
    onnx::NodeProto& node = *graph_.mutable_node(i);
    node.set_op_type(type);
    node.clear_input();
    node.add_input(x);
    for (const auto& [name, value] : {std::pair("axis", axes->front()), std::pair(kOneAxis, std::int64_t{1})}) {
      auto* a = node.add_attribute();
      a->set_name(name);
      a->set_type(onnx::AttributeProto::INT);
      a->set_i(value);
    }
  }

  onnx::GraphProto& graph_;
  std::unordered_map<std::string, int> makers_;
  std::unordered_map<std::string, const onnx::TensorProto*> constants_;
};

}  // namespace

void name_softmaxes(onnx::GraphProto& graph) {
  const bool any = std::any_of(graph.node().begin(), graph.node().end(), [](const auto& node) {
    return node.op_type() == "ReduceSum" || node.op_type() == "ReduceLogSumExp";
  });
  if (any) SoftmaxFinder(graph).run();
}

}  // namespace obscura::nn
