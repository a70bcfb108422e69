// SPDX-License-Identifier: Apache-2.0
// Functions of single elements, and what networks end with.
#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/onnx_model.h"
#include "nn/onnx_operators.h"

namespace obscura::nn {
namespace {

using Kind = approx::Function::Kind;

Result<void> define_applied(NodeImport& node, const FileValue& x, const approx::Function& function) {
  OBSCURA_TRY(FileValue y, apply(node, x, function));
  node.define(std::move(y));
  return {};
}

}  // namespace

// The operators of approx::functions(), with the attributes that their rows name.
Result<void> import_function(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  for (const approx::FunctionRow& row : approx::functions()) {
    if (row.onnx == nullptr || node.operator_name() != row.onnx) continue;
    approx::Function function = approx::default_of(row.kind);
    for (const approx::Parameter& parameter : row.parameters) {
      OBSCURA_TRY(function.*parameter.field, node.real(parameter.name, static_cast<float>(parameter.by_default)));
    }
    return define_applied(node, x, function);
  }
  OBSCURA_CHECK(false, "no function {}", node.operator_name());
  return {};
}

// Bounds are attributes before operator set 11.
Result<void> import_clip(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  constexpr float kLargest = std::numeric_limits<float>::max();
  OBSCURA_TRY(const float low, node.real("min", -kLargest));
  OBSCURA_TRY(const float high, node.real("max", kLargest));
  approx::Function clip = approx::default_of(Kind::clip);
  OBSCURA_TRY(clip.low, node.number(1, low));
  OBSCURA_TRY(clip.high, node.number(2, high));
  // What no float passes is no bound.
  const bool below = clip.low > -kLargest, above = clip.high < kLargest;
  if (!below) clip.low = -std::numeric_limits<double>::infinity();
  if (!above) clip.high = std::numeric_limits<double>::infinity();
  if (!below && !above) {
    node.define(std::move(x));
    return {};
  }
  if (!above && clip.low == 0) clip = approx::default_of(Kind::relu);
  return define_applied(node, x, clip);
}

// min(max(alpha x + beta, 0), 1)
Result<void> import_hard_sigmoid(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(const float alpha, node.real("alpha", 0.2F));
  OBSCURA_TRY(const float beta, node.real("beta", 0.5F));
  OBSCURA_TRY(const FileValue line, affine(node, x, alpha, beta));
  approx::Function clip = approx::default_of(Kind::clip);
  clip.low = 0;
  clip.high = 1;
  return define_applied(node, line, clip);
}

// With one slope for all channels it is a leaky ReLU, else slope x + (1 - slope) relu(x).
Result<void> import_prelu(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(Tensor slope, node.tensor(1));
  const bool one = std::all_of(slope.data.begin(), slope.data.end(), [&](float v) { return v == slope.data.front(); });
  if (one) {
    approx::Function leaky = approx::default_of(Kind::leaky_relu);
    leaky.alpha = slope.data.front();
    return define_applied(node, x, leaky);
  }
  // One number a channel stands for {C, 1, ...}, where it does not fit the last axis as ONNX would have it.
  const bool channels =
      slope.shape.size() == 1 && x.shape.size() > 2 && slope.shape[0] == x.shape[1] && slope.shape[0] != x.shape.back();
  if (channels) slope.shape.resize(x.shape.size() - 1, 1);
  Tensor rest = slope;
  for (float& v : rest.data) v = 1 - v;
  OBSCURA_TRY(const FileValue line, combine(node, Op::mul, {x, {}}, {std::nullopt, std::move(slope)}));
  OBSCURA_TRY(const FileValue relu, apply(node, x, approx::default_of(Kind::relu)));
  OBSCURA_TRY(const FileValue bend, combine(node, Op::mul, {relu, {}}, {std::nullopt, std::move(rest)}));
  OBSCURA_TRY(FileValue y, combine(node, Op::add, {line, {}}, {bend, {}}));
  node.define(std::move(y));
  return {};
}

Result<void> import_gelu(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(const std::string form, node.text("approximate", "none"));
  const bool tanh = form == "tanh";
  if (!tanh && form != "none") {
    return node.fail(Code::unsupported, "attribute approximate is {}; allowed: none, tanh", form);
  }
  return define_applied(node, x, approx::default_of(tanh ? Kind::gelu_tanh : Kind::gelu));
}

// Before operator set 13 it is over all axes from `axis` on (1 by default), since then over that axis (the last).
Result<FileValue> softmax(NodeImport& node, const FileValue& x) {
  constexpr std::int64_t kOneAxisOpset = 13;
  OBSCURA_TRY(const std::int64_t spelt, node.integer(kOneAxis, 0));
  OBSCURA_TRY(const std::int64_t opset, node.integer("opset", node.opset()));  // QLinearSoftmax says it
  const bool one = opset >= kOneAxisOpset || spelt != 0;
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", one ? -1 : 1));
  OBSCURA_TRY(const std::size_t first, resolve_axis(node, axis, x.shape.size()));
  std::vector<std::int64_t> order;
  Shape rows;
  for (std::size_t d = 0; d < x.shape.size(); ++d) {
    const bool taken = one ? d == first : d >= first;
    if (!taken) order.push_back(static_cast<std::int64_t>(d));
  }
  const std::size_t kept = order.size();
  for (std::size_t d = 0; d < x.shape.size(); ++d) {
    if (std::find(order.begin(), order.end(), static_cast<std::int64_t>(d)) == order.end()) {
      order.push_back(static_cast<std::int64_t>(d));
    }
  }
  FileValue y = x;
  const bool moved = !std::is_sorted(order.begin(), order.end());
  if (moved) {
    OBSCURA_TRY(y, transposed(node, x, order));
  }
  std::int64_t count = 1;
  for (std::size_t d = 0; d < kept; ++d) count *= y.shape[d];
  const std::int64_t row = element_count(y.shape) / count;
  OBSCURA_TRY(const ValueId in, node.in_shape(y, count == 1 ? Shape{row} : Shape{count, row}));
  OBSCURA_TRY(y.id, node.emit(Op::softmax, {in}));
  if (!moved) return y;
  std::vector<std::int64_t> back(order.size());
  for (std::size_t d = 0; d < order.size(); ++d)
    back[static_cast<std::size_t>(order[d])] = static_cast<std::int64_t>(d);
  return transposed(node, y, back);
}

Result<void> import_softmax(NodeImport& node) {
  OBSCURA_TRY(const FileValue x, node.value(0));
  OBSCURA_TRY(FileValue y, softmax(node, x));
  if (node.operator_name() == "LogSoftmax") {
    OBSCURA_TRY(y, apply(node, y, approx::default_of(Kind::log)));
  }
  node.define(std::move(y));
  return {};
}

// The place of the largest value of the answer: it is the client who looks for it.
Result<void> import_argmax(NodeImport& node) {
  OBSCURA_TRY(FileValue x, node.value(0));
  OBSCURA_TRY(const std::int64_t axis, node.integer("axis", 0));
  OBSCURA_TRY(const std::size_t resolved, resolve_axis(node, axis, x.shape.size()));
  if (x.shape[resolved] != element_count(x.shape)) {
    return node.fail(Code::unsupported, "it is over axis {} of {}; allowed: over one row of logits, as the last node",
                     axis, to_string(x.shape));
  }
  OBSCURA_TRY(const std::int64_t keep, node.integer("keepdims", 1));
  node.state().argmax = true;
  // The value stays the logits; what follows sees the shape of one place.
  x.shape[resolved] = 1;
  if (keep == 0) x.shape.erase(x.shape.begin() + static_cast<std::ptrdiff_t>(resolved));
  node.define(std::move(x));
  return {};
}

}  // namespace obscura::nn
