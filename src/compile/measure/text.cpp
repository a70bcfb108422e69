// SPDX-License-Identifier: Apache-2.0
#include "compile/measure/text.h"

#include <cmath>

namespace obscura::compile {

std::string to_text(const MonicNetwork& network, const Statistics& statistics,
                    const ErrorAmplification& amplification) {
  const Points points(network);
  std::string out = fmt::format("measured on {} images: largest logit {:.3g}, spread {:.3g}\n", statistics.images,
                                statistics.max_logit, statistics.logit_deviation);
  const auto line = [&](std::string_view what, std::size_t point, const std::string& origin) {
    out += fmt::format("  {:12} max {:<10.3g} rms {:<10.3g} error to logits {:<10.3g} {}\n", what,
                       statistics.max_abs[point], std::sqrt(statistics.mean_square[point]),
                       std::sqrt(amplification.from(point, points.output())), origin);
  };
  for (std::size_t j = 0; j < network.junctions.size(); ++j) {
    const Junction& junction = network.junctions[j];
    for (const Branch& branch : junction.branches) {
      const Segment& segment = network.segments[branch.segment];
      for (std::size_t m = 0; m < segment.size(); ++m) line("map", points.map(branch.segment, m), segment[m].origin);
    }
    if (junction.branches.size() > 1) line(is_product(junction) ? "product" : "sum", points.sum(j), junction.origin);
    if (!junction.activation) continue;
    line("activation", points.result(*junction.activation), network.activations[*junction.activation].origin);
  }
  return out;
}

std::string to_text(const MonicNetwork& network, const Rounding& rounding) {
  const std::size_t output = Points(network).output();
  std::string out = "rounding of weights, map by map\n";
  for (std::size_t s = 0; s < network.segments.size(); ++s) {
    for (std::size_t m = 0; m < network.segments[s].size(); ++m) {
      const MapRounding& map = rounding.map(s, m);
      const std::string effect =
          map.exact ? "exact" : fmt::format("{:.3g} at scale {:.4g}", std::sqrt(map.squares[output]), map.reference);
      out += fmt::format("  {:28} at most {:>2} bits  {}\n", effect, map.max_bits, network.segments[s][m].origin);
    }
  }
  return out;
}

}  // namespace obscura::compile
