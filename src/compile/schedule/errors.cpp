// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "compile/schedule/schedule.h"
#include "plan/polynomial.h"

namespace obscura::compile {
namespace {

using Kind = Operation::Kind;

double squared(double x) { return x * x; }

/// An error that entered at a point, before its amplification by later operations.
struct Source {
  std::optional<std::size_t> point;  ///< nothing: the input
  double variance = 0;
  bool of_encryption = true;                                     ///< depends on the key; else on the network alone
  std::size_t before = std::numeric_limits<std::size_t>::max();  ///< counts for points before this one
};

class Predictor {
 public:
  Predictor(const Trial& trial, Schedule& schedule)
      : trial_(trial), operations_(trial.circuit.operations), statistics_(*trial.setting.statistics), out_(schedule) {
    rounded_ = ckks::noise_of_rounding(trial.params, 2);
  }

  void run(const std::vector<double>& rounding) {
    std::vector<double> own(operations_.size() + 1, 0);  // of a and b, by value
    sources_.push_back({std::nullopt, squared(ckks::noise_of_encryption(trial_.params) / out_.input_scale)});
    for (std::size_t k = 0; k < operations_.size(); ++k) {
      const std::size_t before = sources_.size();
      enter(k);
      const Operation& operation = operations_[k];
      if (operation.secondary) own[k + 1] = redirect(operation, before, own);
      double noise = own[k + 1];
      double other = rounding.empty() ? 0 : rounding[operation.point];
      const double growth = operation.secondary ? operation.secondary->growth : 1;
      for (const Source& source : sources_) {
        if (operation.point >= source.before) continue;
        const ErrorAmplification& by = *trial_.setting.amplification;
        const double factor = source.point ? by.from(*source.point, operation.point) : by.from_input(operation.point);
        (source.of_encryption ? noise : other) += factor * growth * source.variance;
      }
      out_.values[k].error_std = std::sqrt(noise + other) / operation.factor;
      out_.noise_std = std::sqrt(noise) / operation.factor;
    }
    out_.logit_error = out_.values.back().error_std;
  }

 private:
  double scale(plan::ValueId id) const { return id == 0 ? out_.input_scale : out_.values[id - 1].scale; }

  double mean_square(plan::ValueId id) const {
    if (id == 0) return squared(trial_.setting.max_input);
    const Operation& operation = operations_[id - 1];
    return statistics_.mean_square[operation.point] / squared(operation.factor);
  }

  /// What operation k adds.
  void enter(std::size_t k) {
    const Operation& operation = operations_[k];
    const double out = out_.values[k].scale;
    const double factor = squared(operation.factor);
    if (operation.kind == Kind::relinearize) {
      const double variance = squared(switched(k) / scale(operation.input)) + squared(rounded_ / out);
      sources_.push_back({operation.point, variance * factor});
    } else if (operation.kind == Kind::fold) {
      double variance = 0;
      for (const auto& sum : operation.fold.sums) {
        variance = variance * sum.count + (sum.count - 1) * (squared(switched(k)) + squared(rounded_));
      }
      sources_.push_back({operation.point, variance / squared(out) * factor});
    } else if (operation.kind == Kind::bootstrap) {
      sources_.push_back({operation.point, squared(trial_.choice.bootstrap_error) * factor});
    } else if (operation.kind == Kind::polynomial) {
      sources_.push_back({operation.point, polynomial_variance(k) * factor});
    } else if (operation.kind == Kind::transform) {
      sources_.push_back({operation.point, transform_variance(k) * factor});
      const ckks::IntegerMap& map = *operation.laid_out->map->integers;
      const double nonzeros = static_cast<double>(map.multiplications()) / map.outputs;
      sources_.push_back(
          {operation.point, operation.weight_error * nonzeros * mean_square(operation.input) * factor, false});
    } else if (operation.kind == Kind::combine && operation.coefficient) {
      // The coefficient of x is rounded to a multiple of (scale of x) / (scale of the square).
      const double x = mean(statistics_.derivatives[operation.activation].x_squared);
      const double x_factor = operation.other > 0 ? operations_[operation.other - 1].factor : 1;
      const double ratio = scale(operation.other) / out / x_factor;
      sources_.push_back({operation.point, x * squared(ratio) / 12 * factor, false});
    }
  }

  double switched(std::size_t k) const { return ckks::noise_of_switch(trial_.params, trial_.splits.before[k]); }

  /// What a polynomial adds to the error of its input, at arguments that were seen.
  double polynomial_variance(std::size_t k) const {
    const Operation& operation = operations_[k];
    const auto composite = plan::composite_of(polynomial_of(operation, out_.values[k].scale), trial_.params.literal(),
                                              trial_.splits.before[k], scale(operation.input));
    std::vector<double> arguments = statistics_.arguments[operation.activation];
    if (operation.rescales) arguments = {1};  // the same at all
    for (double& x : arguments) x -= operation.term->at;
    const auto errors = ckks::predict_error(trial_.params, composite.value(), arguments, 0);
    double sum = 0;
    for (const double error : errors) sum += squared(error);
    return sum / static_cast<double>(errors.size());
  }

  /// Of a transform's outputs after their parts were added; the inputs' own errors come by the amplification.
  double transform_variance(std::size_t k) const {
    const Operation& operation = operations_[k];
    double most = 0;
    for (ckks::TransformNoise noise : trial_.splits.noise[k]) {
      noise.limbs = trial_.splits.before[k];
      noise.scale_in = scale(operation.input);
      noise.scale_out = out_.values[k].scale;
      noise.plaintext_scale = out_.plain_scales[k];
      noise.input_square = mean_square(operation.input);
      most = std::max(most, squared(ckks::noise_of_transform(trial_.params, noise)));
    }
    return most * operation.parts;
  }

  /// The sources of a secondary value from `first` on enter at the result; what they give the value itself. Those of x
  /// and of the squares stay as well, for the values before the result; those of a and b only in the values that they
  /// add up to.
  double redirect(const Operation& operation, std::size_t first, const std::vector<double>& own) {
    const Operation::Secondary& secondary = *operation.secondary;
    double derivative = 1;
    if (secondary.derivative != nullptr) {
      derivative = mean(statistics_.derivatives[operation.activation].*secondary.derivative);
    }
    double sum = 0;
    for (std::size_t i = first, end = sources_.size(); i < end; ++i) {
      Source result = sources_[i];
      sum += result.variance;
      sources_[i].before = secondary.result;
      if (secondary.bounded()) sources_[i].variance = 0;
      result.point = secondary.result;
      result.variance *= derivative;
      sources_.push_back(result);
    }
    if (!secondary.bounded() || operation.point == secondary.result) return 0;
    if (operation.kind == Kind::fold || operation.kind == Kind::sum) {
      for (const plan::ValueId id : operation.inputs()) sum += own[id];
    }
    return sum;
  }

  const Trial& trial_;
  const std::vector<Operation>& operations_;
  const Statistics& statistics_;
  Schedule& out_;
  double rounded_ = 0;
  std::vector<Source> sources_;
};

}  // namespace

void predict_errors(const Trial& trial, const std::vector<double>& rounding, Schedule& schedule) {
  const PassTimer timer(trial.setting.passes, Pass::errors);
  Predictor(trial, schedule).run(rounding);
}

}  // namespace obscura::compile
