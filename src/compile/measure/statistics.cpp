// SPDX-License-Identifier: Apache-2.0
#include "compile/measure/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/parallel.h"

namespace obscura::compile {
namespace {

constexpr std::size_t kArguments = 256;  // of each activation that are kept
/// values[element * kLanes + lane]
using Batch = std::vector<double>;

Batch load(const Images& images, std::size_t first, std::size_t lanes) {
  Batch batch(images.elements * kLanes, 0);
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    for (std::size_t i = 0; i < images.elements; ++i) {
      batch[i * kLanes + lane] = images.data[(first + lane) * images.elements + i];
    }
  }
  return batch;
}

Batch apply(const LinearMap& map, const LaneMatrix& matrix, const Batch& x) {
  Batch y(matrix.rows() * kLanes);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = map.bias[i / kLanes];
  matrix.add_product(x, y);
  return y;
}

/// Applies f(x, element) to each number.
template <class Function>
Batch map_elements(const Batch& x, Function f) {
  Batch y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = f(x[i], i / kLanes);
  return y;
}

void accumulate(std::vector<double>& into, const std::vector<double>& from) {
  for (std::size_t i = 0; i < into.size(); ++i) into[i] += from[i];
}

/// Runs batches through a network: visit(point, values) at each point, before(k, x, slopes) before each activation of
/// x: the slopes of its approximation, or none.
template <class Visit, class Before>
class Runner {
 public:
  Runner(const MonicNetwork& network, const Points& points, const LaneMaps& maps, Visit visit, Before before)
      : network_(network),
        points_(points),
        maps_(maps),
        visit_(visit),
        before_(before),
        left_(count_readers(network)),
        values_(network.junctions.size() + 1) {}

  Batch run(Batch image) {
    values_[0] = std::move(image);
    for (std::size_t j = 0; j < network_.junctions.size(); ++j) {
      const Junction& junction = network_.junctions[j];
      Batch x = sum(junction, false);
      if (is_product(junction)) {
        const Batch other = sum(junction, true);
        visit_(points_.factor(j, 0), x);
        visit_(points_.factor(j, 1), other);
        for (std::size_t i = 0; i < x.size(); ++i) x[i] *= other[i];
      }
      if (junction.branches.size() > 1) visit_(points_.sum(j), x);
      values_[j + 1] = junction.activation ? activate(*junction.activation, x) : std::move(x);
    }
    return std::move(values_.back());
  }

 private:
  /// Of the branches that are factors, or of the others.
  Batch sum(const Junction& junction, bool factor) {
    Batch out;
    for (const Branch& one : junction.branches) {
      if (one.factor != factor) continue;
      Batch more = branch(one);
      if (out.empty()) {
        out = std::move(more);
      } else {
        accumulate(out, more);
      }
    }
    return out;
  }

  Batch branch(const Branch& branch) {
    const std::size_t s = branch.segment;
    Batch x;
    for (std::size_t m = 0; m < network_.segments[s].size(); ++m) {
      x = apply(network_.segments[s][m], *maps_[s][m], m == 0 ? values_[branch.source] : x);
      visit_(points_.map(s, m), x);
    }
    if (--left_[branch.source] == 0) values_[branch.source] = Batch();
    return x;
  }

  Batch activate(std::size_t k, const Batch& x) {
    const MonicActivation& a = network_.activations[k];
    Batch out, slopes;
    if (a.approximation) {
      out.resize(x.size());
      slopes.resize(x.size());
      evaluate_sum(*a.approximation, x, out, slopes);
    }
    before_(k, x, slopes);
    if (a.approximation) {
      visit_(points_.square(k), out);
      if (!is_compound(a)) return out;
      for (std::size_t i = 0; i < out.size(); ++i) out[i] *= x[i];
      visit_(points_.result(k), out);
      return out;
    }
    Batch y = map_elements(x, [](double v, std::size_t) { return v * v; });
    visit_(points_.square(k), y);
    if (a.squares == 1) return y;
    if (!a.leading.empty()) return plain(k, x, std::move(y));
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += element(a.p, i / kLanes) * x[i] + element(a.q, i / kLanes);
    visit_(points_.shifted(k), y);
    for (double& v : y) v *= v;
    visit_(points_.outer_square(k), y);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += element(a.r, i / kLanes) * x[i];
    visit_(points_.result(k), y);
    return y;
  }

  /// Of x and its square, with `leading`.
  Batch plain(std::size_t k, const Batch& x, Batch y) {
    const MonicActivation& a = network_.activations[k];
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = element(a.leading, i / kLanes) * y[i] + element(a.p, i / kLanes) * x[i];
    }
    visit_(points_.shifted(k), y);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] *= x[i] * x[i];
    visit_(points_.outer_square(k), y);
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] += (element(a.q, i / kLanes) * x[i] + element(a.r, i / kLanes)) * x[i];
    }
    visit_(points_.result(k), y);
    return y;
  }

  const MonicNetwork& network_;
  const Points& points_;
  const LaneMaps& maps_;
  Visit visit_;
  Before before_;
  std::vector<std::size_t> left_;  ///< branches that still read a value
  std::vector<Batch> values_;
};

constexpr auto kNoHook = [](std::size_t, const Batch&, const Batch& = {}) {};

SquaredDerivatives no_derivatives(const MonicActivation& a) {
  const std::vector<double> zeros(a.elements, 0);
  const std::vector<double> two = is_compound(a) ? zeros : std::vector<double>();
  const std::vector<double> plain = a.leading.empty() ? std::vector<double>() : zeros;
  return {zeros, zeros, zeros, two, two, two, plain, plain, plain};
}

void add_derivatives(const MonicActivation& a, const Batch& batch, const Batch& slopes, std::size_t lanes,
                     SquaredDerivatives& sums) {
  if (a.approximation && !is_compound(a)) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (i % kLanes >= lanes) continue;
      sums.x_squared[i / kLanes] += batch[i] * batch[i];
      sums.square[i / kLanes] += slopes[i] * slopes[i];
    }
    return;
  }
  const auto add = [](std::vector<double>& into, std::size_t i, double derivative) {
    if (!into.empty()) into[i] += derivative * derivative;
  };
  for (std::size_t i = 0; i < a.elements; ++i) {
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const Derivatives at = derivatives(a, i, batch[i * kLanes + lane]);
      add(sums.x_squared, i, at.x);
      add(sums.square, i, at.square);
      add(sums.shifted, i, at.shifted);
      add(sums.inner, i, at.inner);
      add(sums.outer, i, at.outer);
      add(sums.result, i, at.result);
      add(sums.alone, i, at.alone);
      add(sums.of_u, i, at.of_u);
      add(sums.of_a, i, at.of_a);
    }
  }
}

/// For each derivative: f(field of a, field of b).
template <class Function>
void for_fields(SquaredDerivatives& a, const SquaredDerivatives& b, Function f) {
  for (const auto field : SquaredDerivatives::kAll) f(a.*field, b.*field);
}

/// What is taken away from the value at each point before it moves: of an activation, resting; of a map that others
/// follow in its segment, what it gives for an input that rests, since where it is a sum of slots (image layout) its
/// bias is left to the map after it.
std::vector<Elements> rests(const MonicNetwork& network, const Points& points) {
  std::vector<Elements> out(points.count(), Elements{0});
  for (std::size_t k = 0; k < network.activations.size(); ++k) {
    if (network.activations[k].squares == 2) out[points.result(k)] = {resting(network.activations[k])};
  }
  for (const Junction& junction : network.junctions) {
    for (const Branch& branch : junction.branches) {
      const Segment& segment = network.segments[branch.segment];
      if (segment.size() < 2) continue;
      const auto before = branch.source > 0 ? network.junctions[branch.source - 1].activation : std::nullopt;
      const double constant = before ? resting(network.activations[*before]) : 0;
      out[points.map(branch.segment, 0)] = add(segment[0].bias, multiply(segment[0].matrix, Elements{constant}));
    }
  }
  return out;
}

/// Means and sums of squared distances from them, of each output over the images of a batch, into `sums`.
void add_outputs(const Batch& logits, std::size_t lanes, Statistics& sums) {
  const auto images = static_cast<double>(lanes);
  for (std::size_t k = 0; k < logits.size() / kLanes; ++k) {
    const auto values = std::span(logits).subspan(k * kLanes, lanes);
    double mean = 0, squares = 0;
    for (const double x : values) mean += x / images;
    for (const double x : values) squares += (x - mean) * (x - mean);
    sums.output_mean.push_back(mean);
    sums.output_deviation.push_back(squares);
  }
}

/// The same of the images of both (Chan, Golub, LeVeque 1983): a mean far from 0 costs no digits.
void merge_outputs(Statistics& to, const Statistics& part) {
  const auto mine = static_cast<double>(to.images), others = static_cast<double>(part.images), all = mine + others;
  for (std::size_t k = 0; k < to.output_mean.size(); ++k) {
    const double distance = part.output_mean[k] - to.output_mean[k];
    to.output_mean[k] += distance * others / all;
    to.output_deviation[k] += part.output_deviation[k] + distance * distance * mine * others / all;
  }
  to.images += part.images;
}

/// By point: where what is known of it goes, in `of` by junction, if it is one of a product's two sums.
std::vector<std::vector<double>*> factor_places(const MonicNetwork& network, const Points& points,
                                                std::vector<std::array<std::vector<double>, 2>>& of) {
  std::vector<std::vector<double>*> out(points.count(), nullptr);
  of.resize(network.junctions.size());
  for (std::size_t j = 0; j < network.junctions.size(); ++j) {
    if (!is_product(network.junctions[j])) continue;
    for (std::size_t f = 0; f < 2; ++f) out[points.factor(j, f)] = &of[j][f];
  }
  return out;
}

/// Of each element, over the images of a batch.
std::vector<double> element_squares(const Batch& x, std::size_t lanes) {
  std::vector<double> out(x.size() / kLanes, 0);
  for (std::size_t e = 0; e < out.size(); ++e) {
    for (std::size_t lane = 0; lane < lanes; ++lane) out[e] += x[e * kLanes + lane] * x[e * kLanes + lane];
  }
  return out;
}

/// Sums over one batch, as Statistics; logit_deviation and output_deviation hold sums of squares.
Statistics measure_batch(const MonicNetwork& network, const Points& points, const LaneMaps& maps, const Images& images,
                         std::size_t first, const TakeArguments& take) {
  const std::size_t lanes = std::min(kLanes, images.count() - first);
  Statistics sums;
  sums.max_abs.assign(points.count(), 0);
  sums.max_moving.assign(points.count(), 0);
  sums.mean_square.assign(points.count(), 0);
  const std::vector<Elements> rest = rests(network, points);
  for (const auto& a : network.activations) sums.derivatives.push_back(no_derivatives(a));
  sums.arguments.resize(network.activations.size());
  const auto factors = factor_places(network, points, sums.factor_squares);
  Arguments arguments{
      std::vector<Batch>(network.activations.size()), std::vector<Batch>(network.activations.size()), {}};
  const auto products = factor_places(network, points, arguments.of_products);
  const auto visit = [&](std::size_t point, const Batch& x) {
    double largest = 0;
    double moving = 0;
    double squares = 0;
    for (std::size_t i = 0; i < x.size(); i += kLanes) {
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        largest = std::max(largest, std::abs(x[i + lane]));
        const double moved = x[i + lane] - element(rest[point], i / kLanes);
        moving = std::max(moving, std::abs(moved));
        squares += moved * moved;
      }
    }
    sums.max_abs[point] = largest;
    sums.max_moving[point] = moving;
    sums.mean_square[point] = squares * kLanes / static_cast<double>(x.size());
    if (factors[point] != nullptr) *factors[point] = element_squares(x, lanes);
    if (products[point] != nullptr && take) *products[point] = x;
  };
  const auto before = [&](std::size_t k, const Batch& x, const Batch& slopes) {
    if (take) arguments.of_activations[k] = x, arguments.slopes[k] = slopes;
    add_derivatives(network.activations[k], x, slopes, lanes, sums.derivatives[k]);
    for (std::size_t n = 0; first == 0 && n < kArguments; ++n) {
      sums.arguments[k].push_back(x[(n * (x.size() / kLanes) / kArguments) * kLanes + n % lanes]);
    }
  };
  const Batch logits = Runner(network, points, maps, visit, before).run(load(images, first, lanes));
  const std::size_t classes = logits.size() / kLanes;
  sums.images = lanes;
  add_outputs(logits, lanes, sums);
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    double mean = 0;
    for (std::size_t c = 0; c < classes; ++c) mean += logits[c * kLanes + lane] / static_cast<double>(classes);
    for (std::size_t c = 0; c < classes; ++c) {
      const double distance = logits[c * kLanes + lane] - mean;
      sums.logit_deviation += distance * distance;
    }
  }
  if (take) take(first / kLanes, std::move(arguments));
  return sums;
}

}  // namespace

const std::array<std::vector<double> SquaredDerivatives::*, 9> SquaredDerivatives::kAll = {
    &SquaredDerivatives::x_squared, &SquaredDerivatives::square, &SquaredDerivatives::shifted,
    &SquaredDerivatives::inner,     &SquaredDerivatives::outer,  &SquaredDerivatives::result,
    &SquaredDerivatives::alone,     &SquaredDerivatives::of_u,   &SquaredDerivatives::of_a};

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Points::Points(const MonicNetwork& network) : maps_(network.segments.size()) {
  for (const Junction& junction : network.junctions) {
    for (const Branch& branch : junction.branches) {
      maps_[branch.segment] = count_;
      count_ += network.segments[branch.segment].size();
    }
    if (is_product(junction)) count_ += 2;
    sums_.push_back(junction.branches.size() > 1 ? count_++ : count_ - 1);
    if (!junction.activation) continue;
    activations_.push_back(count_);
    const MonicActivation& a = network.activations[*junction.activation];
    count_ += a.squares == 2 ? 4 : is_compound(a) ? 2 : 1;
    results_.push_back(count_ - 1);
  }
}

double resting(const MonicActivation& activation) {
  if (activation.squares < 2 || !activation.leading.empty()) return 0;
  const Elements& q = activation.q;
  const bool same = std::all_of(q.begin(), q.end(), [&](double v) { return v == q[0]; });
  return same ? q[0] * q[0] : 0;
}

Statistics measure(const MonicNetwork& network, const LaneMaps& maps, const Images& images, const TakeArguments& take) {
  OBSCURA_CHECK(images.elements > 0 && images.count() > 0, "measure without images");
  const Points points(network);
  const std::size_t batches = (images.count() + kLanes - 1) / kLanes;
  // Each batch sums for itself, and the sums are added in order: the result does not depend on threads.
  std::vector<Statistics> parts(batches);
  base::parallel_for(batches,
                     [&](std::size_t b) { parts[b] = measure_batch(network, points, maps, images, b * kLanes, take); });
  Statistics out = std::move(parts[0]);
  for (std::size_t b = 1; b < batches; ++b) {
    for (std::size_t p = 0; p < points.count(); ++p) {
      out.max_abs[p] = std::max(out.max_abs[p], parts[b].max_abs[p]);
      out.max_moving[p] = std::max(out.max_moving[p], parts[b].max_moving[p]);
    }
    accumulate(out.mean_square, parts[b].mean_square);
    for (std::size_t k = 0; k < out.derivatives.size(); ++k)
      for_fields(out.derivatives[k], parts[b].derivatives[k], accumulate);
    for (std::size_t j = 0; j < out.factor_squares.size(); ++j) {
      for (std::size_t f = 0; f < 2; ++f) accumulate(out.factor_squares[j][f], parts[b].factor_squares[j][f]);
    }
    out.logit_deviation += parts[b].logit_deviation;
    merge_outputs(out, parts[b]);
  }
  const auto count = static_cast<double>(images.count());
  for (double& square : out.mean_square) square /= count;
  for (auto& derivatives : out.derivatives) {
    for_fields(derivatives, derivatives, [&](std::vector<double>& values, const std::vector<double>&) {
      for (double& v : values) v /= count;
    });
  }
  for (auto& factors : out.factor_squares) {
    for (std::vector<double>& squares : factors) {
      for (double& v : squares) v /= count;
    }
  }
  const std::uint32_t classes = network.segments.back().back().matrix.rows;
  out.logit_deviation = std::sqrt(out.logit_deviation / (count * classes));
  for (double& x : out.output_deviation) x = std::sqrt(x / count);
  out.max_logit = out.max_abs[points.output()];
  return out;
}

LaneMaps lane_maps(const MonicNetwork& network) {
  LaneMaps out;
  std::vector<std::pair<std::size_t, std::size_t>> all;
  for (std::size_t s = 0; s < network.segments.size(); ++s) {
    out.emplace_back(network.segments[s].size());
    for (std::size_t m = 0; m < network.segments[s].size(); ++m) all.emplace_back(s, m);
  }
  base::parallel_for(all.size(), [&](std::size_t i) {
    const auto [s, m] = all[i];
    out[s][m] = std::make_shared<const LaneMatrix>(network.segments[s][m].matrix);
  });
  return out;
}

std::vector<std::vector<double>> rounding_errors(const MonicNetwork& network, const LaneMaps& exact,
                                                 const std::vector<LaneMaps>& rounded, const Images& images) {
  const Points points(network);
  const std::size_t batches = (images.count() + kLanes - 1) / kLanes;
  const std::vector<std::vector<double>> none(rounded.size(), std::vector<double>(points.count(), 0));
  std::vector<std::vector<std::vector<double>>> parts(batches, none);
  base::parallel_for(batches, [&](std::size_t b) {
    const std::size_t lanes = std::min(kLanes, images.count() - b * kLanes);
    const Batch input = load(images, b * kLanes, lanes);
    std::vector<Batch> own(points.count());
    const auto keep = [&](std::size_t p, const Batch& x) { own[p] = x; };
    Runner(network, points, exact, keep, kNoHook).run(input);
    base::parallel_for(rounded.size(), [&](std::size_t k) {
      const auto compare = [&](std::size_t p, const Batch& x) {
        double sum = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
          if (i % kLanes < lanes) sum += (x[i] - own[p][i]) * (x[i] - own[p][i]);
        }
        parts[b][k][p] = sum * kLanes / static_cast<double>(x.size());
      };
      Runner(network, points, rounded[k], compare, kNoHook).run(input);
    });
  });
  std::vector<std::vector<double>> out = none;
  for (std::size_t k = 0; k < rounded.size(); ++k) {
    for (const auto& part : parts) accumulate(out[k], part[k]);
    for (double& v : out[k]) v /= static_cast<double>(images.count());
  }
  return out;
}

std::vector<double> evaluate(const MonicNetwork& network, const Images& images) {
  const Points points(network);
  const std::size_t classes = network.segments.back().back().matrix.rows;
  const LaneMaps maps = lane_maps(network);
  std::vector<double> out(images.count() * classes);
  base::parallel_for((images.count() + kLanes - 1) / kLanes, [&](std::size_t b) {
    const std::size_t lanes = std::min(kLanes, images.count() - b * kLanes);
    const Batch logits = Runner(network, points, maps, kNoHook, kNoHook).run(load(images, b * kLanes, lanes));
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      for (std::size_t c = 0; c < classes; ++c) out[(b * kLanes + lane) * classes + c] = logits[c * kLanes + lane];
    }
  });
  return out;
}

}  // namespace obscura::compile
