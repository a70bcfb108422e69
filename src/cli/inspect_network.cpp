// SPDX-License-Identifier: Apache-2.0
#include "cli/inspect_network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "cli/answers.h"
#include "cli/support.h"
#include "compile/answer.h"
#include "compile/front/layers.h"
#include "compile/readiness.h"
#include "nn/operators.h"

namespace obscura::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Longer names keep their ends, which differ.
constexpr std::size_t kLongestName = 40;
/// Reasons that are printed; JSON has all.
constexpr std::size_t kMostReasons = 5;

struct NodeRow {
  std::string name;
  std::string type;
  nn::Shape shape;
  std::uint64_t parameters = 0;
  std::uint64_t multiply_adds = 0;
  const compile::NodeReadiness* ready = nullptr;
};

std::vector<NodeRow> rows_of(const nn::Graph& graph, const compile::Readiness& readiness) {
  std::vector<NodeRow> rows;
  std::set<nn::ValueId> seen;  // weights that several nodes read count once
  for (std::size_t k = 0; k < graph.nodes.size(); ++k) {
    const nn::Node& node = graph.nodes[k];
    NodeRow row{node.name,
                nn::operator_name(node),
                graph.values[node.output].shape,
                0,
                compile::multiply_adds(graph, node),
                &readiness.nodes[k]};
    for (const nn::ValueId id : node.inputs) {
      const auto& constant = graph.values[id].constant;
      if (constant && seen.insert(id).second) row.parameters += constant->data.size();
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string shortened(const std::string& name) {
  return name.size() <= kLongestName ? name : "..." + name.substr(name.size() - kLongestName + 3);
}

/// "1.23 M": what a person compares.
std::string short_number(std::uint64_t count) {
  if (count < 10'000) return count == 0 ? "" : std::to_string(count);
  const bool millions = count >= 10'000'000;
  return fmt::format("{:.{}f} {}", static_cast<double>(count) / (millions ? 1e6 : 1e3),
                     count / (millions ? 1'000'000 : 1'000) < 100 ? 1 : 0, millions ? "M" : "k");
}

std::string table(const std::vector<NodeRow>& rows) {
  std::size_t name = 4, type = 8, shape = 5;
  for (const NodeRow& row : rows) {
    name = std::max(name, shortened(row.name).size());
    type = std::max(type, row.type.size());
    shape = std::max(shape, nn::to_string(row.shape).size());
  }
  const auto line = [&](const auto&... column) {
    return fmt::format("  {:{}}  {:{}}  {:{}}  {:>10}  {:>10}  {}\n", column...);
  };
  std::string out = line("node", name, "operator", type, "shape", shape, "parameters", "mult-adds", "under encryption");
  for (const NodeRow& row : rows) {
    const std::string form = row.ready->standing == compile::Standing::never ? "never" : row.ready->form;
    out += line(shortened(row.name), name, row.type, type, nn::to_string(row.shape), shape,
                short_number(row.parameters), short_number(row.multiply_adds), form);
  }
  return out;
}

const char* to_string(compile::Standing standing) {
  switch (standing) {
    case compile::Standing::exact:
      return "exact";
    case compile::Standing::approximation:
      return "approximation";
    case compile::Standing::never:
      break;
  }
  return "never";
}

const char* to_string(compile::Verdict verdict) {
  switch (verdict) {
    case compile::Verdict::ready:
      return "ready";
    case compile::Verdict::options:
      return "options";
    case compile::Verdict::never:
      break;
  }
  return "never";
}

Json json_of(const NodeRow& row) {
  Json out = {{"name", row.name},
              {"operator", row.type},
              {"shape", row.shape},
              {"parameters", row.parameters},
              {"multiply_adds", row.multiply_adds},
              {"standing", to_string(row.ready->standing)},
              {"form", row.ready->form}};
  if (!row.ready->why.empty()) out["why"] = row.ready->why;
  return out;
}

std::string input_text(const nn::Graph& graph) {
  const nn::Metadata& metadata = graph.metadata;
  std::string text = fmt::format("images of {}", nn::to_string(graph.values[graph.input].shape));
  if (metadata.mean.empty() && metadata.std.empty()) return text + "; the file says nothing of a normalisation";
  if (!metadata.mean.empty()) text += fmt::format(", mean {:.4g}", fmt::join(metadata.mean, ", "));
  if (!metadata.std.empty()) text += fmt::format(", std {:.4g}", fmt::join(metadata.std, ", "));
  text += " (of pixel / 255, from the file)";
  return text + base::describe(metadata.standardise.value_or(base::Standardisation{}));
}

/// Why nodes can not be compiled, but that of the verdict.
std::string other_reasons(const compile::Readiness& readiness) {
  std::vector<std::string> reasons;
  for (std::size_t k = 0; k < readiness.nodes.size(); ++k) {
    const bool never = readiness.nodes[k].standing == compile::Standing::never;
    if (never && readiness.obstacle != k) reasons.push_back(readiness.nodes[k].why);
  }
  std::string text;
  for (std::size_t i = 0; i < std::min(reasons.size(), kMostReasons); ++i) text += "  too: " + reasons[i] + "\n";
  if (reasons.size() > kMostReasons) text += fmt::format("  and {} more\n", reasons.size() - kMostReasons);
  return text;
}

}  // namespace

Result<Answer> inspect_network(const std::string& path, const nn::ReadOptions& options, const BoundsOptions& bounds) {
  OBSCURA_TRY(const nn::Graph graph, nn::read_onnx_file(path, options));
  const compile::Readiness readiness = compile::readiness(graph);
  const std::vector<NodeRow> rows = rows_of(graph, readiness);
  std::uint64_t parameters = 0, multiply_adds = 0;
  Json nodes = Json::array();
  for (const NodeRow& row : rows) {
    parameters += row.parameters;
    multiply_adds += row.multiply_adds;
    nodes.push_back(json_of(row));
  }
  const nn::Shape& output = graph.values[graph.output].shape;
  const auto answer = compile::answer_of(graph, std::nullopt, graph.metadata.class_names);
  Answer out;
  out.json = {{"kind", "network"},
              {"network", graph.name},
              {"input", graph.values[graph.input].shape},
              {"output", output},
              {"mean", graph.metadata.mean},
              {"std", graph.metadata.std},
              {"standardise", standardise_json(graph.metadata.standardise.value_or(base::Standardisation{}))},
              {"answer", answer.ok() ? answer_json(*answer) : Json(nullptr)},
              {"nodes", std::move(nodes)},
              {"parameters", parameters},
              {"multiply_adds", multiply_adds},
              {"verdict", to_string(readiness.verdict)},
              {"sentence", readiness.sentence}};
  if (readiness.obstacle) out.json["obstacle"] = graph.nodes[*readiness.obstacle].name;
  const auto outputs = static_cast<std::uint32_t>(nn::element_count(output));
  out.text = fmt::format("network {}\n  input: {}\n  answer: {}\n", graph.name, input_text(graph),
                         answer.ok() ? plan::describe(*answer, outputs) : answer.error().message);
  out.text += table(rows);
  out.text += fmt::format("  {}, {} parameters, {} multiply-adds for one image\n", api::plural(rows.size(), "node"),
                          parameters, multiply_adds);
  out.text += fmt::format("verdict: {}\n", readiness.sentence) + other_reasons(readiness);
  if (bounds.wanted) OBSCURA_TRY_VOID(add_bounds(graph, path, bounds, out));
  return out;
}

}  // namespace obscura::cli
