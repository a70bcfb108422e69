// SPDX-License-Identifier: Apache-2.0
#include "compile/schedule/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "compile/cost/transform.h"
#include "plan/polynomial.h"

namespace obscura::compile {
namespace {

using Kind = ImageStep::Kind;

constexpr double kSmallest = 0x1p-30;    // stands for values that are always 0
constexpr double kMaxLog2Constant = 60;  // of a coefficient of what is encoded; the encoder's bound is 2^62
constexpr double kLastWeightBits = 34;   // of the largest weight of the last transform, where there is room
constexpr double kSameScale = 0x1p-40;
constexpr double kLeastLog2Plain = 12;  // fewer bits would not tell weights apart

double squared(double x) { return x * x; }

double log2_modulus(const std::vector<std::uint64_t>& chain, std::uint32_t limbs) {
  double sum = 0;
  for (std::uint32_t i = 0; i < limbs; ++i) sum += std::log2(static_cast<double>(chain[i]));
  return sum;
}

/// Goes through the steps for one choice.
class Judge {
 public:
  Judge(const ImageSetting& setting, const ImageNetwork& network, const ImageSplits& splits, const ImageChoice& choice,
        const ckks::Params& params)
      : setting_(setting), network_(network), splits_(splits), params_(params), chain_(params.literal().chain) {
    out_.choice = choice;
    out_.limbs = splits.limbs[0];
    out_.shapes = splits.shapes;
    out_.keys = splits.keys;
  }

  std::optional<ImageSchedule> run() {
    want_scales();
    out_.input_scale = wanted_[0];
    const double room = std::min(kMaxLog2Constant, log2_modulus(chain_, out_.limbs) - 2);
    if (!(std::log2(setting_.max_input * out_.input_scale) < room)) return std::nullopt;
    for (std::size_t k = 0; k < network_.steps.size(); ++k) {
      if (!add(k)) return std::nullopt;
    }
    errors();
    out_.logit_error = out_.values.back().error_std;
    return std::move(out_);
  }

 private:
  double prime(std::uint32_t limbs) const { return static_cast<double>(chain_[limbs - 1]); }
  double scale(plan::ValueId id) const { return id == 0 ? out_.input_scale : out_.values[id - 1].scale; }

  /// Of a value that a transform reads: the largest of them is encoded as 2^log2_scale.
  double scale_of(plan::ValueId id) const {
    if (out_.choice.bootstrap) return std::exp2(out_.choice.log2_scale);
    const double largest =
        id == 0 ? setting_.max_input
                : setting_.statistics->max_moving[network_.steps[id - 1].point] / network_.steps[id - 1].factor;
    return std::exp2(out_.choice.log2_scale) / std::max(largest, kSmallest);
  }

  /// Limbs that a step reads.
  std::uint32_t before(std::size_t k) const {
    std::uint32_t least = splits_.limbs[network_.steps[k].input];
    for (const plan::ValueId id : network_.steps[k].inputs()) least = std::min(least, splits_.limbs[id]);
    return least;
  }

  /// The scale of the output: the last transforms' weights have enough bits there, their biases can be encoded, and the
  /// logits fit their limbs.
  double last_scale() const {
    const double room = log2_modulus(chain_, splits_.limbs.back()) - 2 - setting_.headroom_bits;
    double scale = std::exp2(room) / std::max(setting_.statistics->max_logit, kSmallest);
    for (const ImageStep& step : network_.steps) {
      if (!step.last) continue;
      scale = std::min(scale, scale_of(step.input) * std::exp2(kLastWeightBits) / step.largest_weight);
      scale = std::min(scale, std::exp2(kMaxLog2Constant - 1) / std::max(step.largest_bias, kSmallest));
    }
    return scale;
  }

  /// From the output back: the scale that each value must have, so that those who read it end at theirs.
  void want_scales() {
    wanted_.assign(network_.steps.size() + 1, 0);
    wanted_.back() = last_scale();
    for (std::size_t k = network_.steps.size(); k-- > 0;) {
      const ImageStep& step = network_.steps[k];
      const double own = wanted_[k + 1];
      switch (step.kind) {
        case Kind::transform:  // reads any scale
          if (wanted_[step.input] == 0) wanted_[step.input] = scale_of(step.input);
          break;
        case Kind::square:
          wanted_[step.input] = std::sqrt(own);
          break;
        case Kind::relinearize:
          wanted_[step.input] = own * prime(before(k));
          break;
        case Kind::sum:
          for (const plan::ValueId id : step.others) wanted_[id] = own;
          wanted_[step.input] = own;
          break;
        case Kind::polynomial:
          wanted_[step.input] = std::exp2(out_.choice.drop_bits);
          break;
        case Kind::bootstrap:
          wanted_[step.input] = out_.choice.bootstrap->input_scale;
          break;
        case Kind::product:
          want_factors(step, own);
          break;
        case Kind::combine:  // of an x that is squared too, the square decides
          if (!step.coefficient.empty()) wanted_[step.other] = std::sqrt(own);
          wanted_[step.input] = own;
          break;
        case Kind::fold:
        case Kind::add:
          wanted_[step.input] = own;
          break;
      }
    }
  }

  /// Scales of two values whose product has the scale `own`. Of one that may be bootstrapped or goes through
  /// polynomials it is fixed; else both are as near to their modulus as each other.
  void want_factors(const ImageStep& step, double own) {
    double& first = wanted_[step.other];
    first = std::sqrt(own);
    if (!step.alike) {
      const auto largest = [&](plan::ValueId id) {
        const ImageStep& factor = network_.steps[id - 1];
        return std::max(setting_.statistics->max_abs[factor.point] / factor.factor, kSmallest);
      };
      first = out_.choice.bootstrap || step.of_input ? std::exp2(out_.choice.drop_bits)
                                                     : std::sqrt(own * largest(step.input) / largest(step.other));
    }
    wanted_[step.input] = own / first;
  }

  /// A step's output before errors are known, and what its price depends on.
  struct Placed {
    plan::ValueInfo value;
    double plain = 0;                               ///< transform: the diagonals' scale
    std::optional<ckks::CompositePlan> polynomial;  ///< polynomial: as it will be evaluated
  };

  /// Whether a side has a range of its own: a, b and b x.
  static bool bounded(const ImageStep::Side& side) { return side.range != std::array<double, 3>{}; }

  /// The largest that is expected of a value, times its factor.
  double range(const ImageStep& step) const {
    if (step.largest > 0) return step.largest * step.factor;
    const std::vector<double>& largest = setting_.statistics->max_abs;
    if (!step.side || !bounded(*step.side)) return setting_.statistics->max_moving[step.point];
    const auto& [constant, slope, curve] = step.side->range;
    const double x = largest[step.side->x];
    return constant + slope * x + curve * x * x;
  }

  /// Nothing where a polynomial does not fit its limbs.
  std::optional<Placed> placed(std::size_t k) const {
    const ImageStep& step = network_.steps[k];
    Placed out;
    plan::ValueInfo& value = out.value;
    value.elements = step.ciphertexts;
    value.limbs = splits_.limbs[k + 1];
    value.parts = step.input > 0 ? out_.values[step.input - 1].parts : 2;
    value.scale = scale(step.input);
    value.max_abs = range(step) / step.factor;
    switch (step.kind) {
      case Kind::transform:
        out.plain = wanted_[k + 1] / value.scale * (step.drops() > 0 ? prime(before(k)) : 1);
        value.scale *= out.plain;
        if (step.drops() > 0) value.scale /= prime(before(k));
        break;
      case Kind::polynomial: {
        auto composite =
            plan::composite_of(polynomial_of(step, wanted_[k + 1]), params_.literal(), before(k), value.scale);
        if (!composite.ok() || composite->output_limbs() != value.limbs) return std::nullopt;
        value.scale = composite->output_scale;
        out.polynomial = std::move(composite).value();
        break;
      }
      case Kind::bootstrap:
        value.scale = out_.choice.bootstrap->output_scale;
        break;
      case Kind::square:
        value.parts = 3;
        value.scale *= value.scale;
        break;
      case Kind::product:
        value.parts = 3;
        value.scale *= scale(step.other);
        break;
      case Kind::relinearize:
        value.parts = 2;
        value.scale /= prime(before(k));
        break;
      case Kind::sum:
      case Kind::combine:
      case Kind::fold:
      case Kind::add:
        break;
    }
    return out;
  }

  double price(std::size_t k, const Placed& placed) const {
    const ImageStep& step = network_.steps[k];
    const CostModel& cost = setting_.cost;
    const std::uint32_t limbs = placed.value.limbs;
    const int degree = network_.log2_degree;
    const int bits = std::max(out_.choice.drop_bits, out_.choice.final_bits);
    const auto alpha = static_cast<std::uint32_t>(out_.choice.digit_limbs);
    std::size_t combinations = 0;
    std::size_t rotations = 0;
    switch (step.kind) {
      case Kind::transform:
        return splits_.nanoseconds[k];
      case Kind::polynomial:
        return step.ciphertexts * cost.polynomial(degree, bits, placed.polynomial->cost(), alpha);
      case Kind::bootstrap:
        return step.ciphertexts * out_.choice.bootstrap_nanoseconds;
      case Kind::square:
      case Kind::product:
        return step.ciphertexts * cost.square(degree, limbs);
      case Kind::relinearize:
        return step.ciphertexts * cost.relinearize(degree, bits, before(k), alpha, 1);
      case Kind::fold:
        for (const auto& sum : step.fold.sums) rotations += (sum.count - 1) * step.ciphertexts;
        return static_cast<double>(rotations) * cost.rotate(degree, bits, limbs, alpha);
      case Kind::sum:
        combinations = step.ciphertexts * step.others.size();
        break;
      case Kind::combine:
        combinations = step.ciphertexts;
        break;
      case Kind::add:
        for (const auto& sum : step.add) combinations += sum.size();
        break;
    }
    return static_cast<double>(combinations) * cost.combine(degree, limbs, 2);
  }

  bool add(std::size_t k) {
    std::optional<Placed> placed = this->placed(k);
    if (!placed) return false;
    // Products of doubles are off by an ulp or so; bootstrapping has one scale.
    double& scale = placed->value.scale;
    if (std::abs(scale / wanted_[k + 1] - 1) < kSameScale) scale = wanted_[k + 1];
    out_.values.push_back(placed->value);
    out_.plain_scales.push_back(placed->plain);
    out_.nanoseconds.push_back(price(k, *placed));
    return fits(k, placed->plain);
  }

  /// Everything that is encoded fits, and no value lies below its noise.
  bool fits(std::size_t k, double plain) const {
    const ImageStep& step = network_.steps[k];
    const plan::ValueInfo& value = out_.values[k];
    const double room = log2_modulus(chain_, value.limbs) - 2;
    const double largest = std::max(value.max_abs, kSmallest) * value.scale;
    if (!(std::log2(largest) < room) || largest < ckks::noise_of_rounding(params_, 2)) return false;
    const auto small = [&](const std::vector<double>& values, double at, double limit) {
      double most = 0;
      for (const double v : values) most = std::max(most, std::abs(v));
      return most == 0 || std::log2(most * at) < std::min(limit, room);
    };
    if (step.kind == Kind::transform) {
      return std::log2(plain) > kLeastLog2Plain && small({step.largest_weight}, plain, kMaxLog2Constant) &&
             small({step.largest_bias}, value.scale, kMaxLog2Constant);
    }
    if (step.kind != Kind::combine) return true;
    return small(step.constant, value.scale, 100) && small(step.coefficient, value.scale / scale(step.other), 100);
  }

  /// An error that entered at a point, before the growth of later steps.
  struct Source {
    std::optional<std::size_t> point;  ///< nothing: the input
    double variance = 0;
    bool of_encryption = true;                                     ///< depends on the key; else on the network alone
    std::size_t before = std::numeric_limits<std::size_t>::max();  ///< counts for points before this one
  };

  double mean_square(plan::ValueId id) const {
    if (id == 0) return squared(setting_.max_input);
    const ImageStep& step = network_.steps[id - 1];
    return setting_.statistics->mean_square[step.point] / squared(step.factor);
  }

  void enter(std::vector<Source>& sources, std::size_t k) const {
    const ImageStep& step = network_.steps[k];
    const plan::ValueInfo& value = out_.values[k];
    const double factor = squared(step.factor);
    const std::uint32_t before = this->before(k);
    const double switched = ckks::noise_of_switch(params_, before), rounded = ckks::noise_of_rounding(params_, 2);
    if (step.kind == Kind::relinearize) {
      const double variance = squared(switched / scale(step.input)) + squared(rounded / value.scale);
      sources.push_back({step.point, variance * factor});
    } else if (step.kind == Kind::fold) {
      double variance = 0;
      for (const auto& sum : step.fold.sums) {
        variance = variance * sum.count + (sum.count - 1) * (squared(switched) + squared(rounded));
      }
      sources.push_back({step.point, variance / squared(value.scale) * factor});
    } else if (step.kind == Kind::bootstrap) {
      sources.push_back({step.point, squared(out_.choice.bootstrap_error) * factor});
    } else if (step.kind == Kind::polynomial) {
      sources.push_back({step.point, polynomial_variance(k) * factor});
    } else if (step.kind == Kind::transform) {
      sources.push_back({step.point, transform_variance(k) * factor});
      const double nonzeros = static_cast<double>(step.transform->map.multiplications()) / step.transform->map.outputs;
      sources.push_back({step.point, step.weight_error * nonzeros * mean_square(step.input) * factor, false});
    } else if (step.kind == Kind::combine && !step.coefficient.empty()) {
      const auto& slopes = setting_.statistics->slopes[step.activation].x_squared;
      const double x = std::accumulate(slopes.begin(), slopes.end(), 0.0) / static_cast<double>(slopes.size());
      const double ratio = scale(step.other) / value.scale / network_.steps[step.other - 1].factor;
      sources.push_back({step.point, x * squared(ratio) / 12 * factor, false});
    }
  }

  /// What a polynomial adds to the error of its input, at arguments that were seen.
  double polynomial_variance(std::size_t k) const {
    const ImageStep& step = network_.steps[k];
    const auto composite =
        plan::composite_of(polynomial_of(step, out_.values[k].scale), params_.literal(), before(k), scale(step.input));
    std::vector<double> arguments = setting_.statistics->arguments[step.activation];
    for (double& x : arguments) x -= step.term->at;
    const auto errors = ckks::predict_error(params_, composite.value(), arguments, 0);
    double sum = 0;
    for (const double error : errors) sum += squared(error);
    return sum / static_cast<double>(errors.size());
  }

  /// Of a transform's outputs after their parts were added; the inputs' own errors come by the gains.
  double transform_variance(std::size_t k) const {
    const ImageStep& step = network_.steps[k];
    double most = 0;
    for (ckks::TransformNoise noise : splits_.noise[k]) {
      noise.limbs = before(k);
      noise.scale_in = scale(step.input);
      noise.scale_out = out_.values[k].scale;
      noise.plaintext_scale = out_.plain_scales[k];
      noise.input_square = mean_square(step.input);
      most = std::max(most, squared(ckks::noise_of_transform(params_, noise)));
    }
    return most * step.parts;
  }

  /// The sources of a side from `first` on go to the result; what they give the value itself. Those of x and of the
  /// squares stay beside, for the values before the result; those of a and b only in the values that they add up to.
  double turn(const ImageStep& step, std::vector<Source>& sources, std::size_t first,
              const std::vector<double>& own) const {
    const ImageStep::Side& side = *step.side;
    double slope = 1;
    if (side.slope != nullptr) {
      const std::vector<double>& slopes = setting_.statistics->slopes[step.activation].*side.slope;
      slope = std::accumulate(slopes.begin(), slopes.end(), 0.0) / static_cast<double>(slopes.size());
    }
    double sum = 0;
    for (std::size_t i = first, end = sources.size(); i < end; ++i) {
      Source result = sources[i];
      sum += result.variance;
      sources[i].before = side.result;
      if (bounded(side)) sources[i].variance = 0;
      result.point = side.result;
      result.variance *= slope;
      sources.push_back(result);
    }
    if (!bounded(side) || step.point == side.result) return 0;
    if (step.kind == Kind::fold || step.kind == Kind::sum) {
      for (const plan::ValueId id : step.inputs()) sum += own[id];
    }
    return sum;
  }

  void errors() {
    std::vector<Source> sources;
    std::vector<double> own(network_.steps.size() + 1, 0);  // of a and b, by value
    sources.push_back({std::nullopt, squared(ckks::noise_of_encryption(params_) / out_.input_scale)});
    for (std::size_t k = 0; k < network_.steps.size(); ++k) {
      const std::size_t before = sources.size();
      enter(sources, k);
      const ImageStep& step = network_.steps[k];
      if (step.side) own[k + 1] = turn(step, sources, before, own);
      double noise = own[k + 1];
      double other = 0;
      const double growth = step.side ? step.side->growth : 1;
      for (const Source& source : sources) {
        if (step.point >= source.before) continue;
        const double gain =
            source.point ? setting_.gains->from(*source.point, step.point) : setting_.gains->from_input(step.point);
        (source.of_encryption ? noise : other) += gain * growth * source.variance;
      }
      out_.values[k].error_std = std::sqrt(noise + other) / step.factor;
      out_.noise_std = std::sqrt(noise) / step.factor;
    }
  }

  const ImageSetting& setting_;
  const ImageNetwork& network_;
  const ImageSplits& splits_;
  const ckks::Params& params_;
  const std::vector<std::uint64_t>& chain_;
  std::vector<double> wanted_;  ///< scales, by value
  ImageSchedule out_;
};

}  // namespace

double ImageSchedule::total_nanoseconds() const { return std::accumulate(nanoseconds.begin(), nanoseconds.end(), 0.0); }

namespace {

/// Of a split network's transforms.
std::vector<double> nanoseconds_of(const ImageNetwork& network, const ImageSplits& splits, std::size_t digit_limbs,
                                   const CostModel& cost) {
  std::vector<ckks::SwitchSize> sizes;
  std::vector<ckks::TransformCost> work;
  for (std::size_t k = 0; k < network.steps.size(); ++k) {
    const ImageStep& step = network.steps[k];
    if (step.kind != Kind::transform) continue;
    const std::size_t limbs = splits.limbs[step.input];
    sizes.push_back({limbs, digit_limbs, (limbs + digit_limbs - 1) / digit_limbs});
    work.push_back(splits.shapes[k]->cost(sizes.back(), step.drops(), step.diagonals->period()));
  }
  const std::vector<Kept> kept = kept_diagonals(network.log2_degree, work, HUGE_VAL);
  std::vector<double> out(network.steps.size(), 0);
  std::size_t t = 0;
  for (std::size_t k = 0; k < network.steps.size(); ++k) {
    if (network.steps[k].kind != Kind::transform) continue;
    out[k] = transform_nanoseconds(cost, network.log2_degree, work[t], sizes[t], kept[t]);
    ++t;
  }
  return out;
}

}  // namespace

ImageSplits split(const ImageNetwork& network, std::uint32_t input_limbs, int digit_limbs, const CostModel& cost) {
  const std::uint64_t slots = network.ring_slots();
  const auto alpha = static_cast<std::size_t>(digit_limbs);
  ImageSplits out;
  out.limbs = network.limbs(input_limbs);
  for (std::size_t k = 0; k < network.steps.size(); ++k) {
    const ImageStep& step = network.steps[k];
    const std::uint32_t limbs = out.limbs[step.input];
    out.shapes.emplace_back();
    out.noise.emplace_back();
    if (step.kind == Kind::fold) {
      plan::add_rotations(out.keys, plan::rotations_of(step.fold, slots), limbs);
    }
    if (step.kind != Kind::transform) continue;
    ckks::SplitOptions options;
    options.size = {limbs, alpha, (limbs + alpha - 1) / alpha};
    options.pairs = true;
    options.longest_period = step.diagonals->slots();
    for (const auto& [rotation, _] : out.keys.rotations) options.keys_there.push_back(rotation);
    const plan::Layout& from = step.transform->from;
    out.shapes.back() = std::make_shared<const ckks::TransformShape>(slots, from.ciphertexts(), step.ciphertexts,
                                                                     step.diagonals->places(), options);
    plan::add_keys(out.keys, *out.shapes.back(), limbs, limbs - step.drops());
    for (std::uint32_t o = 0; o < step.ciphertexts; ++o) {
      out.noise.back().push_back(plan::noise_of(*out.shapes.back(), *step.diagonals, o));
    }
  }
  out.nanoseconds = nanoseconds_of(network, out, alpha, cost);
  return out;
}

plan::Polynomial polynomial_of(const ImageStep& step, double output_scale) {
  return {step.input, step.term->stages, step.term->relu, output_scale};
}

std::optional<ImageSchedule> judge(const ImageSetting& setting, const ImageNetwork& network, const ImageSplits& splits,
                                   const ImageChoice& choice, const ckks::Params& params) {
  return Judge(setting, network, splits, choice, params).run();
}

}  // namespace obscura::compile
