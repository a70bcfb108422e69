// SPDX-License-Identifier: Apache-2.0
#include "compile/schedule.h"

#include <cmath>
#include <numeric>

#include "ckks/noise.h"

namespace obscura::compile {
namespace {

/// Appends actions and keeps track of the current value.
class Scheduler {
 public:
  Scheduler(const MonicNetwork& network, const Choice& choice, const CostModel& cost)
      : network_(network), choice_(choice), cost_(cost), points_(network) {
    current_.elements = network.segments[0][0].matrix.cols;
    current_.limbs = choice.limbs();
    out_.limbs = current_.limbs;
  }

  Schedule run() {
    std::size_t square = 0;
    std::size_t first_map = maps(0, 0, network_.segments[0].size());
    for (std::size_t k = 0; k < network_.activations.size(); ++k) {
      const std::uint32_t drop = activation(k, square);
      const Segment& segment = network_.segments[k + 1];
      const std::size_t position = relinearize_position(segment, drop);
      first_map = maps(k + 1, 0, position);
      relinearize(drop, position == 0 ? last_point(k) : points_.map(k + 1, position - 1));
      maps(k + 1, first_map, segment.size());
    }
    return std::move(out_);
  }

 private:
  /// The squares of activation k; the last stays with three parts. Returns the limbs to drop when it is relinearized.
  std::uint32_t activation(std::size_t k, std::size_t& square) {
    const MonicActivation& a = network_.activations[k];
    const plan::ValueId x = id_;
    push_square(k, false, points_.square(k));
    std::uint32_t drop = choice_.drops[square++];
    if (a.squares == 1) return drop;
    if (!is_zero(a.p) || !is_zero(a.q)) push_combine(k, x, false, !is_zero(a.p), points_.shifted(k));
    relinearize(drop, points_.shifted(k));
    push_square(k, true, points_.outer_square(k));
    drop = choice_.drops[square++];
    if (!is_zero(a.r)) push_combine(k, x, true, true, points_.result(k));
    return drop;
  }

  std::size_t last_point(std::size_t k) const {
    return network_.activations[k].squares == 2 ? points_.result(k) : points_.square(k);
  }

  /// How many of the maps to apply on three parts: where the whole is cheapest.
  std::size_t relinearize_position(const Segment& segment, std::uint32_t drop) const {
    std::size_t best = 0;
    double least = 0;
    for (std::size_t position = 0; position <= segment.size(); ++position) {
      double total = 0;
      std::uint64_t elements = current_.elements;
      for (std::size_t m = 0; m <= segment.size(); ++m) {
        if (m == position) total += static_cast<double>(elements) * key_switch(drop);
        if (m == segment.size()) break;
        const bool early = m < position;
        total += linear(segment[m], current_.limbs - (early ? 0 : drop), early ? 3 : 2);
        elements = segment[m].matrix.rows;
      }
      if (position == 0 || total < least) {
        best = position;
        least = total;
      }
    }
    return best;
  }

  double key_switch(std::uint32_t drop) const {
    return cost_.relinearize(choice_.log2_degree, choice_.largest_bits(), current_.limbs,
                             static_cast<std::uint32_t>(choice_.digit_limbs), drop);
  }
  double linear(const LinearMap& map, std::uint32_t limbs, std::uint32_t parts) const {
    return cost_.linear(choice_.log2_degree, limbs, parts, map.matrix.nonzeros(), map.matrix.cols, map.matrix.rows);
  }

  std::size_t maps(std::size_t segment, std::size_t first, std::size_t end) {
    for (std::size_t m = first; m < end; ++m) {
      const LinearMap& map = network_.segments[segment][m];
      out_.nanoseconds += linear(map, current_.limbs, current_.parts);
      current_.elements = map.matrix.rows;
      Action action;
      action.kind = Action::Kind::linear;
      action.segment = segment;
      action.map = m;
      push(action, points_.map(segment, m));
    }
    return end;
  }

  void push_square(std::size_t k, bool outer, std::size_t point) {
    out_.nanoseconds += current_.elements * cost_.square(choice_.log2_degree, current_.limbs);
    current_.parts = 3;
    Action action;
    action.kind = Action::Kind::square;
    action.segment = k;
    action.outer = outer;
    push(action, point);
  }

  void push_combine(std::size_t k, plan::ValueId x, bool outer, bool with_x, std::size_t point) {
    out_.nanoseconds += current_.elements * cost_.combine(choice_.log2_degree, current_.limbs, with_x ? 2 : 1);
    Action action;
    action.kind = Action::Kind::combine;
    action.segment = k;
    action.other = x;
    action.outer = outer;
    action.with_x = with_x;
    push(action, point);
  }

  void relinearize(std::uint32_t drop, std::size_t point) {
    out_.nanoseconds += current_.elements * key_switch(drop);
    current_.limbs -= drop;
    current_.parts = 2;
    Action action;
    action.kind = Action::Kind::relinearize;
    action.rescale = drop;
    push(action, point);
  }

  void push(Action action, std::size_t point) {
    action.input = id_++;
    action.point = point;
    action.output = current_;
    out_.actions.push_back(action);
  }

  const MonicNetwork& network_;
  const Choice& choice_;
  const CostModel& cost_;
  Points points_;
  Schedule out_;
  plan::ValueInfo current_;
  plan::ValueId id_ = 0;
};

/// Product of the primes that go when `count` of `limbs` limbs are dropped.
double dropped(const std::vector<std::uint64_t>& chain, std::uint32_t limbs, std::uint32_t count) {
  double product = 1;
  for (std::uint32_t i = limbs - count; i < limbs; ++i) product *= static_cast<double>(chain[i]);
  return product;
}

/// An error that entered at a place, before the growth of later steps.
struct Source {
  bool input = false;
  std::size_t point = 0;
  double variance = 0;
  bool of_encryption = true;  ///< depends on the key; else on the network alone
};

double squared(double x) { return x * x; }

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

std::uint32_t Choice::limbs() const { return std::accumulate(drops.begin(), drops.end(), final_limbs); }

Schedule make_schedule(const MonicNetwork& network, const Choice& choice, const CostModel& cost) {
  return Scheduler(network, choice, cost).run();
}

void set_scales(Schedule& schedule, const std::vector<std::uint64_t>& chain, const WeightScales& weights,
                double final_scale) {
  double scale = final_scale;
  for (auto action = schedule.actions.rbegin(); action != schedule.actions.rend(); ++action) {
    switch (action->kind) {
      case Action::Kind::linear:
        scale /= weights[action->segment][action->map];
        break;
      case Action::Kind::square:
        scale = std::sqrt(scale);
        break;
      case Action::Kind::combine:
        break;
      case Action::Kind::relinearize:
        scale *= dropped(chain, action->output.limbs + action->rescale, action->rescale);
        break;
    }
  }
  schedule.input_scale = scale;
  for (Action& action : schedule.actions) {
    switch (action.kind) {
      case Action::Kind::linear:
        scale *= weights[action.segment][action.map];
        break;
      case Action::Kind::square:
        scale *= scale;
        break;
      case Action::Kind::combine:
        break;
      case Action::Kind::relinearize:
        scale /= dropped(chain, action.output.limbs + action.rescale, action.rescale);
        break;
    }
    action.output.scale = scale;
  }
}

void set_errors(Schedule& schedule, const ckks::Params& params, const Statistics& statistics, const Gains& gains,
                const std::vector<double>& rounding) {
  std::vector<Source> sources;
  sources.push_back({true, 0, squared(ckks::noise_of_encryption(params) / schedule.input_scale)});
  const double rounded = ckks::noise_of_rounding(params, 2);
  double scale = schedule.input_scale;
  std::vector<double> scales{scale};
  for (Action& action : schedule.actions) {
    const double out = action.output.scale;
    if (action.kind == Action::Kind::relinearize) {
      const double switched = ckks::noise_of_switch(params, action.output.limbs + action.rescale) / scale;
      sources.push_back({false, action.point, squared(switched) + squared(rounded / out)});
    }
    if (action.with_x) {
      // The coefficient of x is rounded to a multiple of (scale of x) / (scale of the square).
      const double x = mean(statistics.slopes[action.segment].x_squared);
      sources.push_back({false, action.point, x * squared(scales[action.other] / out) / 12, false});
    }
    double noise = 0;
    double other = rounding[action.point];
    for (const Source& source : sources) {
      const double gain = source.input ? gains.from_input(action.point) : gains.from(source.point, action.point);
      (source.of_encryption ? noise : other) += gain * source.variance;
    }
    action.output.error_std = std::sqrt(noise + other);
    schedule.noise_std = std::sqrt(noise);
    action.output.max_abs = statistics.max_abs[action.point];
    scale = out;
    scales.push_back(scale);
  }
}

}  // namespace obscura::compile
