// SPDX-License-Identifier: Apache-2.0
#include "nn/onnx_import.h"

#include <algorithm>
#include <cmath>

#include "nn/infer.h"
#include "nn/onnx_constants.h"

namespace obscura::nn {
namespace {

const char* kind_name(onnx::AttributeProto::AttributeType type) {
  return onnx::AttributeProto::AttributeType_IsValid(type) ? onnx::AttributeProto::AttributeType_Name(type).c_str()
                                                           : "unknown";
}

}  // namespace

std::string claim_name(std::unordered_set<std::string>& taken, std::string wanted) {
  while (!taken.insert(wanted).second) wanted += '_';
  return wanted;
}

Result<void> NodeImport::check_form(int min_inputs, int max_inputs, std::span<const char* const> attributes) const {
  int count = node_.input_size();
  while (count > 0 && !has_input(count - 1)) --count;
  if (count < min_inputs || count > max_inputs) {
    return fail(Code::bad_format, "it has {} inputs; allowed: {} to {}", count, min_inputs, max_inputs);
  }
  for (const auto& a : node_.attribute()) {
    const bool known = std::any_of(attributes.begin(), attributes.end(), [&](const char* n) { return a.name() == n; });
    if (!known || !a.ref_attr_name().empty()) {
      return fail(Code::unsupported, "attribute {} is not supported; supported: {}",
                  is_readable_name(a.name()) ? a.name() : "?",
                  attributes.empty() ? "none" : fmt::format("{}", fmt::join(attributes, ", ")));
    }
    if (attribute(a.name().c_str()) != &a) return fail(Code::bad_format, "attribute {} appears twice", a.name());
  }
  if (node_.output_size() == 0 || node_.output(0).empty()) return fail(Code::bad_format, "it has no output");
  if (state_.values.contains(node_.output(0)) || state_.constants.contains(node_.output(0))) {
    return fail(Code::bad_format, "its output '{}' is defined before it already", node_.output(0));
  }
  return {};
}

Result<ValueId> NodeImport::input(int i) {
  if (!has_input(i)) return fail(Code::bad_format, "input {} is absent", i);
  const std::string& name = node_.input(i);
  if (const auto known = state_.values.find(name); known != state_.values.end()) return known->second;
  const auto constant = state_.constants.find(name);
  if (constant == state_.constants.end()) {
    return fail(Code::bad_format, "it reads '{}', which is neither a constant nor computed before it", name);
  }
  auto tensor = read_floats(*constant->second, name);
  if (!tensor.ok()) return fail(tensor.error().code, "{}", tensor.error().message);
  OBSCURA_TRY(const ValueId id, add_constant(name, std::move(tensor).value()));
  state_.values.emplace(name, id);
  return id;
}

Result<std::vector<ValueId>> NodeImport::inputs() {
  int count = node_.input_size();
  while (count > 0 && !has_input(count - 1)) --count;
  std::vector<ValueId> ids;
  for (int i = 0; i < count; ++i) {
    OBSCURA_TRY(const ValueId id, input(i));
    ids.push_back(id);
  }
  return ids;
}

Result<const onnx::TensorProto*> NodeImport::constant(int i) {
  if (!is_constant(i)) {
    return fail(Code::unsupported, "input {} '{}' is not a constant of the file; allowed: a constant", i,
                i < node_.input_size() ? node_.input(i) : "");
  }
  return state_.constants.at(node_.input(i));
}

const onnx::AttributeProto* NodeImport::attribute(const char* name) const {
  const auto found =
      std::find_if(node_.attribute().begin(), node_.attribute().end(), [&](const auto& a) { return a.name() == name; });
  return found == node_.attribute().end() ? nullptr : &*found;
}

Result<std::int64_t> NodeImport::integer(const char* name, std::int64_t fallback) const {
  const auto* a = attribute(name);
  if (a == nullptr) return fallback;
  if (a->type() != onnx::AttributeProto::INT) {
    return fail(Code::bad_format, "attribute {} is of kind {}; allowed: INT", name, kind_name(a->type()));
  }
  return a->i();
}

Result<float> NodeImport::real(const char* name, float fallback) const {
  const auto* a = attribute(name);
  if (a == nullptr) return fallback;
  if (a->type() != onnx::AttributeProto::FLOAT || !std::isfinite(a->f())) {
    return fail(Code::bad_format, "attribute {} is {} of kind {}; allowed: a finite FLOAT", name, a->f(),
                kind_name(a->type()));
  }
  return a->f();
}

Result<std::string> NodeImport::text(const char* name, const char* fallback) const {
  const auto* a = attribute(name);
  if (a == nullptr) return std::string(fallback);
  if (a->type() != onnx::AttributeProto::STRING || !is_readable_name(a->s())) {
    return fail(Code::bad_format, "attribute {} is of kind {} or not readable; allowed: STRING", name,
                kind_name(a->type()));
  }
  return a->s();
}

Result<void> NodeImport::integers(const char* name, std::span<std::int64_t> out) const {
  const auto* a = attribute(name);
  if (a == nullptr) return {};
  if (a->type() != onnx::AttributeProto::INTS || static_cast<std::size_t>(a->ints_size()) != out.size()) {
    return fail(Code::unsupported, "attribute {} has {} numbers (kind {}); allowed: {} INTS", name, a->ints_size(),
                kind_name(a->type()), out.size());
  }
  std::copy(a->ints().begin(), a->ints().end(), out.begin());
  return {};
}

Result<void> NodeImport::require(const char* name, std::int64_t allowed) const {
  OBSCURA_TRY(const std::int64_t actual, integer(name, allowed));
  if (actual != allowed) {
    return fail(Code::unsupported, "attribute {} is {}; allowed: {}", name, actual, allowed);
  }
  return {};
}

Result<ValueId> NodeImport::derive_constant(ValueId source, const char* suffix, Tensor tensor) {
  return add_constant(claim_name(state_.value_names, value(source).name + suffix), std::move(tensor));
}

// One constant of the file may enter many times, through Identity or derived from. The sum is bounded, or a small file
// could ask for any amount of memory.
Result<ValueId> NodeImport::add_constant(std::string name, Tensor tensor) {
  state_.constant_elements += static_cast<std::int64_t>(tensor.data.size());
  if (state_.constant_elements > kMaxElements) {
    return fail(Code::bad_format, "with '{}' the constants in use have {} elements; allowed: {}", name,
                state_.constant_elements, kMaxElements);
  }
  const auto id = static_cast<ValueId>(state_.graph.values.size());
  Shape shape = tensor.shape;
  state_.graph.values.push_back({std::move(name), std::move(shape), std::move(tensor)});
  return id;
}

Result<void> NodeImport::emit(Op op, std::vector<ValueId> inputs, Attributes attributes) {
  const std::string& output = node_.output(0);
  OBSCURA_TRY(const ValueId id, append(name_, output, op, std::move(inputs), attributes));
  state_.values.emplace(output, id);
  return {};
}

Result<ValueId> NodeImport::emit_before(const char* suffix, Op op, std::vector<ValueId> inputs, Attributes attributes) {
  return append(claim_name(state_.node_names, name_ + suffix), claim_name(state_.value_names, node_.output(0) + suffix),
                op, std::move(inputs), attributes);
}

Result<ValueId> NodeImport::append(std::string node_name, std::string value_name, Op op, std::vector<ValueId> inputs,
                                   const Attributes& attributes) {
  Graph& graph = state_.graph;
  const auto id = static_cast<ValueId>(graph.values.size());
  graph.values.push_back({std::move(value_name), {}, std::nullopt});
  graph.nodes.push_back({op, std::move(node_name), std::move(inputs), id, attributes});
  OBSCURA_TRY_VOID(infer_shape(graph, graph.nodes.back()));
  return id;
}

}  // namespace obscura::nn
