// SPDX-License-Identifier: Apache-2.0
#include "calibrate/choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "approx/bent.h"
#include "approx/fit.h"

namespace obscura::calibrate {

eval::Substitution Choice::substitution() const {
  eval::Substitution out;
  for (const Chosen& one : chosen) out.emplace(one.node, one.activation);
  return out;
}

int Choice::depth() const {
  int sum = 0;
  for (const Chosen& one : chosen) sum += one.depth;
  return sum;
}

double Choice::products() const {
  double sum = 0;
  for (const Chosen& one : chosen) sum += one.products;
  return sum;
}

namespace {

/// Polynomials are fitted in u = unit_of(node) x. Of an lrn, whose sums of squares may be millions, u is what is added
/// to the bias.
double unit_of(const nn::Node& node) {
  return node.op == nn::Op::lrn ? node.attributes.alpha / static_cast<double>(node.attributes.size) : 1;
}

/// What stands for an activation, as a function of u.
approx::Function function_of(const nn::Node& node) {
  approx::Function out;
  if (node.op == nn::Op::max_pool) return out;
  if (node.op == nn::Op::function) return node.attributes.function;
  out.kind = approx::Function::Kind::power;
  out.beta = node.attributes.beta;
  out.bias = node.attributes.bias;
  return out;
}

/// The polynomial of u as one of x: Chebyshev coefficients do not change, intervals do.
approx::Activation in_arguments(approx::Activation fitted, double unit) {
  for (double* end :
       {&fitted.composite.stages.front().low, &fitted.composite.stages.front().high, &fitted.composite.certificate.low,
        &fitted.composite.certificate.high, &fitted.certificate.low, &fitted.certificate.high}) {
    *end /= unit;
  }
  return fitted;
}

int levels_for(std::int64_t count) {
  int levels = 0;
  while ((std::int64_t{1} << levels) < count) ++levels;
  return levels;
}

/// Where the polynomial of a range must hold: with a margin at each end, less where the function is not defined on all
/// of that (sums of squares are never negative, a root ends at 0).
std::pair<double, double> domain(const nn::Node& node, const Range& range, double margin) {
  constexpr int kHalvings = 8;
  const double reach = margin * range.largest();
  if (node.op == nn::Op::lrn) return {0, range.high + reach};
  const approx::Function function = function_of(node);
  const auto farthest = [&](double sign) {
    for (int k = 0; k < kHalvings; ++k) {
      const double more = std::ldexp(reach, -k);
      const bool allowed = sign < 0 ? check_domain(function, range.low - more, range.high).ok()
                                    : check_domain(function, range.low, range.high + more).ok();
      if (allowed) return sign * more;
    }
    return 0.0;
  };
  return {range.low + farthest(-1), range.high + farthest(1)};
}

double bound_of(const Range& range, double margin) { return range.largest() * (1 + margin); }

/// The calibrated arguments on the whole domain, with a small weight everywhere, which keeps a polynomial that fits
/// them from leaving the function where they are rare.
approx::Histogram spread(const Range& range, double low, double high) {
  constexpr double kEverywhere = 1e-3;   ///< share of the weight
  constexpr std::uint64_t kUnit = 1000;  ///< so that small weights are whole numbers
  const double width = (range.inputs.high - range.inputs.low) / static_cast<double>(range.inputs.counts.size());
  approx::Histogram out{low, high, std::vector<std::uint64_t>(kBins)};
  std::uint64_t total = 0;
  for (std::size_t bin = 0; bin < range.inputs.counts.size(); ++bin) {
    const double middle = range.inputs.low + width * (static_cast<double>(bin) + 0.5);
    const auto at = static_cast<std::size_t>((middle - low) / (high - low) * static_cast<double>(kBins));
    out.counts[std::min(at, kBins - 1)] += kUnit * range.inputs.counts[bin];
    total += kUnit * range.inputs.counts[bin];
  }
  const auto everywhere = static_cast<std::uint64_t>(kEverywhere * static_cast<double>(total) / kBins);
  for (std::uint64_t& count : out.counts) count += everywhere + 1;
  return out;
}

/// The mean of the squared error over the calibrated arguments, four samples a part of the histogram; 0 without one.
double mean_square(const nn::Node& node, const Range& range, const approx::Activation& activation) {
  constexpr std::size_t kSamples = 4;
  const approx::Function function = function_of(node);
  const approx::Replacement replacement(function, activation);
  const double unit = unit_of(node);
  const std::size_t bins = range.inputs.counts.size();
  if (bins == 0) return 0;
  const double width = (range.inputs.high - range.inputs.low) / static_cast<double>(bins);
  std::vector<double> samples;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    for (std::size_t k = 0; k < kSamples && range.inputs.counts[bin] > 0; ++k) {
      samples.push_back(range.inputs.low +
                        width * (static_cast<double>(bin) + (static_cast<double>(k) + 0.5) / kSamples));
    }
  }
  const std::vector<double> replaced = replacement(samples);
  double sum = 0, total = 0;
  for (std::size_t bin = 0, at = 0; bin < bins; ++bin) {
    if (range.inputs.counts[bin] == 0) continue;
    double squares = 0;
    for (const std::size_t end = at + kSamples; at < end; ++at) {
      const double difference = replaced[at] - approx::value(function, unit * samples[at]);
      // The output of an lrn is the input times this; its mean square is the sum's share of one channel.
      const double weight = node.op == nn::Op::lrn ? samples[at] / static_cast<double>(node.attributes.size) : 1;
      squares += weight * difference * difference;
    }
    const auto count = static_cast<double>(range.inputs.counts[bin]);
    sum += count * squares / kSamples;
    total += count;
  }
  const double mean = sum / total;
  if (node.op != nn::Op::max_pool) return mean;
  return mean * (levels_for(node.attributes.kernel[0]) + levels_for(node.attributes.kernel[1]));
}

Chosen make_chosen(const nn::Graph& graph, const Range& range, approx::Activation activation) {
  const nn::Node& node = graph.nodes[range.node];
  const auto values = static_cast<double>(nn::element_count(graph.values[node.output].shape));
  const auto& certificate = activation.certificate;
  Chosen out;
  out.node = range.node;
  for (const approx::Polynomial& stage : activation.composite.stages) out.degrees.push_back(stage.degree());
  out.depth = certificate.depth;
  out.products = values * certificate.multiplications;
  if (node.op == nn::Op::max_pool) {
    const auto [rows, columns] = node.attributes.kernel;
    out.depth *= levels_for(rows) + levels_for(columns);
    out.products *= static_cast<double>(rows * columns - 1);
  } else if (node.op == nn::Op::lrn) {
    out.depth += 2;  // the squares before and the product after
    out.products += 2 * values;
  }
  out.mean_square = mean_square(node, range, activation);
  out.activation = std::move(activation);
  return out;
}

/// An activation on [-1, 1] stretched to [-bound, bound]: y(x) = bound y(x / bound).
approx::Activation stretched(approx::Activation unit, double bound) {
  unit.bound = bound;
  unit.certificate.low = -bound;
  unit.certificate.high = bound;
  unit.certificate.max_error *= bound;
  return unit;
}

/// What can be told before anything is computed.
Result<void> check(const nn::Graph& graph, const Calibration& calibration, double margin) {
  if (!(margin >= 0 && margin <= kMaxMargin)) {
    return error(Code::wrong_params, "margin {}: from 0 to {} is allowed (a share of the largest argument)", margin,
                 kMaxMargin);
  }
  for (const Range& range : calibration.ranges) {
    const double bound = bound_of(range, margin);
    if (!eval::takes_relu(graph.nodes[range.node]) || bound <= approx::kMaxBound) continue;
    return error(
        Code::wrong_params,
        "node {} ({}): arguments up to {:.4g} and a margin of {} need a bound of {:.4g}; at most {} is allowed: "
        "calibrate "
        "with images like those that are to come, normalised as in training (--mean, --std), or train with a "
        "normalisation before it",
        range.name, range.operation, range.largest(), margin, bound, approx::kMaxBound);
  }
  return {};
}

Error at_node(const Range& range, const Error& error) {
  const char* way_out =
      error.code == Code::infeasible ? ": allow a larger error (a smaller --alpha, a larger --max-loss)" : "";
  return {error.code, fmt::format("node {} ({}): {}{}", range.name, range.operation, error.message, way_out)};
}

double sensitivity_of(const std::vector<double>& sensitivities, std::size_t i) {
  return sensitivities.empty() ? 0 : sensitivities[i];
}

/// What stands for a function of bends within `error`: the composition of least depth for each of its bends, or where
/// that costs no less a polynomial that ciphertexts take.
Result<approx::Activation> choose_bent(const approx::SignSearch& search, const approx::Function& function,
                                       const approx::BentLine& line, double error, double low, double high) {
  approx::Activation unit;
  unit.form = approx::Activation::Form::relu;
  unit.certificate.max_error = 1;
  const double worst = approx::bent("", line, unit, low, high).certificate.max_error;
  const auto sign = search.for_relu(std::max<double>(std::log2(worst / error), approx::kMinAlpha));
  std::optional<approx::Activation> bent;
  int most = approx::kMaxStageDegree;
  if (sign.ok()) {
    OBSCURA_TRY(unit, approx::relu(sign->choice, 1));
    bent = approx::bent(approx::name(function), line, unit, low, high);
    most = std::min(most, (1 << bent->certificate.depth) - 1);
  }
  OBSCURA_TRY(approx::Activation direct, approx::approximate(function, approx::Method::minimax, most, low, high));
  if (direct.certificate.max_error <= error) {
    OBSCURA_TRY(direct, approx::approximate_within(function, approx::Method::minimax, error, low, high));
    const auto cost = [](const approx::Activation& a) {
      return std::pair(a.certificate.depth, a.certificate.multiplications);
    };
    if (!bent || cost(direct) <= cost(*bent)) return direct;
  }
  if (bent) return std::move(*bent);
  return obscura::error(Code::infeasible,
                        "an error of {:.3g} on [{:.4g}, {:.4g}] takes {:.1f} bits of the ReLUs that it is made of; at "
                        "most {} are reached",
                        error, low, high, std::log2(worst / error), approx::kMaxAlpha);
}

/// Of a node, on its domain [low, high]: its bends there; nothing where there are none, so that a polynomial of few
/// degrees is exact, or where it is a maximum.
std::optional<approx::BentLine> bends_of(const nn::Node& node, double low, double high) {
  if (node.op != nn::Op::function) return std::nullopt;
  auto line = approx::bent_line(node.attributes.function);
  if (!line || approx::within(*line, low, high).bends.empty()) return std::nullopt;
  return line;
}

bool is_relu(const nn::Node& node) {
  using Kind = approx::Function::Kind;
  return node.op == nn::Op::max_pool || (node.op == nn::Op::function && node.attributes.function.kind == Kind::relu);
}

}  // namespace

Result<Choice> choose_alike(const nn::Graph& graph, const Calibration& calibration,
                            const std::vector<double>& sensitivities, int alpha, double margin) {
  OBSCURA_TRY_VOID(check(graph, calibration, margin));
  OBSCURA_TRY(const approx::Activation unit_relu, approx::relu(alpha, 1));
  std::optional<approx::SignSearch> search;
  Choice out;
  double squares = 0;
  for (std::size_t i = 0; i < calibration.ranges.size(); ++i) {
    const Range& range = calibration.ranges[i];
    const nn::Node& node = graph.nodes[range.node];
    approx::Activation activation;
    const auto [low, high] = domain(node, range, margin);
    const double error = std::ldexp(node.op == nn::Op::lrn ? 1 : range.largest(), -alpha);
    if (is_relu(node)) {
      activation = stretched(unit_relu, bound_of(range, margin));
    } else if (const auto line = bends_of(node, low, high)) {
      if (!search) search.emplace();
      auto chosen =
          choose_bent(*search, node.attributes.function, *line, std::ldexp(bound_of(range, margin), -alpha), low, high);
      if (!chosen) return at_node(range, chosen.error());
      activation = std::move(chosen).value();
    } else {
      const double unit = unit_of(node);
      auto fitted =
          approx::approximate_within(function_of(node), approx::Method::minimax, error, unit * low, unit * high);
      if (!fitted) return at_node(range, fitted.error());
      activation = in_arguments(std::move(fitted).value(), unit);
    }
    out.chosen.push_back(make_chosen(graph, range, std::move(activation)));
    squares += sensitivity_of(sensitivities, i) * out.chosen.back().mean_square;
  }
  out.logit_error = std::sqrt(squares);
  return out;
}

namespace {

/// Of polynomials that are fitted to arguments; levels of the least of them.
constexpr std::array<int, 5> kDegrees = {3, 7, 15, 31, 63};
constexpr int kLeastLevels = 2;

/// Every ReLU on [-1, 1] that no other beats in depth, products and precision; none where no range takes one.
Result<std::vector<approx::Activation>> unit_relus(const nn::Graph& graph, const Calibration& calibration,
                                                   int most_levels) {
  const auto& ranges = calibration.ranges;
  std::vector<approx::Activation> out;
  const auto takes_relu = [&](const Range& range) { return eval::takes_relu(graph.nodes[range.node]); };
  if (std::none_of(ranges.begin(), ranges.end(), takes_relu)) return out;
  approx::SearchOptions search;
  search.max_depth = most_levels - 1;  // the product takes one
  OBSCURA_TRY(const std::vector<approx::SignCandidate> front, approx::SignSearch().front(search));
  std::vector<std::optional<Result<approx::Activation>>> units(front.size());
  base::parallel_for(front.size(), [&](std::size_t k) { units[k] = approx::relu(front[k].choice, 1); });
  for (auto& unit : units) {
    if (!*unit) return unit->error();
    out.push_back(std::move(*unit).value());
  }
  return out;
}

/// What may stand for the activation of a range.
Result<std::vector<approx::Activation>> candidates_of(const nn::Graph& graph, const Range& range,
                                                      const std::vector<approx::Activation>& units, double margin,
                                                      int most_levels) {
  std::vector<approx::Activation> out;
  const nn::Node& node = graph.nodes[range.node];
  const auto [low, high] = domain(node, range, margin);
  const auto line = bends_of(node, low, high);
  for (std::size_t k = 0; k < units.size(); ++k) {
    if (is_relu(node)) out.push_back(stretched(units[k], bound_of(range, margin)));
    if (line && !is_relu(node)) {
      out.push_back(approx::bent(approx::name(node.attributes.function), *line, units[k], low, high));
    }
  }
  const double unit = unit_of(node);
  approx::Histogram inputs = spread(range, low, high);
  inputs.low *= unit;
  inputs.high *= unit;
  auto fitted = approx::approximate(function_of(node), inputs, kDegrees, unit * low, unit * high);
  if (!fitted) return at_node(range, fitted.error());
  for (approx::Activation& one : *fitted) out.push_back(in_arguments(std::move(one), unit));
  std::erase_if(out, [&](const approx::Activation& one) { return one.certificate.depth > most_levels; });
  return out;
}

}  // namespace

Result<LayerwiseChooser> LayerwiseChooser::make(const nn::Graph& graph, const Calibration& calibration,
                                                const std::vector<double>& sensitivities, double margin,
                                                int most_levels) {
  OBSCURA_TRY_VOID(check(graph, calibration, margin));
  OBSCURA_CHECK(sensitivities.size() == calibration.ranges.size(), "{} sensitivities of {} activations",
                sensitivities.size(), calibration.ranges.size());
  OBSCURA_CHECK(most_levels >= kLeastLevels && most_levels <= kMostLevels, "{} levels for an activation", most_levels);
  OBSCURA_TRY(const std::vector<approx::Activation> units, unit_relus(graph, calibration, most_levels));
  LayerwiseChooser out;
  out.layers_.resize(calibration.ranges.size());
  std::vector<std::optional<Error>> failures(calibration.ranges.size());
  base::parallel_for(calibration.ranges.size(), [&](std::size_t i) {
    const Range& range = calibration.ranges[i];
    auto candidates = candidates_of(graph, range, units, margin, most_levels);
    if (!candidates) {
      failures[i] = candidates.error();
      return;
    }
    for (approx::Activation& activation : *candidates) {
      Option option{make_chosen(graph, range, std::move(activation)), 0};
      option.error = sensitivities[i] * option.chosen.mean_square;
      out.layers_[i].push_back(std::move(option));
    }
  });
  for (const auto& failure : failures) {
    if (failure) return *failure;
  }
  return out;
}

namespace {

constexpr std::size_t kSteps = 16000;  ///< of a budget of products

}  // namespace

double LayerwiseChooser::Option::cost(Budget::Of of) const {
  return of == Budget::Of::depth ? chosen.depth : chosen.products;
}

double LayerwiseChooser::cheapest(std::size_t layer, Budget::Of of) const {
  double least = std::numeric_limits<double>::infinity();
  for (const Option& option : layers_[layer]) least = std::min(least, option.cost(of));
  return least;
}

LayerwiseChooser::Table LayerwiseChooser::tabulate(Budget::Of of, double limit) const {
  Table table;
  const double spare = limit - extreme(of, false);
  std::size_t size = 1;
  if (of == Budget::Of::depth) {
    size += static_cast<std::size_t>(spare);
  } else if (spare > 0) {
    table.unit = spare / static_cast<double>(kSteps);
    size += kSteps;
    // Where everything is within the limit, rounding must not take the dearest away.
    if (limit >= extreme(of, true)) size += layers_.size();
  }
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  table.least.assign(size, 0);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const double base = cheapest(i, of);
    std::vector<double> least(size, kInfinity);
    std::vector<Pick> pick(size);
    for (std::size_t k = 0; k < layers_[i].size(); ++k) {
      const double steps = std::ceil((layers_[i][k].cost(of) - base) / table.unit);
      if (steps >= static_cast<double>(size)) continue;
      const auto weight = static_cast<std::uint32_t>(steps);
      for (std::size_t w = weight; w < size; ++w) {
        const double error = table.least[w - weight] + layers_[i][k].error;
        if (error < least[w]) least[w] = error, pick[w] = {static_cast<std::uint32_t>(k), weight};
      }
    }
    table.least = std::move(least);
    table.picks.push_back(std::move(pick));
  }
  return table;
}

Choice LayerwiseChooser::trace(const Table& table, std::size_t steps) const {
  Choice out;
  out.logit_error = std::sqrt(table.least[steps]);
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Pick pick = table.picks[i][steps];
    out.chosen.push_back(layers_[i][pick.option].chosen);
    steps -= pick.steps;
  }
  std::reverse(out.chosen.begin(), out.chosen.end());
  return out;
}

double LayerwiseChooser::extreme(Budget::Of of, bool largest) const {
  double sum = 0;
  for (const auto& options : layers_) {
    const auto less = [of](const Option& a, const Option& b) { return a.cost(of) < b.cost(of); };
    const auto [low, high] = std::minmax_element(options.begin(), options.end(), less);
    sum += (largest ? high : low)->cost(of);
  }
  return sum;
}

Result<Choice> LayerwiseChooser::choose(const Budget& budget) const {
  const double least = extreme(budget.of, false);
  if (!(budget.limit >= least)) {
    return error(Code::infeasible, "a budget of {} {}: at least {} are needed", budget.limit,
                 budget.of == Budget::Of::depth ? "levels" : "products", least);
  }
  const Table table = tabulate(budget.of, std::min(budget.limit, extreme(budget.of, true)));
  return trace(table, table.least.size() - 1);
}

Result<Choice> LayerwiseChooser::choose_within(double logit_error, Budget::Of of) const {
  const Table table = tabulate(of, extreme(of, true));
  for (std::size_t steps = 0; steps < table.least.size(); ++steps) {
    if (table.least[steps] <= logit_error * logit_error) return trace(table, steps);
  }
  return error(Code::infeasible, "a logit error of {:.3g}: the candidates reach {:.3g}", logit_error,
               std::sqrt(table.least.back()));
}

}  // namespace obscura::calibrate
