// SPDX-License-Identifier: Apache-2.0
#include "nn/onnx_import.h"

#include <algorithm>
#include <cmath>

#include "nn/infer.h"

namespace obscura::nn {
namespace {

const char* kind_name(onnx::AttributeProto::AttributeType type) {
  return onnx::AttributeProto::AttributeType_IsValid(type) ? onnx::AttributeProto::AttributeType_Name(type).c_str()
                                                           : "unknown";
}

}  // namespace

Shape per_image(const Shape& file) {
  const bool images = file.size() >= 2 && file.front() == 1;
  return images ? Shape(file.begin() + 1, file.end()) : file;
}

std::string claim_name(std::unordered_set<std::string>& taken, std::string wanted) {
  if (taken.insert(wanted).second) return wanted;
  wanted += '_';
  if (taken.insert(wanted).second) return wanted;
  // Many of one name: numbers that nobody has had yet, or a file of equal names would take the square of their count.
  std::size_t number = taken.size();
  while (true) {
    std::string numbered = fmt::format("{}{}", wanted, number++);
    if (taken.insert(numbered).second) return numbered;
  }
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
  for (const std::string& output : node_.output()) {
    if (state_.values.contains(output) || state_.constants.contains(output)) {
      return fail(Code::bad_format, "its output '{}' is defined before it already", output);
    }
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

Result<FileValue> NodeImport::value(int i) const {
  if (!has_input(i)) return fail(Code::bad_format, "input {} is absent", i);
  const std::string& name = node_.input(i);
  if (const auto known = state_.values.find(name); known != state_.values.end()) return known->second;
  if (is_constant(i)) {
    return fail(Code::unsupported, "its input '{}' is a constant; allowed: a value computed from the image", name);
  }
  return fail(Code::bad_format,
              "it reads '{}', which is neither a constant (initializer) of the file nor computed before it", name);
}

Result<Shape> NodeImport::file_shape(int i) const {
  if (!is_constant(i)) {
    OBSCURA_TRY(FileValue x, value(i));
    return std::move(x.shape);
  }
  const KnownConstant& known = state_.constants.at(node_.input(i));
  if (known.folded) return known.folded->shape;
  Shape shape(known.tensor->dims().begin(), known.tensor->dims().end());
  Shape sizes = shape;
  for (std::int64_t& size : sizes) size = size == 0 ? 1 : size;
  if (shape_is_allowed(sizes) && shape.size() <= kMaxConstantRank) return shape;
  return fail(Code::bad_format, "constant '{}' has {} sizes, some beyond 0 to {}, or more than {} elements",
              node_.input(i), shape.size(), kMaxSize, kMaxElements);
}

Result<Constant> NodeImport::constant(int i) {
  if (!is_constant(i)) {
    OBSCURA_TRY_VOID(value(i));
    return fail(Code::unsupported, "input {} '{}' is computed from the image; allowed: a constant of the file", i,
                node_.input(i));
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

Result<Tensor> NodeImport::tensor(int i) {
  if (is_constant(i) && state_.constants.at(node_.input(i)).tensor != nullptr) {
    const std::string& name = node_.input(i);
    auto read = read_floats(*state_.constants.at(name).tensor, name);
    if (!read.ok()) return fail(read.error().code, "{}", read.error().message);
    OBSCURA_TRY_VOID(charge(name, read->data.size()));
    return read;
  }
  OBSCURA_TRY(Constant read, constant(i));
  Tensor out{std::move(read.shape), std::move(read.reals)};
  for (const std::int64_t v : read.integers) out.data.push_back(static_cast<float>(v));
  if (shape_is_allowed(out.shape)) return out;
  return fail(Code::unsupported, "'{}' has shape {}; allowed: sizes from 1 to {}", node_.input(i), to_string(out.shape),
              kMaxSize);
}

Result<double> NodeImport::number(int i, double fallback) {
  if (!has_input(i)) return fallback;
  OBSCURA_TRY(const Tensor given, tensor(i));
  if (given.data.size() == 1) return double{given.data[0]};
  return fail(Code::unsupported, "input {} '{}' has {} numbers; allowed: 1", i, node_.input(i), given.data.size());
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

Result<std::optional<std::vector<std::int64_t>>> NodeImport::list(const char* name, int i) {
  OBSCURA_TRY(auto listed, integers(name));
  if (listed || !has_input(i)) return listed;
  OBSCURA_TRY(auto given, integer_list(i));
  return std::optional(std::move(given));
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

Result<std::optional<std::vector<std::int64_t>>> NodeImport::integers(const char* name) const {
  using List = std::optional<std::vector<std::int64_t>>;
  const auto* a = attribute(name);
  if (a == nullptr) return List();
  constexpr int kMaxList = 1024;
  if (a->type() != onnx::AttributeProto::INTS || a->ints_size() > kMaxList) {
    return fail(Code::bad_format, "attribute {} is of kind {} with {} numbers; allowed: INTS, up to {}", name,
                kind_name(a->type()), a->ints_size(), kMaxList);
  }
  return List(std::vector<std::int64_t>(a->ints().begin(), a->ints().end()));
}

Result<void> NodeImport::require(const char* name, std::int64_t allowed) const {
  OBSCURA_TRY(const std::int64_t actual, integer(name, allowed));
  if (actual != allowed) {
    return fail(Code::unsupported, "attribute {} is {}; allowed: {}", name, actual, allowed);
  }
  return {};
}

// One constant of the file may be read many times. The sum is bounded, or a small file could ask for any amount of
// memory and time.
Result<void> NodeImport::charge(const std::string& name, std::size_t elements) {
  state_.constant_elements += static_cast<std::int64_t>(elements);
  if (state_.constant_elements <= kMaxElements) return {};
  return fail(Code::bad_format, "with '{}' the numbers in use are {}; allowed: {}", name, state_.constant_elements,
              kMaxElements);
}

Result<ValueId> NodeImport::append_constant(std::string name, Tensor tensor) {
  for (const float v : tensor.data) {
    if (!std::isfinite(v)) return fail(Code::bad_format, "it makes a constant of {}; allowed: finite floats", v);
  }
  const auto id = static_cast<ValueId>(state_.graph.values.size());
  Shape shape = tensor.shape;
  state_.graph.values.push_back({std::move(name), std::move(shape), std::move(tensor)});
  return id;
}

Result<ValueId> NodeImport::add_constant(const char* suffix, Tensor tensor, std::optional<int> own) {
  if (own) {
    OBSCURA_TRY(const Shape shape, file_shape(*own));
    if (shape == tensor.shape) return file_constant(*own, std::move(tensor));
  }
  OBSCURA_TRY_VOID(charge(output_name(), tensor.data.size()));
  return append_constant(claim_name(state_.value_names, output_name() + suffix), std::move(tensor));
}

Result<ValueId> NodeImport::file_constant(int i, Tensor numbers) {
  const std::string& name = node_.input(i);
  if (const auto known = state_.used.find(name); known != state_.used.end()) return known->second;
  OBSCURA_TRY(const ValueId id, append_constant(name, std::move(numbers)));
  state_.used.emplace(name, id);
  return id;
}

Result<ValueId> NodeImport::constant_value(int i) {
  if (const auto known = state_.used.find(node_.input(i)); known != state_.used.end()) return known->second;
  OBSCURA_TRY(Tensor read, tensor(i));
  return file_constant(i, std::move(read));
}

Result<ValueId> NodeImport::in_shape(const FileValue& x, const Shape& shape) {
  if (graph_shape(x.id) == shape) return x.id;
  Attributes a;
  a.shape = shape;
  return emit(Op::reshape, {x.id}, a);
}

Result<ValueId> NodeImport::emit(Op op, std::vector<ValueId> inputs, Attributes attributes) {
  Graph& graph = state_.graph;
  const auto id = static_cast<ValueId>(graph.values.size());
  const std::string suffix = fmt::format("/{}", to_string(op));
  graph.values.push_back({claim_name(state_.value_names, output_name() + suffix), {}, std::nullopt});
  // Under the file's name first: it stands in messages.
  graph.nodes.push_back({op, name_, std::move(inputs), id, std::move(attributes)});
  OBSCURA_TRY_VOID(infer_shape(graph, graph.nodes.back()));
  graph.nodes.back().name = claim_name(state_.node_names, name_ + suffix);
  return id;
}

void NodeImport::define(FileValue value, int output) {
  Graph& graph = state_.graph;
  // A value of an earlier node is passed on; its maker keeps its name.
  if (graph.nodes.size() > first_node_ && graph.nodes.back().output == value.id) {
    if (output == 0) graph.nodes.back().name = name_;
    graph.values[value.id].name = node_.output(output);
  }
  state_.values.emplace(node_.output(output), std::move(value));
}

Result<void> NodeImport::define_constant(Constant constant, int output) {
  for (const float v : constant.reals) {
    if (!std::isfinite(v)) return fail(Code::bad_format, "it computes {} from constants; allowed: finite floats", v);
  }
  OBSCURA_TRY_VOID(charge(output_name(), constant.count()));
  state_.constants[node_.output(output)] = {nullptr, std::make_shared<const Constant>(std::move(constant))};
  return {};
}

}  // namespace obscura::nn
