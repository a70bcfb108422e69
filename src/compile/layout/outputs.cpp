// SPDX-License-Identifier: Apache-2.0
#include "compile/layout/outputs.h"

#include <cmath>
#include <utility>

namespace obscura::compile {
namespace {

double mean_square(const Elements& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return sum / static_cast<double>(values.size());
}

Elements without_zeros(Elements values) {
  const double least = largest(values) * 0x1p-21;
  for (double& v : values) v = v == 0 ? least : v;
  return values;
}

}  // namespace

std::vector<JunctionOutput> outputs_of(const MonicNetwork& network, const Points& points, std::size_t junction,
                                       double factor, std::uint32_t positions) {
  const auto& k = network.junctions[junction].activation;
  if (!k || network.activations[*k].leading.empty()) return {{{1}, {0}, factor, std::nullopt}};
  const MonicActivation& y = network.activations[*k];
  const Operation::Secondary x{points.sum(junction), points.result(*k), {}, 1, &SquaredDerivatives::alone};
  std::vector<JunctionOutput> out{{{1}, {0}, factor, x}};
  const auto add = [&](const Elements& scale, const Elements& shift, double over, auto derivative) {
    Operation::Secondary secondary = x;
    secondary.range = {largest(shift), largest(scale), 0};
    secondary.growth = mean_square(scale);
    secondary.derivative = derivative;
    out.push_back({y.elements > positions ? without_zeros(scale) : scale, shift, over, secondary});
  };
  if (!is_square(y)) add(y.leading, y.p, factor, &SquaredDerivatives::of_a);
  if (!is_zero(y.q)) {
    add(y.q, y.r, std::pow(factor, 3), &SquaredDerivatives::x_squared);
  } else if (!is_zero(y.r)) {
    add(y.r, {0}, std::pow(factor, 4), nullptr);  // b x at once
  }
  return out;
}

LinearMap first_map(const MonicNetwork& network, const Branch& branch, double factor_in) {
  LinearMap map = network.segments[branch.segment][0];
  const auto activation = branch.source > 0 ? network.junctions[branch.source - 1].activation : std::nullopt;
  const double constant = activation ? resting(network.activations[*activation]) : 0;
  if (constant != 0) {
    const std::vector<double> shift = multiply(map.matrix, Elements{constant});
    for (std::size_t r = 0; r < shift.size(); ++r) map.bias[r] += shift[r];
  }
  if (factor_in != 1) scale_columns(map.matrix, Elements{factor_in});
  return map;
}

Result<PreparedMap> map_of(Segment maps, const std::optional<WindowSum>& sum, const JunctionOutput& output,
                           bool first) {
  LinearMap& last = maps.back();
  const Elements scale = divide(output.scale, {output.factor});
  if (scale != Elements{1}) scale_rows(last.matrix, scale);
  for (std::size_t r = 0; r < last.bias.size(); ++r) {
    const double shift = first ? element(output.shift, r) : 0;
    last.bias[r] = (last.bias[r] * element(output.scale, r) + shift) / output.factor;
  }
  return prepare_map(std::move(maps), sum);
}

}  // namespace obscura::compile
