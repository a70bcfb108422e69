// SPDX-License-Identifier: Apache-2.0
#include "compile/schedule/batch_schedule.h"

#include <cmath>
#include <numeric>

#include "ckks/noise.h"

namespace obscura::compile {
namespace {

/// Of a branch whose value nobody else fixes: its weights are left about as many bits as those of other maps.
constexpr double kRoomBeside = 0x1p5;
constexpr double kDiagonalRoom = 0x1p10;

/// Appends actions and keeps track of the values.
class Scheduler {
 public:
  Scheduler(const MonicNetwork& network, const Choice& choice, const CostModel& cost)
      : network_(network),
        choice_(choice),
        cost_(cost),
        points_(network),
        readers_(count_readers(network)),
        values_(network.junctions.size() + 1) {
    values_[0].info.elements = network.segments[0][0].matrix.cols;
    values_[0].info.limbs = choice.limbs();
    out_.limbs = choice.limbs();
  }

  Schedule run() {
    for (std::size_t j = 0; j < network_.junctions.size(); ++j) {
      const Junction& junction = network_.junctions[j];
      Held x = sum(j, junction.branches);
      if (junction.activation) activation(*junction.activation, x);
      if (readers_[j + 1] > 1) relinearize(x);
      values_[j + 1] = x;
    }
    return std::move(out_);
  }

 private:
  struct Held {
    plan::ValueId id = 0;
    plan::ValueInfo info;
    std::size_t squares = 0;            ///< on the longest way to it
    std::size_t point = 0;              ///< whose range it has
    std::optional<std::uint32_t> drop;  ///< limbs to drop in the relinearization that it still needs
  };

  Held sum(std::size_t junction, const std::vector<Branch>& branches) {
    Held x = branch(branches[0], nullptr);
    Action action;
    action.kind = Action::Kind::sum;
    action.segment = junction;
    for (std::size_t b = 1; b < branches.size(); ++b) {
      const Held y = branch(branches[b], &x);
      action.addends.push_back({y.id, branches[b].diagonal ? std::optional(branches[b].segment) : std::nullopt});
    }
    if (action.addends.empty()) return x;
    const auto terms = static_cast<double>(branches.size());
    out_.nanoseconds += terms * x.info.elements * cost_.combine(choice_.log2_degree, x.info.limbs, 2);
    push(std::move(action), x, points_.sum(junction));
    return x;
  }

  /// Maps, with the relinearization where it is cheapest. `first`: of the sum, where this branch is not it.
  Held branch(const Branch& branch, const Held* first) {
    Held x = values_[branch.source];
    if (branch.diagonal) {
      relinearize(x);
      return x;
    }
    const Segment& segment = network_.segments[branch.segment];
    // The last map of a branch beside the first makes up for all scales before it.
    const std::size_t last = first == nullptr ? segment.size() : segment.size() - 1;
    const std::size_t position = x.drop ? relinearize_position(x, segment, last) : 0;
    maps(branch.segment, 0, position, first, x);
    relinearize(x);
    maps(branch.segment, position, segment.size(), first, x);
    return x;
  }

  /// The squares of activation k; the last stays with three parts.
  void activation(std::size_t k, Held& x) {
    const MonicActivation& a = network_.activations[k];
    const plan::ValueId before = x.id;
    push_square(k, false, x, points_.square(k));
    if (a.squares == 1) return;
    if (!is_zero(a.p) || !is_zero(a.q)) push_combine(k, before, false, !is_zero(a.p), x, points_.shifted(k));
    x.point = points_.shifted(k);
    relinearize(x);
    push_square(k, true, x, points_.outer_square(k));
    if (!is_zero(a.r)) push_combine(k, before, true, true, x, points_.result(k));
    x.point = points_.result(k);
  }

  /// How many of the first `most` maps to apply on three parts: where the whole is cheapest.
  std::size_t relinearize_position(const Held& x, const Segment& segment, std::size_t most) const {
    std::size_t best = 0;
    double least = 0;
    for (std::size_t position = 0; position <= most; ++position) {
      double total = 0;
      std::uint64_t elements = x.info.elements;
      for (std::size_t m = 0; m <= segment.size(); ++m) {
        if (m == position) total += static_cast<double>(elements) * key_switch(x);
        if (m == segment.size()) break;
        const bool early = m < position;
        total += linear(segment[m], x.info.limbs - (early ? 0 : *x.drop), early ? 3 : 2);
        elements = segment[m].matrix.rows;
      }
      if (position == 0 || total < least) {
        best = position;
        least = total;
      }
    }
    return best;
  }

  double key_switch(const Held& x) const {
    return cost_.relinearize(choice_.log2_degree, choice_.largest_bits(), x.info.limbs,
                             static_cast<std::uint32_t>(choice_.digit_limbs), *x.drop);
  }
  double linear(const LinearMap& map, std::uint32_t limbs, std::uint32_t parts) const {
    return cost_.linear(choice_.log2_degree, limbs, parts, map.matrix.nonzeros(), map.matrix.cols, map.matrix.rows);
  }

  void maps(std::size_t segment, std::size_t begin, std::size_t end, const Held* first, Held& x) {
    for (std::size_t m = begin; m < end; ++m) {
      const LinearMap& map = network_.segments[segment][m];
      out_.nanoseconds += linear(map, x.info.limbs, x.info.parts);
      x.info.elements = map.matrix.rows;
      Action action;
      action.kind = Action::Kind::linear;
      action.segment = segment;
      action.map = m;
      action.beside = first != nullptr;
      action.balanced = first != nullptr && m + 1 == network_.segments[segment].size();
      if (action.balanced) action.other = first->id;
      push(std::move(action), x, points_.map(segment, m));
    }
  }

  void push_square(std::size_t k, bool outer, Held& x, std::size_t point) {
    out_.nanoseconds += x.info.elements * cost_.square(choice_.log2_degree, x.info.limbs);
    x.info.parts = 3;
    x.drop = choice_.drops[x.squares++];
    Action action;
    action.kind = Action::Kind::square;
    action.segment = k;
    action.outer = outer;
    push(std::move(action), x, point);
  }

  void push_combine(std::size_t k, plan::ValueId before, bool outer, bool with_x, Held& x, std::size_t point) {
    out_.nanoseconds += x.info.elements * cost_.combine(choice_.log2_degree, x.info.limbs, with_x ? 2 : 1);
    Action action;
    action.kind = Action::Kind::combine;
    action.segment = k;
    action.other = before;
    action.outer = outer;
    action.with_x = with_x;
    push(std::move(action), x, point);
  }

  /// Nothing where the value has two parts.
  void relinearize(Held& x) {
    if (!x.drop) return;
    out_.nanoseconds += x.info.elements * key_switch(x);
    Action action;
    action.rescale = *x.drop;
    action.kind = Action::Kind::relinearize;
    x.info.limbs -= *x.drop;
    x.info.parts = 2;
    x.drop.reset();
    push(std::move(action), x, x.point);
  }

  void push(Action action, Held& x, std::size_t point) {
    action.input = x.id;
    action.point = point;
    action.output = x.info;
    out_.actions.push_back(std::move(action));
    x.id = static_cast<plan::ValueId>(out_.actions.size());
    x.point = point;
  }

  const MonicNetwork& network_;
  const Choice& choice_;
  const CostModel& cost_;
  Points points_;
  std::vector<std::size_t> readers_;
  std::vector<Held> values_;
  Schedule out_;
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

/// By value: the scale from which the readers reach theirs.
class Wanted {
 public:
  Wanted(std::size_t values, double final_scale) : scale_(values, 0), firm_(values, false) {
    scale_.back() = final_scale;
    firm_.back() = true;
  }
  double operator[](std::size_t value) const { return scale_[value]; }
  bool firm(std::size_t value) const { return firm_[value]; }
  /// The last word is that of the earliest reader on the way of first branches, if there is one.
  void want(plan::ValueId value, double scale, bool firm) {
    if (!firm && firm_[value]) return;
    scale_[value] = scale;
    firm_[value] = firm;
  }
  std::vector<double> take() { return std::move(scale_); }

 private:
  std::vector<double> scale_;
  std::vector<bool> firm_;
};

std::vector<double> wanted_scales(const Schedule& schedule, const std::vector<std::uint64_t>& chain,
                                  const WeightScales& weights, double final_scale) {
  Wanted wanted(schedule.actions.size() + 1, final_scale);
  for (std::size_t i = schedule.actions.size(); i-- > 0;) {
    const Action& action = schedule.actions[i];
    const double scale = wanted[i + 1];
    const bool firm = wanted.firm(i + 1);
    switch (action.kind) {
      case Action::Kind::linear: {
        const double weight = weights[action.segment][action.map] / (action.balanced ? kRoomBeside : 1);
        wanted.want(action.input, scale / weight, firm && !action.beside);
        break;
      }
      case Action::Kind::square:
        wanted.want(action.input, std::sqrt(scale), firm);
        break;
      case Action::Kind::combine:
        wanted.want(action.input, scale, firm);
        break;
      case Action::Kind::sum:
        wanted.want(action.input, scale, firm);
        for (const Action::Addend& addend : action.addends) {
          wanted.want(addend.value, addend.diagonal ? scale / kDiagonalRoom : scale, false);
        }
        break;
      case Action::Kind::relinearize:
        wanted.want(action.input, scale * dropped(chain, action.output.limbs + action.rescale, action.rescale), firm);
        break;
    }
  }
  return wanted.take();
}

}  // namespace

std::uint32_t Choice::limbs() const { return std::accumulate(drops.begin(), drops.end(), final_limbs); }

Schedule make_schedule(const MonicNetwork& network, const Choice& choice, const CostModel& cost) {
  return Scheduler(network, choice, cost).run();
}

void set_scales(Schedule& schedule, const std::vector<std::uint64_t>& chain, const WeightScales& weights,
                double final_scale) {
  schedule.weight_scales = weights;
  std::vector<double> scales = wanted_scales(schedule, chain, weights, final_scale);
  schedule.input_scale = scales[0];
  for (std::size_t i = 0; i < schedule.actions.size(); ++i) {
    Action& action = schedule.actions[i];
    double scale = scales[action.input];
    switch (action.kind) {
      case Action::Kind::linear: {
        double& weight = schedule.weight_scales[action.segment][action.map];
        if (action.balanced) {
          const double ratio = scales[action.other] / scale;
          weight = ratio / std::max(1.0, std::ceil(ratio / weight));
        }
        scale *= weight;
        break;
      }
      case Action::Kind::square:
        scale *= scale;
        break;
      case Action::Kind::combine:
        break;
      case Action::Kind::sum:
        for (const Action::Addend& addend : action.addends) {
          if (addend.diagonal) schedule.weight_scales[*addend.diagonal][0] = scale / scales[addend.value];
        }
        break;
      case Action::Kind::relinearize:
        scale /= dropped(chain, action.output.limbs + action.rescale, action.rescale);
        break;
    }
    action.output.scale = scale;
    scales[i + 1] = scale;
  }
}

void set_errors(Schedule& schedule, const ckks::Params& params, const Statistics& statistics, const Gains& gains,
                const std::vector<double>& rounding) {
  std::vector<Source> sources;
  sources.push_back({true, 0, squared(ckks::noise_of_encryption(params) / schedule.input_scale)});
  const double rounded = ckks::noise_of_rounding(params, 2);
  std::vector<double> scales{schedule.input_scale};
  for (Action& action : schedule.actions) {
    const double out = action.output.scale;
    if (action.kind == Action::Kind::relinearize) {
      const double switched =
          ckks::noise_of_switch(params, action.output.limbs + action.rescale) / scales[action.input];
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
    scales.push_back(out);
  }
}

}  // namespace obscura::compile
