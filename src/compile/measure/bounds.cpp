// SPDX-License-Identifier: Apache-2.0
#include "compile/measure/bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel.h"

namespace obscura::compile {
namespace {

constexpr double kUnit = std::numeric_limits<double>::epsilon();

struct Interval {
  double low = 0;
  double high = 0;
};

double size_of(Interval x) { return std::max(std::abs(x.low), std::abs(x.high)); }

/// By what `operations` roundings of numbers up to `size` may have moved its ends.
Interval widened(Interval x, double operations, double size) {
  const double more = std::isfinite(size) ? operations * kUnit * size : 0;
  return {x.low - more, x.high + more};
}

/// 0 times infinity is 0 here: a weight of 0 reads nothing.
Interval scaled_by(double factor, Interval x) {
  if (factor == 0) return {};
  return factor > 0 ? Interval{factor * x.low, factor * x.high} : Interval{factor * x.high, factor * x.low};
}

Interval interval_sum(Interval a, Interval b) { return {a.low + b.low, a.high + b.high}; }

Interval squared_interval(Interval x) {
  const double most = size_of(x) * size_of(x);
  const double nearest = x.low > 0 ? x.low : x.high < 0 ? -x.high : 0;
  return widened({nearest * nearest, most}, 2, most);
}

Interval interval_at(const Box& box, std::size_t i) { return {box.low[i], box.high[i]}; }

/// f(element) for each.
template <class Function>
Box make_box(std::size_t elements, Function f) {
  Box out{std::vector<double>(elements), std::vector<double>(elements)};
  constexpr std::size_t kBlock = 256;
  base::parallel_for((elements + kBlock - 1) / kBlock, [&](std::size_t block) {
    for (std::size_t i = block * kBlock; i < std::min(elements, (block + 1) * kBlock); ++i) {
      const Interval interval = f(i);
      out.low[i] = interval.low;
      out.high[i] = interval.high;
    }
  });
  return out;
}

Box mapped(const LinearMap& map, const Box& x) {
  const SparseMatrix& w = map.matrix;
  return make_box(w.rows, [&](std::size_t r) {
    Interval y{map.bias[r], map.bias[r]};
    double size = std::abs(map.bias[r]);
    for (std::uint64_t k = w.start[r]; k < w.start[r + 1]; ++k) {
      const Interval term = scaled_by(w.value[k], interval_at(x, w.column[k]));
      y = interval_sum(y, term);
      size += size_of(term);
    }
    return widened(y, static_cast<double>(w.start[r + 1] - w.start[r]) + 2, size);
  });
}

Box box_sum(const Box& a, const Box& b) {
  return make_box(a.low.size(), [&](std::size_t i) {
    return widened(interval_sum(interval_at(a, i), interval_at(b, i)), 2,
                   size_of(interval_at(a, i)) + size_of(interval_at(b, i)));
  });
}

double largest_in(const Box& box) {
  double out = 0;
  for (std::size_t i = 0; i < box.low.size(); ++i) out = std::max(out, size_of(interval_at(box, i)));
  return out;
}

/// Goes through a network as statistics.cpp's Runner does, with boxes for values.
class BoxRunner {
 public:
  BoxRunner(const MonicNetwork& network, Box images)
      : network_(network), points_(network), max_abs_(points_.count(), 0), values_(network.junctions.size() + 1) {
    values_[0] = std::move(images);
  }

  std::vector<double> run() {
    for (std::size_t j = 0; j < network_.junctions.size(); ++j) {
      const Junction& junction = network_.junctions[j];
      Box x = sum_of(junction);
      visit(points_.sum(j), x);
      values_[j + 1] = junction.activation ? activate(*junction.activation, x) : std::move(x);
    }
    return std::move(max_abs_);
  }

 private:
  Box sum_of(const Junction& junction) {
    Box out;
    for (const Branch& branch : junction.branches) {
      Box x;
      for (std::size_t m = 0; m < network_.segments[branch.segment].size(); ++m) {
        x = mapped(network_.segments[branch.segment][m], m == 0 ? values_[branch.source] : x);
        visit(points_.map(branch.segment, m), x);
      }
      out = out.low.empty() ? std::move(x) : box_sum(out, x);
    }
    return out;
  }

  /// x^2; or (x^2 + p x + q)^2 + r x, with x^2 + p x + q = (x + p/2)^2 + q - p^2/4.
  Box activate(std::size_t k, const Box& x) {
    const MonicActivation& a = network_.activations[k];
    const std::size_t count = x.low.size();
    Box y = make_box(count, [&](std::size_t i) { return squared_interval(interval_at(x, i)); });
    visit(points_.square(k), y);
    if (a.squares == 1) return y;
    y = make_box(count, [&](std::size_t i) {
      const double half = element(a.p, i) / 2;
      const double rest = element(a.q, i) - half * half;
      const Interval moved = squared_interval(
          widened(interval_sum(interval_at(x, i), {half, half}), 2, size_of(interval_at(x, i)) + std::abs(half)));
      return widened(interval_sum(moved, {rest, rest}), 4, size_of(moved) + std::abs(element(a.q, i)) + half * half);
    });
    visit(points_.shifted(k), y);
    y = make_box(count, [&](std::size_t i) { return squared_interval(interval_at(y, i)); });
    visit(points_.outer_square(k), y);
    y = make_box(count, [&](std::size_t i) {
      const Interval slope = scaled_by(element(a.r, i), interval_at(x, i));
      return widened(interval_sum(interval_at(y, i), slope), 3, size_of(interval_at(y, i)) + size_of(slope));
    });
    visit(points_.result(k), y);
    return y;
  }

  void visit(std::size_t point, const Box& box) { max_abs_[point] = largest_in(box); }

  const MonicNetwork& network_;
  Points points_;
  std::vector<double> max_abs_;
  std::vector<Box> values_;
};

double bits_between(double bound, double seen) {
  if (bound <= seen) return 0;
  return std::isfinite(bound) && seen > 0 ? std::log2(bound / seen) : std::numeric_limits<double>::infinity();
}

}  // namespace

Box box_of_images(const base::Normaliser& normaliser) {
  OBSCURA_CHECK(normaliser.mean.size() == normaliser.channels && normaliser.deviation.size() == normaliser.channels,
                "{} means and {} deviations for {} channels", normaliser.mean.size(), normaliser.deviation.size(),
                normaliser.channels);
  const double clip = normaliser.standardise.clip;
  return make_box(normaliser.channels * normaliser.plane, [&](std::size_t i) {
    const std::size_t c = i / normaliser.plane;
    const double deviation = normaliser.deviation[c];
    const Interval box = normaliser.standardise
                             ? Interval{-clip, clip}
                             : Interval{-normaliser.mean[c] / deviation, (1 - normaliser.mean[c]) / deviation};
    // Pixels enter as floats, which round once more.
    return widened(box, 1, size_of(box) * std::numeric_limits<float>::epsilon() / kUnit);
  });
}

Result<std::vector<double>> bounds(const MonicNetwork& network, const Box& images) {
  for (const MonicActivation& activation : network.activations) {
    if (!activation.approximation) continue;
    return error(Code::unsupported,
                 "network '{}': {} is approximated by a polynomial that holds on its interval only, so that nothing "
                 "bounds what follows; bounds are for networks whose activations are polynomials of degree 2 and 4",
                 network.name, activation.origin);
  }
  return BoxRunner(network, images).run();
}

double BoundedValue::bits() const { return bits_between(bound, seen); }

Result<BoundedNetwork> bound_values(const nn::Graph& graph, const Box& images, std::span<const float> some) {
  OBSCURA_TRY(FusedNetwork fused, fuse(graph));
  OBSCURA_TRY(const MonicNetwork network, make_monic(std::move(fused)));
  OBSCURA_TRY(const std::vector<double> most, bounds(network, images));
  const Images calibration{some, images.low.size()};
  const Statistics statistics = measure(network, calibration);
  const Points points(network);
  BoundedNetwork out;
  out.images = calibration.count();
  for (std::size_t j = 0; j < network.junctions.size(); ++j) {
    const Junction& junction = network.junctions[j];
    if (!junction.activation && j + 1 < network.junctions.size()) continue;
    const std::size_t point = points.sum(j);
    const std::uint32_t elements = network.segments[junction.branches[0].segment].back().matrix.rows;
    out.values.push_back({junction.activation ? network.activations[*junction.activation].origin : "logits", elements,
                          most[point], statistics.max_abs[point]});
  }
  for (std::size_t p = 0; p < points.count(); ++p) {
    out.bits = std::max(out.bits, bits_between(most[p], statistics.max_abs[p]));
  }
  return out;
}

}  // namespace obscura::compile
