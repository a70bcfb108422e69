// SPDX-License-Identifier: Apache-2.0
// Softmax, spelt in exponentials and sums.
#include <algorithm>
#include <unordered_map>

#include "nn/onnx_model.h"

namespace obscura::nn {
namespace {

class SoftmaxFinder {
 public:
  explicit SoftmaxFinder(onnx::GraphProto& graph) : graph_(graph) {
    for (int i = 0; i < graph.node_size(); ++i) {
      for (const auto& output : graph.node(i).output()) makers_.emplace(output, i);
    }
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

  /// x where x - max(x) stands: the softmax of both is the same.
  std::string unshifted(const std::string& name) const {
    const auto* sub = maker(name, "Sub");
    if (sub == nullptr || sub->input_size() != 2) return name;
    const auto* largest = maker(sub->input(1), "ReduceMax");
    return largest != nullptr && largest->input(0) == sub->input(0) ? sub->input(0) : name;
  }

  /// e^z / sum of e^z
  void quotient(int i) {
    const auto* exp = maker(graph_.node(i).input(0), "Exp");
    const auto* sum = maker(graph_.node(i).input(1), "ReduceSum");
    if (exp == nullptr || sum == nullptr || sum->input(0) != exp->output(0)) return;
    replace(i, "Softmax", unshifted(exp->input(0)), *sum);
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
    replace(i, "LogSoftmax", unshifted(z), *sum);
  }

  /// Over one axis, the last unless the sum's attribute names another.
  void replace(int i, const char* type, const std::string& x, const onnx::NodeProto& sum) {
    std::int64_t axis = -1;
    for (const auto& a : sum.attribute()) {
      if (a.name() != "axes") continue;
      if (a.ints_size() != 1) return;
      axis = a.ints(0);
    }
    onnx::NodeProto& node = *graph_.mutable_node(i);
    node.set_op_type(type);
    node.clear_input();
    node.add_input(x);
    auto* a = node.add_attribute();
    a->set_name("axis");
    a->set_type(onnx::AttributeProto::INT);
    a->set_i(axis);
  }

  onnx::GraphProto& graph_;
  std::unordered_map<std::string, int> makers_;
};

}  // namespace

void name_softmaxes(onnx::GraphProto& graph) {
  const bool any = std::any_of(graph.node().begin(), graph.node().end(), [](const auto& node) {
    return node.op_type() == "ReduceSum" || node.op_type() == "ReduceLogSumExp";
  });
  if (any) SoftmaxFinder(graph).run();
}

}  // namespace obscura::nn
