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
    return cost_.relinearize(choice_.log2_degree, choice_.prime_bits, current_.limbs,
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

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Variances of slot errors, element by element, followed through a schedule.
class ErrorModel {
 public:
  ErrorModel(const ckks::Params& params, const MonicNetwork& network, const Statistics& statistics, double input_scale)
      : params_(params), network_(network), statistics_(statistics), scale_(input_scale) {
    const double fresh = ckks::noise_of_encryption(params) / input_scale;
    variance_.assign(network.segments[0][0].matrix.cols, fresh * fresh);
  }

  /// The mean variance after the action, weights taken as exact.
  double follow(const Action& action) {
    switch (action.kind) {
      case Action::Kind::linear: {
        const SparseMatrix& matrix = network_.segments[action.segment][action.map].matrix;
        variance_ = multiply_squared(matrix, variance_);
        break;
      }
      case Action::Kind::square:
        square(action);
        break;
      case Action::Kind::combine:
        combine(action);
        break;
      case Action::Kind::relinearize:
        relinearize(action);
        break;
    }
    scale_ = action.output.scale;
    limbs_ = action.output.limbs;
    return mean(variance_);
  }

  void start(std::uint32_t limbs) { limbs_ = limbs; }

 private:
  /// variance = slope^2 * variance of x + through * what came between.
  void grow(const std::vector<double>& slope, const std::vector<double>* through, double between) {
    for (std::size_t i = 0; i < variance_.size(); ++i) {
      variance_[i] = slope[i] * x_variance_[i] + (through ? (*through)[i] * between : 0);
    }
  }

  void square(const Action& action) {
    const Slopes& slopes = statistics_.slopes[action.segment];
    if (action.outer) return grow(slopes.outer, &slopes.inner, fresh_);
    x_variance_ = variance_;
    x_scale_ = scale_;
    grow(slopes.square, nullptr, 0);
  }

  void combine(const Action& action) {
    const Slopes& slopes = statistics_.slopes[action.segment];
    if (!action.outer) {
      grow(slopes.shifted, nullptr, 0);
    } else {
      grow(slopes.result, &slopes.inner, fresh_);
    }
    if (!action.with_x) return;
    // The coefficient of x is rounded to a multiple of (scale of x) / (scale of the square).
    const double step = x_scale_ / action.output.scale;
    for (std::size_t i = 0; i < variance_.size(); ++i) variance_[i] += slopes.x_squared[i] * step * step / 12;
  }

  void relinearize(const Action& action) {
    const double switching = ckks::noise_of_switch(params_, limbs_) / scale_;
    const double rounding = ckks::noise_of_rounding(params_, 2) / action.output.scale;
    fresh_ = switching * switching + rounding * rounding;
    for (double& v : variance_) v += fresh_;
  }

  const ckks::Params& params_;
  const MonicNetwork& network_;
  const Statistics& statistics_;
  std::vector<double> variance_;
  std::vector<double> x_variance_;
  double fresh_ = 0;  ///< variance that the last relinearisation added
  double scale_ = 1;
  double x_scale_ = 1;
  std::uint32_t limbs_ = 0;
};

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

void set_errors(Schedule& schedule, const ckks::Params& params, const MonicNetwork& network,
                const Statistics& statistics, const std::vector<double>& rounding) {
  ErrorModel model(params, network, statistics, schedule.input_scale);
  model.start(schedule.limbs);
  for (Action& action : schedule.actions) {
    const double variance = model.follow(action);
    action.output.error_std = std::sqrt(variance + rounding[action.point]);
    action.output.max_abs = statistics.max_abs[action.point];
  }
}

}  // namespace obscura::compile
