// SPDX-License-Identifier: Apache-2.0
#include "nn/onnx_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/files.h"
#include "nn/onnx.h"
#include "nn/onnx_constants.h"

namespace obscura::nn {
namespace {

constexpr int kMaxCallDepth = 16;

/// Puts the bodies of functions in the place of their calls.
class Inliner {
 public:
  explicit Inliner(const onnx::ModelProto& model) {
    for (const auto& function : model.functions())
      functions_.emplace(function.domain() + "::" + function.name(), &function);
  }

  Result<void> run(onnx::GraphProto& graph) {
    google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
    nodes.Swap(graph.mutable_node());
    out_ = graph.mutable_node();
    for (auto& node : nodes) OBSCURA_TRY_VOID(place(std::move(node), 0));
    return {};
  }

 private:
  Result<void> place(onnx::NodeProto node, int depth) {
    const auto found = functions_.find(node.domain() + "::" + node.op_type());
    if (found == functions_.end()) {
      if (out_->size() >= kMaxNodes) {
        return error(Code::bad_format, "its functions make more than {} nodes", kMaxNodes);
      }
      *out_->Add() = std::move(node);
      return {};
    }
    if (depth >= kMaxCallDepth) {
      return error(Code::bad_format, "node '{}': functions call each other more than {} deep", node.name(),
                   kMaxCallDepth);
    }
    return expand(node, *found->second, depth);
  }

  Result<void> expand(const onnx::NodeProto& call, const onnx::FunctionProto& function, int depth) {
    const std::string prefix = fmt::format("{}/{}", call.name().empty() ? call.op_type() : call.name(), ++calls_);
    std::unordered_map<std::string, std::string> names;
    for (int i = 0; i < function.input_size(); ++i) {
      names[function.input(i)] = i < call.input_size() ? call.input(i) : "";
    }
    for (int i = 0; i < function.output_size() && i < call.output_size(); ++i) {
      if (!call.output(i).empty()) names[function.output(i)] = call.output(i);
    }
    const auto renamed = [&](const std::string& name) {
      if (name.empty()) return name;
      return names.emplace(name, prefix + "/" + name).first->second;
    };
    for (onnx::NodeProto node : function.node()) {
      node.set_name(prefix + "/" + (node.name().empty() ? node.op_type() : node.name()));
      for (std::string& input : *node.mutable_input()) input = renamed(input);
      for (std::string& output : *node.mutable_output()) output = renamed(output);
      fill_attributes(node, call);
      OBSCURA_TRY_VOID(place(std::move(node), depth + 1));
    }
    return {};
  }

  /// Attributes that refer to those of the call; without one there the operator's default holds.
  static void fill_attributes(onnx::NodeProto& node, const onnx::NodeProto& call) {
    onnx::NodeProto filled = node;
    filled.clear_attribute();
    for (const auto& a : node.attribute()) {
      if (a.ref_attr_name().empty()) {
        *filled.add_attribute() = a;
        continue;
      }
      for (const auto& given : call.attribute()) {
        if (given.name() != a.ref_attr_name()) continue;
        auto& added = *filled.add_attribute();
        added = given;
        added.set_name(a.name());
      }
    }
    node = std::move(filled);
  }

  std::unordered_map<std::string, const onnx::FunctionProto*> functions_;
  google::protobuf::RepeatedPtrField<onnx::NodeProto>* out_ = nullptr;
  std::uint64_t calls_ = 0;
};

/// Where a tensor's numbers lie.
struct External {
  std::string location;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length;
};

Result<External> external_of(const onnx::TensorProto& tensor) {
  External out;
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == "location") out.location = entry.value();
    if (entry.key() != "offset" && entry.key() != "length") continue;
    std::uint64_t number = 0;
    const std::string& text = entry.value();
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
      return error(Code::bad_format, "constant '{}' lies at {} '{}' of another file; allowed: a number", tensor.name(),
                   entry.key(), is_readable_name(text) ? text : "?");
    }
    (entry.key() == "offset" ? out.offset : out.length.emplace()) = number;
  }
  if (!out.location.empty() && is_readable_name(out.location)) return out;
  return error(Code::bad_format, "constant '{}' keeps its numbers in another file that has no readable name",
               tensor.name());
}

/// The file of this name in the folder or below it.
Result<std::filesystem::path> inside(const std::filesystem::path& folder, const std::string& location,
                                     const std::string& tensor) {
  const std::filesystem::path relative = std::filesystem::path(location).lexically_normal();
  std::error_code failed;
  const auto whole = std::filesystem::weakly_canonical(folder / relative, failed);
  const auto home = std::filesystem::weakly_canonical(folder.empty() ? "." : folder, failed);
  const auto [end, unused] = std::mismatch(home.begin(), home.end(), whole.begin(), whole.end());
  if (relative.is_absolute() || relative.begin() == relative.end() || *relative.begin() == ".." || end != home.end()) {
    return error(Code::unsupported,
                 "constant '{}' keeps its numbers in '{}', outside of the network's folder; allowed: beside it", tensor,
                 location);
  }
  if (std::filesystem::is_regular_file(whole, failed)) return whole;
  return error(Code::io,
               "constant '{}' keeps its numbers in '{}', which is not beside the network; allowed: that file in "
               "the network's folder, where the exporter put both, or all in one file (in Python: "
               "onnx.save(onnx.load(path), new_path))",
               tensor, location);
}

/// The files of external data, open, with what has been read of each.
class ExternalFiles {
 public:
  explicit ExternalFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  Result<void> load(onnx::TensorProto& tensor) {
    OBSCURA_TRY(const External at, external_of(tensor));
    OBSCURA_TRY(const auto path, inside(folder_, at.location, tensor.name()));
    auto found = files_.find(path);
    if (found == files_.end()) {
      OBSCURA_TRY(base::InputFile opened, base::InputFile::open(path));
      found = files_.emplace(path, File{std::move(opened), {}}).first;
    }
    File& file = found->second;
    const std::uint64_t size = file.file.size();
    const std::uint64_t length = at.length.value_or(size - std::min(size, at.offset));
    if (at.offset > size || length > size - at.offset) {
      return error(Code::bad_format, "constant '{}' lies at bytes {} to {} + {} of '{}', which has {}", tensor.name(),
                   at.offset, at.offset, length, at.location, size);
    }
    OBSCURA_TRY_VOID(take(file, at.offset, length, tensor.name(), at.location));
    std::string* raw = tensor.mutable_raw_data();
    raw->resize(length);
    OBSCURA_TRY_VOID(file.file.seek(at.offset));
    OBSCURA_TRY_VOID(file.file.read(std::as_writable_bytes(std::span(raw->data(), raw->size()))));
    tensor.set_data_location(onnx::TensorProto::DEFAULT);
    tensor.clear_external_data();
    return {};
  }

 private:
  struct File {
    base::InputFile file;
    std::map<std::uint64_t, std::uint64_t> taken;  ///< first byte -> one after the last
  };

  Result<void> take(File& file, std::uint64_t offset, std::uint64_t length, const std::string& tensor,
                    const std::string& location) {
    total_ += length;
    if (total_ > kMaxOnnxBytes) {
      return error(Code::bad_format, "its constants in other files have {} bytes or more; allowed: {}", total_,
                   kMaxOnnxBytes);
    }
    const auto after = file.taken.lower_bound(offset);
    const bool over_next = after != file.taken.end() && after->first < offset + length;
    const bool over_last = after != file.taken.begin() && std::prev(after)->second > offset;
    if (length > 0 && (over_next || over_last)) {
      return error(Code::bad_format, "constant '{}' lies over another one in '{}'; allowed: each by itself", tensor,
                   location);
    }
    file.taken.emplace(offset, offset + length);
    return {};
  }

  std::filesystem::path folder_;
  std::map<std::filesystem::path, File> files_;
  std::uint64_t total_ = 0;
};

/// "0.485 0.456", or with commas, or in brackets.
Result<std::vector<double>> read_numbers(const std::string& key, std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == ',' || c == '[' || c == ']' || c == ';'; }, ' ');
  std::vector<double> out;
  constexpr std::size_t kMost = 64;
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    while (at < end && std::isspace(static_cast<unsigned char>(*at)) != 0) ++at;
    if (at == end) break;
    double number = 0;
    const auto parsed = std::from_chars(at, end, number);
    if (parsed.ec != std::errc{} || !std::isfinite(number) || out.size() == kMost) {
      return error(Code::bad_format, "its metadata '{}' is '{}'; allowed: up to {} finite numbers", key,
                   is_readable_name(text) ? text : "not readable", kMost);
    }
    out.push_back(number);
    at = parsed.ptr;
  }
  return out;
}

Result<double> read_number(const std::string& key, const std::string& text) {
  OBSCURA_TRY(const auto numbers, read_numbers(key, text));
  if (numbers.size() == 1) return numbers[0];
  return error(Code::bad_format, "its metadata '{}' has {} numbers; allowed: 1", key, numbers.size());
}

/// One a line.
Result<std::vector<std::string>> read_names(const std::string& text) {
  constexpr std::size_t kMost = 100'000;
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string name = text.substr(at, end - at);
    if (!name.empty() && name.back() == '\r') name.pop_back();
    if (!is_readable_name(name) || out.size() == kMost) {
      return error(Code::bad_format, "its metadata '{}' is not text with one name a line", kClassesKey);
    }
    out.push_back(std::move(name));
    at = end + 1;
  }
  return out;
}

void add_metadata(onnx::ModelProto& model, const char* key, const std::string& value) {
  auto* property = model.add_metadata_props();
  property->set_key(key);
  property->set_value(value);
}

}  // namespace

Result<void> inline_functions(onnx::ModelProto& model) {
  if (model.functions_size() == 0) return {};
  return Inliner(model).run(*model.mutable_graph());
}

Result<void> sort_nodes(onnx::GraphProto& graph) {
  std::unordered_map<std::string, int> makers;
  for (int i = 0; i < graph.node_size(); ++i) {
    for (const auto& output : graph.node(i).output()) {
      if (!output.empty()) makers.emplace(output, i);
    }
  }
  // How many inputs of each node are still to come, and who waits for a node.
  std::vector<int> missing(static_cast<std::size_t>(graph.node_size()), 0);
  std::vector<std::vector<int>> waiting(missing.size());
  bool sorted = true;
  for (int i = 0; i < graph.node_size(); ++i) {
    for (const auto& input : graph.node(i).input()) {
      const auto maker = makers.find(input);
      if (maker == makers.end()) continue;
      ++missing[static_cast<std::size_t>(i)];
      waiting[static_cast<std::size_t>(maker->second)].push_back(i);
      sorted = sorted && maker->second < i;
    }
  }
  if (sorted) return {};
  std::vector<int> order;
  for (int i = 0; i < graph.node_size(); ++i) {
    if (missing[static_cast<std::size_t>(i)] == 0) order.push_back(i);
  }
  for (std::size_t next = 0; next < order.size(); ++next) {
    for (const int reader : waiting[static_cast<std::size_t>(order[next])]) {
      if (--missing[static_cast<std::size_t>(reader)] == 0) order.push_back(reader);
    }
  }
  for (int i = 0; i < graph.node_size(); ++i) {
    if (missing[static_cast<std::size_t>(i)] == 0) continue;
    return error(Code::bad_format,
                 "node '{}' ({}) waits for its own output, through others or itself; allowed: no cycles",
                 graph.node(i).name(), graph.node(i).op_type());
  }
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  nodes.Swap(graph.mutable_node());
  for (const int i : order) *graph.add_node() = std::move(*nodes.Mutable(i));
  return {};
}

Result<void> load_external_data(onnx::GraphProto& graph, const std::filesystem::path& folder) {
  ExternalFiles files(folder);
  for (auto& tensor : *graph.mutable_initializer()) {
    if (tensor.data_location() == onnx::TensorProto::EXTERNAL) OBSCURA_TRY_VOID(files.load(tensor));
  }
  for (auto& node : *graph.mutable_node()) {
    for (auto& a : *node.mutable_attribute()) {
      if (a.has_t() && a.t().data_location() == onnx::TensorProto::EXTERNAL)
        OBSCURA_TRY_VOID(files.load(*a.mutable_t()));
    }
  }
  return {};
}

Result<Metadata> read_metadata(const onnx::ModelProto& model) {
  Metadata out;
  for (const auto& property : model.metadata_props()) {
    const std::string& key = property.key();
    if (key == kMeanKey) {
      OBSCURA_TRY(out.mean, read_numbers(key, property.value()));
    } else if (key == kDeviationKey) {
      OBSCURA_TRY(out.std, read_numbers(key, property.value()));
    } else if (key == kStandardiseKey) {
      OBSCURA_TRY(const std::vector<double> both, read_numbers(key, property.value()));
      const base::Standardisation own =
          both.size() == 2 ? base::Standardisation{both[0], both[1]} : base::Standardisation{};
      if (!own || base::fault_of(own)) {
        return error(Code::bad_format, "its metadata '{}' is '{}'; two numbers above 0, floor and clip, are allowed",
                     key, property.value());
      }
      out.standardise = own;
    } else if (key == kClassesKey) {
      OBSCURA_TRY(out.class_names, read_names(property.value()));
    } else if (key == kHeadroomKey) {
      OBSCURA_TRY(const double bits, read_number(key, property.value()));
      if (!(bits >= 0 && bits <= 1000)) return error(Code::bad_format, "its metadata '{}' is {}", key, bits);
      out.headroom_bits = static_cast<int>(bits);
    } else if (key == kMaxErrorKey) {
      OBSCURA_TRY(out.max_error, read_number(key, property.value()));
    }
  }
  return out;
}

void write_metadata(onnx::ModelProto& model, const Metadata& metadata) {
  if (!metadata.mean.empty()) add_metadata(model, kMeanKey, fmt::format("{}", fmt::join(metadata.mean, " ")));
  if (!metadata.std.empty()) {
    add_metadata(model, kDeviationKey, fmt::format("{}", fmt::join(metadata.std, " ")));
  }
  if (metadata.standardise) {
    add_metadata(model, kStandardiseKey, fmt::format("{} {}", metadata.standardise->floor, metadata.standardise->clip));
  }
  if (!metadata.class_names.empty()) {
    add_metadata(model, kClassesKey, fmt::format("{}", fmt::join(metadata.class_names, "\n")));
  }
  if (metadata.headroom_bits) add_metadata(model, kHeadroomKey, fmt::format("{}", *metadata.headroom_bits));
  if (metadata.max_error) add_metadata(model, kMaxErrorKey, fmt::format("{}", *metadata.max_error));
}

}  // namespace obscura::nn
