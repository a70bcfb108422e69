// SPDX-License-Identifier: Apache-2.0
/// The network on doubles: ranges of values, derivatives of activations, and what rounding the weights does.
#pragma once

#include <array>
#include <functional>
#include <span>

#include "compile/front/network.h"
#include "compile/measure/lane_matrix.h"

namespace obscura::compile {

/// Numbers the values of a network in the order in which they are computed: the output of each map, sums of several
/// branches, and the values inside of each activation.
class Points {
 public:
  explicit Points(const MonicNetwork& network);
  std::size_t map(std::size_t segment, std::size_t index) const { return maps_[segment] + index; }
  /// What a junction's branches give together, before its activation: their sum, or the product of two sums.
  std::size_t sum(std::size_t junction) const { return sums_[junction]; }
  /// Of a product, its first sum (0) or its second (1).
  std::size_t factor(std::size_t junction, std::size_t which) const { return sums_[junction] - 2 + which; }
  std::size_t output() const { return sums_.back(); }
  /// x^2 (+ p x + q where the activation has two squares), or the sum of an approximation's terms.
  std::size_t square(std::size_t activation) const { return activations_[activation]; }
  std::size_t shifted(std::size_t activation) const { return activations_[activation] + 1; }
  std::size_t outer_square(std::size_t activation) const { return activations_[activation] + 2; }
  /// What the activation gives.
  std::size_t result(std::size_t activation) const { return results_[activation]; }
  std::size_t count() const { return count_; }

 private:
  std::vector<std::size_t> maps_;
  std::vector<std::size_t> sums_;
  std::vector<std::size_t> activations_;
  std::vector<std::size_t> results_;
  std::size_t count_ = 0;
};

/// Normalised images laid one after the other.
struct Images {
  std::span<const float> data;
  std::size_t elements = 0;
  std::size_t count() const { return data.size() / elements; }
  Images first(std::size_t n) const { return {data.first(std::min(n, count()) * elements), elements}; }
};

/// Means over the images of the squared derivatives through which errors grow, for each element. With `leading` v is
/// leading x^2 + p x, and y = x^2 v + q x^2 + r x. Of an approximation with times_input v is the sum, and y = x v.
struct SquaredDerivatives {
  std::vector<double> x_squared;  ///< x^2
  std::vector<double> square;     ///< (2x)^2, or of an approximation's sum
  std::vector<double> shifted;    ///< (2x + p)^2
  std::vector<double> inner;      ///< (2v)^2, v = x^2 + p x + q; with `leading` (x^2)^2; with times_input x^2
  std::vector<double> outer;      ///< (2v (2x + p))^2
  std::vector<double> result;     ///< (2v (2x + p) + r)^2; with times_input of y
  /// Only with `leading`, where y = u v + x b with u = x^2, v = x a or u itself, a = leading x + p, b = q x + r: of y
  /// by each of the values that are computed one by one, x alone without the others.
  std::vector<double> alone;  ///< by x: (x^2 a + 2 x v + b)^2
  std::vector<double> of_u;   ///< v^2, or (2u)^2
  std::vector<double> of_a;   ///< (x^3)^2
  static const std::array<std::vector<double> SquaredDerivatives::*, 9> kAll;
};

/// What is squared there, at one x of one element; 0 where the activation has none.
struct Derivatives {
  double x = 0, square = 0, shifted = 0, inner = 0, outer = 0, result = 0, alone = 0, of_u = 0, of_a = 0;
};
Derivatives derivatives(const MonicActivation& activation, std::size_t element, double x);

struct Statistics {
  std::vector<double> max_abs;  ///< by point
  /// By point: the largest and the mean square of what is left of a value after its rest is taken away: resting of an
  /// activation, and the bias of a map that others follow in its segment.
  std::vector<double> max_moving;
  std::vector<double> mean_square;
  std::vector<SquaredDerivatives> derivatives;  ///< by activation; inner, outer and result only where it is compound
  std::vector<std::vector<double>> arguments;   ///< by activation: some x of the first images
  /// By junction: of a product the mean squares of the elements of its two sums.
  std::vector<std::array<std::vector<double>, 2>> factor_squares;
  double max_logit = 0;
  double logit_deviation = 0;            ///< rms distance of a logit from the mean of its image's logits
  std::vector<double> output_mean;       ///< by output, over the images
  std::vector<double> output_deviation;  ///< by output, standard deviation over the images
  std::size_t images = 0;
};

/// Whether an activation multiplies what it computed: it has two squares, or times_input.
bool is_compound(const MonicActivation& activation);

/// Of an activation with `leading`: whether leading x^2 + p x is x^2 in all elements.
bool is_square(const MonicActivation& activation);

/// What (x^2 + p x + q)^2 + r x is at x = 0, where it is the same for all elements: q^2. 0 for others.
double resting(const MonicActivation& activation);

/// Images that go through the network side by side, so that a weight is read once for all of them.
inline constexpr std::size_t kLanes = kernels::kVectors;

/// The matrices of a network's maps, by [segment][map].
using LaneMaps = std::vector<std::vector<std::shared_ptr<const LaneMatrix>>>;
LaneMaps lane_maps(const MonicNetwork& network);

/// What activations and products read, for kLanes images at most: each [element * kLanes + lane].
struct Arguments {
  std::vector<std::vector<double>> of_activations;
  std::vector<std::vector<double>> slopes;                      ///< of approximations there; none of other activations
  std::vector<std::array<std::vector<double>, 2>> of_products;  ///< by junction: of a product, its two sums
};
/// Of the images from kLanes * batch on; from any thread.
using TakeArguments = std::function<void(std::size_t batch, Arguments arguments)>;

/// `maps`: the network's. `take` gets what is needed to go backwards, if anyone does.
/// cost: one pass of multiply-adds an image; all cores. Same numbers on any number of cores.
Statistics measure(const MonicNetwork& network, const LaneMaps& maps, const Images& images,
                   const TakeArguments& take = {});
inline Statistics measure(const MonicNetwork& network, const Images& images) {
  return measure(network, lane_maps(network), images);
}

/// Mean squared difference at each point between the network with each of `rounded` in turn and with `exact`, its own
/// maps.
std::vector<std::vector<double>> rounding_errors(const MonicNetwork& network, const LaneMaps& exact,
                                                 const std::vector<LaneMaps>& rounded, const Images& images);

double mean(const std::vector<double>& values);

/// Multiply-adds for one image.
template <class Network>
std::uint64_t multiplications(const Network& network) {
  std::uint64_t sum = 0;
  for (const auto& segment : network.segments) {
    for (const auto& map : segment) sum += map.matrix.nonzeros();
  }
  return sum;
}

/// The logits of each image, image by image.
std::vector<double> evaluate(const MonicNetwork& network, const Images& images);

/// 32 images in [0, 1], made of blobs, strokes and noise from a fixed generator; for compiling without images.
std::vector<float> probe_images(const nn::Shape& shape);

}  // namespace obscura::compile
