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

bool NodeImport::has_constant_inputs_only() const {
  bool any = false;
  for (int i = 0; i < node_.input_size(); ++i) {
    if (!has_input(i)) continue;
    if (!is_constant(i)) return false;
    any = true;
  }
  return any;
}

bool NodeImport::gives_the_output_only() const {
  return output_name() == state_.output_name && state_.readers.at(output_name()) == 1;
}

bool NodeImport::is_only_reader_of_the_image(ValueId x) const {
  return x == state_.graph.input && state_.readers.at(value(x).name) == 1;
}

Result<ValueId> NodeImport::input(int i, const std::string& name) {
  if (name.empty()) return fail(Code::bad_format, "input {} is absent", i);
  if (const auto known = state_.values.find(name); known != state_.values.end()) return known->second;
  const auto constant = state_.constants.find(name);
  if (constant == state_.constants.end()) {
    return fail(Code::bad_format,
                "it reads '{}', which is neither a constant (initializer) of the file nor computed before it", name);
  }
  Tensor tensor;
  if (const auto& folded = constant->second.folded) {
    tensor = {folded->shape, folded->reals};
    for (const std::int64_t v : folded->integers) {
      if (v == kFreeBatch) return fail(Code::unsupported, "'{}' depends on the number of images, which is free", name);
      tensor.data.push_back(static_cast<float>(v));
    }
    if (!shape_is_allowed(tensor.shape)) {
      return fail(Code::unsupported, "'{}' has shape {}; allowed: sizes from 1 to {}", name, to_string(tensor.shape),
                  kMaxSize);
    }
  } else {
    auto read = read_floats(*constant->second.tensor, name);
    if (!read.ok()) return fail(read.error().code, "{}", read.error().message);
    tensor = std::move(read).value();
  }
  OBSCURA_TRY(const ValueId id, add_constant(name, std::move(tensor)));
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

Result<Constant> NodeImport::constant(int i) {
  if (!is_constant(i)) {
    return fail(Code::unsupported, "input {} '{}' is not a constant of the file; allowed: a constant", i,
                i < node_.input_size() ? node_.input(i) : "");
  }
  const std::string& name = node_.input(i);
  const KnownConstant& known = state_.constants.at(name);
  if (known.folded) {
    OBSCURA_TRY_VOID(charge(name, known.folded->count()));
    return *known.folded;
  }
  auto read = read_constant(*known.tensor, name);
  if (!read.ok()) return fail(read.error().code, "{}", read.error().message);
  OBSCURA_TRY_VOID(charge(name, read->count()));
  return read;
}

Result<std::vector<std::int64_t>> NodeImport::integer_list(int i) {
  OBSCURA_TRY(Constant list, constant(i));
  constexpr std::size_t kMaxList = 1024;
  if (!list.is_integer || list.shape.size() > 1 || list.integers.size() > kMaxList) {
    return fail(Code::bad_format, "input {} '{}' has {} {} of shape {}; allowed: a list of up to {} integers", i,
                node_.input(i), list.count(), list.is_integer ? "integers" : "floats", to_string(list.shape), kMaxList);
  }
  return std::move(list.integers);
}

Result<std::optional<std::vector<std::int64_t>>> NodeImport::axes(int i) {
  using Axes = std::optional<std::vector<std::int64_t>>;
  if (const auto* a = attribute("axes")) {
    if (a->type() != onnx::AttributeProto::INTS) {
      return fail(Code::bad_format, "attribute axes is of kind {}; allowed: INTS", kind_name(a->type()));
    }
    return Axes(std::vector<std::int64_t>(a->ints().begin(), a->ints().end()));
  }
  if (!has_input(i)) return Axes();
  OBSCURA_TRY(auto list, integer_list(i));
  return Axes(std::move(list));
}

Result<Shape> NodeImport::file_shape(int i) {
  if (is_constant(i)) {
    const KnownConstant& known = state_.constants.at(node_.input(i));
    if (known.folded) return known.folded->shape;
    return Shape(known.tensor->dims().begin(), known.tensor->dims().end());
  }
  OBSCURA_TRY(const ValueId x, input(i));
  Shape shape = {state_.batch.value_or(kFreeBatch)};
  shape.insert(shape.end(), value(x).shape.begin(), value(x).shape.end());
  return shape;
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

// One constant of the file may be read many times. The sum is bounded, or a small file could ask for any amount of
// memory and time.
Result<void> NodeImport::charge(const std::string& name, std::size_t elements) {
  state_.constant_elements += static_cast<std::int64_t>(elements);
  if (state_.constant_elements <= kMaxElements) return {};
  return fail(Code::bad_format, "with '{}' the constants in use have {} elements; allowed: {}", name,
              state_.constant_elements, kMaxElements);
}

Result<ValueId> NodeImport::add_constant(std::string name, Tensor tensor) {
  OBSCURA_TRY_VOID(charge(name, tensor.data.size()));
  const auto id = static_cast<ValueId>(state_.graph.values.size());
  Shape shape = tensor.shape;
  state_.graph.values.push_back({std::move(name), std::move(shape), std::move(tensor)});
  return id;
}

Result<void> NodeImport::define_constant(Constant constant) {
  for (const float v : constant.reals) {
    if (!std::isfinite(v)) return fail(Code::bad_format, "it computes {} from constants; allowed: finite floats", v);
  }
  OBSCURA_TRY_VOID(charge(output_name(), constant.count()));
  state_.constants[output_name()] = {nullptr, std::make_shared<const Constant>(std::move(constant))};
  return {};
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
