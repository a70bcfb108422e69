// SPDX-License-Identifier: Apache-2.0
#include "compile/image_schedule.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace obscura::compile {
namespace {

using Kind = ImageStep::Kind;

constexpr double kSmallest = 0x1p-30;    // stands for values that are always 0
constexpr double kMaxLog2Constant = 60;  // of an encoded slot; the encoder's bound is 2^62
constexpr double kLastWeightBits = 34;   // of the largest weight of the last transform, where there is room
constexpr double kLeastLog2Plain = 12;   // fewer bits would not tell weights apart

double squared(double x) { return x * x; }

double log2_modulus(const std::vector<std::uint64_t>& chain, std::uint32_t limbs) {
  double sum = 0;
  for (std::uint32_t i = 0; i < limbs; ++i) sum += std::log2(static_cast<double>(chain[i]));
  return sum;
}

std::uint32_t drop_of(const ImageStep& step) {
  return step.kind == Kind::relinearize || (step.kind == Kind::transform && !step.last) ? 1 : 0;
}

double largest_weight(const ImageStep& step) {
  double weight = 0;
  for (const auto& matrix : step.transform->map.matrices) {
    for (const std::int32_t w : matrix.data) weight = std::max(weight, std::abs(static_cast<double>(w)));
  }
  return weight / step.transform->weight_scale;
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
    out_.rotations = splits.rotations;
  }

  std::optional<ImageSchedule> run() {
    out_.input_scale = scale_of(0);
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
    const double largest =
        id == 0 ? setting_.max_input
                : setting_.statistics->max_moving[network_.steps[id - 1].point] / network_.steps[id - 1].factor;
    return std::exp2(out_.choice.log2_scale) / std::max(largest, kSmallest);
  }

  /// The scale in front of the squares that follow the transform k.
  double scale_before(std::size_t k) const {
    const ImageStep& step = network_.steps[k];
    if (step.last) {
      const double room = log2_modulus(chain_, out_.choice.final_limbs) - 2 - setting_.headroom_bits;
      const double enough = scale(step.input) * std::exp2(kLastWeightBits) / largest_weight(step);
      return std::min(std::exp2(room) / std::max(setting_.statistics->max_logit, kSmallest), enough);
    }
    std::vector<double> primes;
    for (std::size_t i = k + 1; i < network_.steps.size() && network_.steps[i].kind != Kind::transform; ++i) {
      if (network_.steps[i].kind == Kind::relinearize) primes.push_back(prime(splits_.limbs[i]));
    }
    std::size_t next = k + 1;
    while (network_.steps[next].kind != Kind::transform) ++next;
    double before = scale_of(network_.steps[next].input);
    for (; !primes.empty(); primes.pop_back()) before = std::sqrt(before * primes.back());
    return before;
  }

  bool add(std::size_t k) {
    const ImageStep& step = network_.steps[k];
    const std::uint32_t before = splits_.limbs[k], limbs = splits_.limbs[k + 1];
    plan::ValueInfo value;
    value.elements = step.ciphertexts;
    value.limbs = limbs;
    value.parts = k > 0 ? out_.values[k - 1].parts : 2;
    value.scale = scale(step.input);
    value.max_abs = setting_.statistics->max_moving[step.point] / step.factor;
    double plain = 0;
    double nanoseconds = 0;
    const int degree = network_.log2_degree;
    const int bits = std::max(out_.choice.drop_bits, out_.choice.final_bits);
    const auto alpha = static_cast<std::uint32_t>(out_.choice.digit_limbs);
    switch (step.kind) {
      case Kind::transform: {
        plain = scale_before(k) / value.scale;
        if (drop_of(step) > 0) plain *= prime(before);
        value.scale *= plain;
        if (drop_of(step) > 0) value.scale /= prime(before);
        const ckks::SwitchSize size = ckks::SwitchSize::at(params_, before);
        nanoseconds = transform_nanoseconds(setting_.cost, degree, splits_.shapes[k]->cost(size, drop_of(step)), size);
        break;
      }
      case Kind::square:
        value.parts = 3;
        value.scale *= value.scale;
        nanoseconds = step.ciphertexts * setting_.cost.square(degree, limbs);
        break;
      case Kind::relinearize:
        value.parts = 2;
        value.scale /= prime(before);
        nanoseconds = step.ciphertexts * setting_.cost.relinearize(degree, bits, before, alpha, 1);
        break;
      case Kind::combine:
        nanoseconds = step.ciphertexts * setting_.cost.combine(degree, limbs, 2);
        break;
      case Kind::fold:
        for (const auto& sum : step.fold.sums) {
          nanoseconds += (sum.count - 1) * step.ciphertexts * setting_.cost.relinearize(degree, bits, limbs, alpha, 0);
        }
        break;
      case Kind::add:
        for (const auto& sum : step.add)
          nanoseconds += setting_.cost.combine(degree, limbs, 2) * static_cast<double>(sum.size());
        break;
    }
    out_.values.push_back(value);
    out_.plain_scales.push_back(plain);
    out_.nanoseconds.push_back(nanoseconds);
    return fits(k, plain);
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
      return std::log2(plain) > kLeastLog2Plain && small({largest_weight(step)}, plain, kMaxLog2Constant) &&
             small(step.transform->bias, value.scale, kMaxLog2Constant);
    }
    if (step.kind != Kind::combine) return true;
    return small(step.constant, value.scale, 100) && small(step.coefficient, value.scale / scale(step.other), 100);
  }

  /// An error that entered at a point, before the growth of later steps.
  struct Source {
    std::optional<std::size_t> point;  ///< nothing: the input
    double variance = 0;
    bool of_encryption = true;  ///< depends on the key; else on the network alone
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
    const std::uint32_t before = splits_.limbs[k];
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
    } else if (step.kind == Kind::transform) {
      sources.push_back({step.point, transform_variance(k)});
      const double nonzeros = static_cast<double>(step.transform->map.multiplications()) / step.transform->map.outputs;
      sources.push_back({step.point, step.weight_error * nonzeros * mean_square(step.input), false});
    } else if (step.kind == Kind::combine && !step.coefficient.empty()) {
      const auto& slopes = setting_.statistics->slopes[step.activation].x_squared;
      const double x = std::accumulate(slopes.begin(), slopes.end(), 0.0) / static_cast<double>(slopes.size());
      sources.push_back({step.point, x * squared(scale(step.other) / value.scale) / 12, false});
    }
  }

  /// Of a transform's outputs after their parts were added; the inputs' own errors come by the gains.
  double transform_variance(std::size_t k) const {
    const ImageStep& step = network_.steps[k];
    double most = 0;
    for (ckks::TransformNoise noise : splits_.noise[k]) {
      noise.limbs = splits_.limbs[k];
      noise.scale_in = scale(step.input);
      noise.scale_out = out_.values[k].scale;
      noise.plaintext_scale = out_.plain_scales[k];
      noise.input_square = mean_square(step.input);
      most = std::max(most, squared(ckks::noise_of_transform(params_, noise)));
    }
    return most * step.parts;
  }

  void errors() {
    std::vector<Source> sources;
    sources.push_back({std::nullopt, squared(ckks::noise_of_encryption(params_) / out_.input_scale)});
    for (std::size_t k = 0; k < network_.steps.size(); ++k) {
      enter(sources, k);
      const ImageStep& step = network_.steps[k];
      double noise = 0;
      double other = 0;
      for (const Source& source : sources) {
        const double gain =
            source.point ? setting_.gains->from(*source.point, step.point) : setting_.gains->from_input(step.point);
        (source.of_encryption ? noise : other) += gain * source.variance;
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
  ImageSchedule out_;
};

}  // namespace

double ImageSchedule::total_nanoseconds() const { return std::accumulate(nanoseconds.begin(), nanoseconds.end(), 0.0); }

ImageSplits split(const ImageNetwork& network, std::uint32_t final_limbs, int digit_limbs) {
  const std::uint64_t slots = std::uint64_t{1} << (network.log2_degree - 1);
  const auto alpha = static_cast<std::size_t>(digit_limbs);
  ImageSplits out;
  out.limbs.push_back(final_limbs + network.drops());
  for (const ImageStep& step : network.steps) {
    const std::uint32_t limbs = out.limbs.back();
    out.limbs.push_back(limbs - drop_of(step));
    out.shapes.emplace_back();
    out.noise.emplace_back();
    if (step.kind == Kind::fold) {
      plan::add_rotations(out.rotations, plan::rotations_of(step.fold, slots), limbs);
    }
    if (step.kind != Kind::transform) continue;
    ckks::SplitOptions options;
    options.size = {limbs, alpha, (limbs + alpha - 1) / alpha};
    for (const auto& [rotation, _] : out.rotations) options.keys_there.push_back(rotation);
    const plan::Layout& from = step.transform->from;
    out.shapes.back() = std::make_shared<const ckks::TransformShape>(slots, from.ciphertexts(), step.ciphertexts,
                                                                     step.diagonals->places(), options);
    plan::add_rotations(out.rotations, out.shapes.back()->rotation_steps(), limbs);
    for (std::uint32_t o = 0; o < step.ciphertexts; ++o) {
      out.noise.back().push_back(plan::noise_of(*out.shapes.back(), *step.diagonals, o));
    }
  }
  return out;
}

std::optional<ImageSchedule> judge(const ImageSetting& setting, const ImageNetwork& network, const ImageSplits& splits,
                                   const ImageChoice& choice, const ckks::Params& params) {
  return Judge(setting, network, splits, choice, params).run();
}

}  // namespace obscura::compile
