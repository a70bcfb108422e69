// SPDX-License-Identifier: Apache-2.0
#include "calibrate/ranges_file.h"

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/files.h"
#include "eval/network.h"
#include "nn/operators.h"

namespace obscura::calibrate {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kKind = "obscura ranges";
constexpr int kVersion = 1;
constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 48;

/// A member of a JSON object as T; nothing where it is absent or of another type.
template <class T>
std::optional<T> member(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  if (found == object.end()) return {};
  if constexpr (std::is_same_v<T, std::string>) {
    if (!found->is_string()) return {};
  } else if constexpr (std::is_same_v<T, double>) {
    if (!found->is_number()) return {};
  } else {
    if (!found->is_number_unsigned()) return {};
  }
  return found->get<T>();
}

Result<approx::Histogram> read_histogram(const Json& entry, double low, double high, const std::string& where) {
  const auto counts = entry.find("counts");
  if (counts == entry.end() || !counts->is_array() || counts->empty() || counts->size() > approx::kMaxBins) {
    return error(Code::bad_format, "{}: `counts` must be a list of 1 to {} numbers", where, approx::kMaxBins);
  }
  approx::Histogram out{low, high, {}};
  std::uint64_t total = 0;
  for (const Json& count : *counts) {
    if (!count.is_number_unsigned() || count.get<std::uint64_t>() > kMaxCount - total) {
      return error(Code::bad_format, "{}: counts must be whole numbers with a sum up to 2^48", where);
    }
    total += out.counts.emplace_back(count.get<std::uint64_t>());
  }
  if (total == 0) return error(Code::bad_format, "{}: all counts are 0", where);
  return out;
}

Result<Range> read_range(const Json& entry, const std::string& where) {
  const auto node = member<std::string>(entry, "node");
  const auto low = member<double>(entry, "low"), high = member<double>(entry, "high");
  if (!node || !low || !high) {
    return error(Code::bad_format, "{}: `node` (a text), `low` and `high` (numbers) are needed", where);
  }
  if (!(*low < *high)) {
    return error(Code::bad_format, "{} ({}): the range {} to {} is empty", where, *node, *low, *high);
  }
  // Arguments are floats.
  constexpr double kLargest = std::numeric_limits<float>::max();
  if (*low < -kLargest || *high > kLargest) {
    return error(Code::bad_format, "{} ({}): the range {} to {} is beyond that of floats", where, *node, *low, *high);
  }
  Range range;
  range.name = *node;
  range.low = *low;
  range.high = *high;
  OBSCURA_TRY(range.inputs, read_histogram(entry, *low, *high, where));
  return range;
}

/// Fills in which nodes of the graph the ranges belong to.
Result<void> match(Calibration& calibration, const nn::Graph& graph, const std::string& name) {
  std::size_t next = 0;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const nn::Node& node = graph.nodes[i];
    if (!eval::is_activation(node)) continue;
    if (next == calibration.ranges.size() || calibration.ranges[next].name != node.name) {
      return error(Code::wrong_params,
                   "{}: made for another network: its activation {} is {}, the network's is {} ({})", name, next + 1,
                   next == calibration.ranges.size() ? "absent" : calibration.ranges[next].name, node.name,
                   nn::operator_name(node));
    }
    if (node.op == nn::Op::lrn && calibration.ranges[next].low < 0) {
      return error(Code::bad_format, "{}: activation {} ({}): sums of squares from {}; they are never negative", name,
                   next + 1, node.name, calibration.ranges[next].low);
    }
    calibration.ranges[next].node = i;
    calibration.ranges[next].operation = nn::operator_name(node);
    ++next;
  }
  if (next == calibration.ranges.size()) return {};
  return error(Code::wrong_params, "{}: made for another network: {} activations, the network has {}", name,
               calibration.ranges.size(), next);
}

}  // namespace

base::Bytes write_ranges(const Calibration& calibration, const std::string& network) {
  Json json = {{"kind", kKind}, {"version", kVersion}, {"network", network}, {"images", calibration.images}};
  Json& list = json["activations"] = Json::array();
  for (const Range& range : calibration.ranges) {
    list.push_back({{"node", range.name},
                    {"operator", range.operation},
                    {"low", range.low},
                    {"high", range.high},
                    {"counts", range.inputs.counts}});
  }
  // What is not UTF-8 in a name becomes U+FFFD.
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  base::Bytes bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

Result<Calibration> read_ranges(base::ByteView bytes, const nn::Graph& graph, const std::string& name) {
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || member<std::string>(json, "kind") != std::string(kKind)) {
    return error(Code::bad_format, "{}: not a file of ranges; `obscura calibrate` writes them", name);
  }
  if (member<std::uint64_t>(json, "version") != std::uint64_t{kVersion}) {
    return error(Code::bad_format, "{}: a version of ranges other than {}", name, kVersion);
  }
  const auto images = member<std::uint64_t>(json, "images");
  const auto list = json.find("activations");
  if (!images || list == json.end() || !list->is_array()) {
    return error(Code::bad_format, "{}: `images` (a number) and `activations` (a list) are needed", name);
  }
  Calibration calibration;
  calibration.images = *images;
  for (const Json& entry : *list) {
    const std::string where = fmt::format("{}: activation {}", name, calibration.ranges.size() + 1);
    OBSCURA_TRY(Range range, read_range(entry, where));
    calibration.ranges.push_back(std::move(range));
  }
  OBSCURA_TRY_VOID(match(calibration, graph, name));
  return calibration;
}

Result<Calibration> read_ranges_file(const std::filesystem::path& path, const nn::Graph& graph) {
  OBSCURA_TRY(const base::Bytes bytes, base::read_file(path, kMaxRangesBytes));
  return read_ranges(bytes, graph, path.string());
}

}  // namespace obscura::calibrate
