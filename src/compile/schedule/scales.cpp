// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "compile/schedule/schedule.h"
#include "plan/polynomial.h"

namespace obscura::compile {
namespace {

using Kind = Operation::Kind;

constexpr double kLastWeightBits = 34;  // of the largest weight of the last transform, where there is headroom
constexpr double kSameScale = 0x1p-40;  // products of doubles in another order are off by an ulp or so
/// Of a branch whose value nobody else fixes: its weights are left about as many bits as those of other maps.
constexpr double kShortcutHeadroom = 0x1p5;
constexpr double kDiagonalHeadroom = 0x1p10;

/// From the output back: the scale that each value must have, so that those who read it end at theirs.
class WantedScales {
 public:
  WantedScales(const Trial& trial, const WeightScales& weights)
      : trial_(trial),
        circuit_(trial.circuit),
        weights_(weights),
        scale_(circuit_.operations.size() + 1, 0),
        fixed_(circuit_.operations.size() + 1, false) {}

  std::vector<double> run() {
    want(static_cast<plan::ValueId>(circuit_.operations.size()), last_scale(), true);
    for (std::size_t k = circuit_.operations.size(); k-- > 0;) before(k);
    return std::move(scale_);
  }

 private:
  /// The last word is that of the earliest reader on the path of first branches, if there is one.
  void want(plan::ValueId value, double scale, bool fixed) {
    if (!fixed && fixed_[value]) return;
    scale_[value] = scale;
    fixed_[value] = fixed;
  }

  void before(std::size_t k) {
    const Operation& operation = circuit_.operations[k];
    const double own = scale_[k + 1];
    const bool fixed = fixed_[k + 1];
    switch (operation.kind) {
      case Kind::linear: {
        const double weight = weights_[operation.segment][operation.map];
        want(operation.input, own / (weight / (operation.scale_matched ? kShortcutHeadroom : 1)),
             fixed && !operation.shortcut);
        break;
      }
      case Kind::transform:  // reads any scale
        if (scale_[operation.input] == 0) want(operation.input, scale_of(operation.input), fixed);
        break;
      case Kind::square:
        want(operation.input, std::sqrt(own), fixed);
        break;
      case Kind::product:
        want_factors(operation, own, fixed);
        break;
      case Kind::combine:  // of an x that is squared too, the square decides
        if (operation.coefficient && !circuit_.batch) want(operation.other, std::sqrt(own), fixed);
        want(operation.input, own, fixed);
        break;
      case Kind::sum:
        want(operation.input, own, fixed);
        for (const Operation::Addend& addend : operation.addends) {
          want(addend.value, addend.diagonal ? own / kDiagonalHeadroom : own, fixed && !circuit_.batch);
        }
        break;
      case Kind::relinearize:
        want(operation.input, own * trial_.dropped(trial_.splits.before[k], operation.drops), fixed);
        break;
      case Kind::polynomial:
        if (operation.rescales) {  // reads any scale
          want(operation.input, own, false);
        } else {
          want(operation.input, std::exp2(trial_.choice.drop_bits), fixed);
        }
        break;
      case Kind::bootstrap:
        want(operation.input, trial_.choice.bootstrap->input_scale, fixed);
        break;
      case Kind::fold:
      case Kind::add:
        want(operation.input, own, fixed);
        break;
    }
  }

  /// Of a value that a transform reads: the largest of them is encoded as 2^log2_scale.
  double scale_of(plan::ValueId id) const {
    if (trial_.choice.bootstrap) return std::exp2(trial_.choice.log2_scale);
    double largest = trial_.setting.max_input;
    if (id > 0) {
      const Operation& operation = circuit_.operations[id - 1];
      largest = trial_.setting.statistics->max_moving[operation.point] / operation.factor;
    }
    return std::exp2(trial_.choice.log2_scale) / std::max(largest, kSmallest);
  }

  /// The scale of the output: the last transforms' weights have enough bits there, their biases can be encoded, and the
  /// logits fit their limbs.
  double last_scale() const {
    const double headroom = trial_.log2_modulus[trial_.splits.limbs.back()] - 2 - trial_.setting.headroom_bits;
    double scale = std::exp2(headroom) / std::max(trial_.setting.statistics->max_logit, kSmallest);
    for (const Operation& operation : circuit_.operations) {
      if (!operation.last) continue;
      scale = std::min(scale, scale_of(operation.input) * std::exp2(kLastWeightBits) / operation.largest_weight);
      scale = std::min(scale, std::exp2(kMaxLog2Coefficient - 1) / std::max(operation.largest_bias, kSmallest));
    }
    return scale;
  }

  /// Scales of two values whose product has the scale `own`. Of one that may be bootstrapped or goes through
  /// polynomials it is fixed; else both are as near to their modulus as each other.
  void want_factors(const Operation& product, double own, bool fixed) {
    double first = std::sqrt(own);
    if (!product.alike) {
      const auto largest = [&](plan::ValueId id) {
        const Operation& factor = circuit_.operations[id - 1];
        return std::max(trial_.setting.statistics->max_abs[factor.point] / factor.factor, kSmallest);
      };
      first = trial_.choice.bootstrap || product.of_input
                  ? std::exp2(trial_.choice.drop_bits)
                  : std::sqrt(own * largest(product.input) / largest(product.other));
    }
    want(product.other, first, fixed);
    want(product.input, own / first, fixed);
  }

  const Trial& trial_;
  const Circuit& circuit_;
  const WeightScales& weights_;
  std::vector<double> scale_;  ///< by value
  std::vector<bool> fixed_;
};

/// From the input on: exact scales.
class Solver {
 public:
  Solver(const Trial& trial, const WeightScales& weights)
      : trial_(trial), circuit_(trial.circuit), wanted_(WantedScales(trial, weights).run()) {
    out_.choice = trial.choice;
    out_.limbs = trial.splits.limbs[0];
    out_.shapes = trial.splits.shapes;
    out_.keys = trial.splits.keys;
    out_.weight_scales = weights;
    out_.input_scale = wanted_[0];
  }

  std::optional<Schedule> run() {
    for (std::size_t k = 0; k < circuit_.operations.size(); ++k) {
      if (!add(k)) return std::nullopt;
    }
    return std::move(out_);
  }

 private:
  double scale(plan::ValueId id) const { return id == 0 ? out_.input_scale : out_.values[id - 1].scale; }

  /// The largest that is expected of a value, times its factor.
  double range(const Operation& operation) const {
    if (operation.largest > 0) return operation.largest * operation.factor;
    const Statistics& statistics = *trial_.setting.statistics;
    if (circuit_.batch) return statistics.max_abs[operation.point];
    if (!operation.secondary || !operation.secondary->bounded()) return statistics.max_moving[operation.point];
    const auto& [constant, slope, curve] = operation.secondary->range;
    const double x = statistics.max_abs[operation.secondary->x];
    return constant + slope * x + curve * x * x;
  }

  /// The operation's output before errors are known. False where a polynomial does not fit its limbs.
  bool add(std::size_t k) {
    const Operation& operation = circuit_.operations[k];
    plan::ValueInfo value;
    value.elements = operation.ciphertexts;
    value.limbs = trial_.splits.limbs[k + 1];
    value.parts = trial_.splits.parts[k + 1];
    value.max_abs = range(operation) / operation.factor;
    out_.polynomials.emplace_back();
    out_.plain_scales.push_back(0);
    if (operation.kind == Kind::polynomial) {
      auto composite = plan::composite_of(polynomial_of(operation, wanted_[k + 1]), trial_.params.literal(),
                                          trial_.splits.before[k], scale(operation.input));
      if (!composite.ok() || composite->output_limbs() != value.limbs) return false;
      value.scale = composite->output_scale;
      out_.polynomials.back() = composite->cost();
    } else {
      value.scale = scale_after(k);
    }
    if (!circuit_.batch && std::abs(value.scale / wanted_[k + 1] - 1) < kSameScale) value.scale = wanted_[k + 1];
    out_.values.push_back(value);
    return true;
  }

  double scale_after(std::size_t k) {
    const Operation& operation = circuit_.operations[k];
    const double in = scale(operation.input);
    const double divisor = operation.drops > 0 ? trial_.dropped(trial_.splits.before[k], operation.drops) : 1;
    switch (operation.kind) {
      case Kind::linear:
        return in * weight_scale(operation, in);
      case Kind::transform:
        out_.plain_scales[k] = wanted_[k + 1] / in * divisor;
        return in * out_.plain_scales[k] / divisor;
      case Kind::square:
        return in * in;
      case Kind::product:
        return in * scale(operation.other);
      case Kind::relinearize:
        return in / divisor;
      case Kind::bootstrap:
        return trial_.choice.bootstrap->output_scale;
      case Kind::sum:
        for (const Operation::Addend& addend : operation.addends) {
          if (addend.diagonal) out_.weight_scales[*addend.diagonal][0] = in / scale(addend.value);
        }
        break;
      default:
        break;
    }
    return in;
  }

  /// A matched map brings its output to the scale of its sum, or to a whole part of it.
  double weight_scale(const Operation& operation, double in) {
    double& weight = out_.weight_scales[operation.segment][operation.map];
    if (operation.scale_matched) {
      const double ratio = scale(operation.other) / in;
      weight = ratio / std::max(1.0, std::ceil(ratio / weight));
    }
    return weight;
  }

  const Trial& trial_;
  const Circuit& circuit_;
  std::vector<double> wanted_;  ///< by value
  Schedule out_;
};

}  // namespace

std::optional<Schedule> solve_scales(const Trial& trial, const WeightScales& weights) {
  const PassTimer timer(trial.setting.passes, Pass::scales);
  return Solver(trial, weights).run();
}

}  // namespace obscura::compile
