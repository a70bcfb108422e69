// SPDX-License-Identifier: Apache-2.0
#include "compile/front/check.h"

#include <algorithm>

namespace obscura::compile {
namespace {

/// Rows of a segment that reads so many elements; nothing where its maps do not fit each other.
std::optional<std::uint32_t> rows_of(const Segment& segment, std::uint32_t elements) {
  for (const LinearMap& map : segment) {
    if (map.matrix.cols != elements || map.bias.size() != map.matrix.rows) return std::nullopt;
    elements = map.matrix.rows;
  }
  return elements;
}

template <class Network>
Result<void> verify_network(const Network& network) {
  std::vector<std::uint32_t> elements{static_cast<std::uint32_t>(nn::element_count(network.input))};
  std::vector<bool> used(network.segments.size(), false);
  std::size_t activations = 0;
  for (std::size_t j = 0; j < network.junctions.size(); ++j) {
    const Junction& junction = network.junctions[j];
    const auto broken = [&](std::string_view what) {
      return error(Code::bad_format, "junction {} ({}): {}", j, junction.origin, what);
    };
    if (junction.branches.empty()) return broken("no branches");
    std::optional<std::uint32_t> rows;
    for (const Branch& branch : junction.branches) {
      if (branch.source > j) return broken("it reads a value that is not there yet");
      if (branch.segment >= used.size() || used[branch.segment]) return broken("its segment is another branch's");
      used[branch.segment] = true;
      const auto own = rows_of(network.segments[branch.segment], elements[branch.source]);
      if (!own || (rows && *rows != *own)) return broken("its maps do not fit each other");
      rows = own;
    }
    elements.push_back(*rows);
    if (!junction.activation) continue;
    if (*junction.activation != activations++ || *junction.activation >= network.activations.size()) {
      return broken("its activation is not the next one");
    }
    if (network.activations[*junction.activation].elements != *rows)
      return broken("its activation is of other elements");
  }
  const bool all = std::find(used.begin(), used.end(), false) == used.end();
  if (all && activations == network.activations.size()) return {};
  return error(Code::bad_format, "a segment or an activation is of no junction");
}

std::string describe(const PolynomialActivation& a) {
  if (a.approximation) return fmt::format("approximation of {} levels", levels(*a.approximation));
  return fmt::format("polynomial of degree {}", degree(a.coefficients));
}

std::string describe(const MonicActivation& a) {
  if (a.approximation) return fmt::format("approximation of {} levels", levels(*a.approximation));
  return fmt::format("{} square{}{}", a.squares, a.squares == 1 ? "" : "s", a.leading.empty() ? "" : ", per element");
}

template <class Network>
std::string text_of(const Network& network, const char* form) {
  std::string out = fmt::format("{} network '{}', input {}\n", form, network.name, nn::to_string(network.input));
  for (std::size_t j = 0; j < network.junctions.size(); ++j) {
    const Junction& junction = network.junctions[j];
    out += fmt::format("value {}{}{}\n", j + 1, is_product(junction) ? " (product)" : "",
                       junction.origin.empty() ? "" : ": " + junction.origin);
    for (const Branch& branch : junction.branches) {
      out += fmt::format("  of value {}{}{}\n", branch.source, branch.diagonal ? ", diagonal" : "",
                         branch.factor ? ", factor" : "");
      for (const LinearMap& map : network.segments[branch.segment]) {
        out += fmt::format("    map {} -> {}, {} weights: {}\n", map.matrix.cols, map.matrix.rows,
                           map.matrix.nonzeros(), map.origin);
      }
    }
    if (!junction.activation) continue;
    const auto& activation = network.activations[*junction.activation];
    out += fmt::format("  {} of {} elements: {}\n", describe(activation), activation.elements, activation.origin);
  }
  return out;
}

}  // namespace

Result<void> verify(const FusedNetwork& network) { return verify_network(network); }
Result<void> verify(const MonicNetwork& network) { return verify_network(network); }

std::string to_text(const FusedNetwork& network) { return text_of(network, "fused"); }
std::string to_text(const MonicNetwork& network) { return text_of(network, "monic"); }

}  // namespace obscura::compile
