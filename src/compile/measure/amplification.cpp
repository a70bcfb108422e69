// SPDX-License-Identifier: Apache-2.0
#include "compile/measure/amplification.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <initializer_list>
#include <numeric>
#include <optional>
#include <random>
#include <utility>

#include "base/parallel.h"

namespace obscura::compile {
namespace {

std::vector<double> times(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] * b[i];
  return out;
}

/// a times a number for each element.
std::vector<double> times_elements(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] * b[i / kLanes];
  return out;
}

/// Follows errors from kLanes places side by side: 0 = the input, p + 1 = point p.
class Follower {
 public:
  /// `squared`: the network's maps with squared weights. The places from `first` on.
  Follower(const MonicNetwork& network, const LaneMaps& squared, const Statistics& statistics, std::size_t first)
      : network_(network),
        squared_(squared),
        statistics_(statistics),
        points_(network),
        first_(first),
        amplification_(kLanes, std::vector<double>(points_.count(), 0)),
        values_(network.junctions.size() + 1) {}

  /// By place and point.
  std::vector<std::vector<double>> run() {
    if (first_ == 0) set_lane(values_[0], 0, std::vector<double>(network_.segments[0][0].matrix.cols, 1));
    for (std::size_t j = 0; j < network_.junctions.size(); ++j) {
      const Junction& junction = network_.junctions[j];
      const std::size_t elements = network_.segments[junction.branches[0].segment].back().matrix.rows;
      Variance sum = this->sum(junction, false);
      if (is_product(junction)) {
        Variance other = this->sum(junction, true);
        enter(points_.factor(j, 0), elements, sum);
        enter(points_.factor(j, 1), elements, other);
        const auto& [first, second] = statistics_.factor_squares[j];
        if (!sum.empty()) sum = times_elements(sum, second);
        if (!other.empty()) add(sum, times_elements(other, first));
      }
      if (junction.branches.size() > 1) enter(points_.sum(j), elements, sum);
      values_[j + 1] = junction.activation ? activation(*junction.activation, sum) : std::move(sum);
    }
    return std::move(amplification_);
  }

 private:
  /// Variances by [element * kLanes + lane], or none where no error has come.
  using Variance = std::vector<double>;

  /// The lane of a place, if it is one of these.
  std::optional<std::size_t> lane_of(std::size_t place) const {
    return place >= first_ && place < first_ + kLanes ? std::optional(place - first_) : std::nullopt;
  }

  static void set_lane(Variance& variance, std::size_t lane, const std::vector<double>& values) {
    variance.resize(values.size() * kLanes, 0);
    for (std::size_t e = 0; e < values.size(); ++e) variance[e * kLanes + lane] = values[e];
  }

  static void add(Variance& to, Variance more) {
    if (to.empty()) {
      to = std::move(more);
    } else if (!more.empty()) {
      for (std::size_t i = 0; i < to.size(); ++i) to[i] += more[i];
    }
  }

  /// Of the branches that are factors, or of the others.
  Variance sum(const Junction& junction, bool factor) {
    Variance out;
    for (const Branch& one : junction.branches) {
      if (one.factor == factor) add(out, branch(one));
    }
    return out;
  }

  Variance branch(const Branch& branch) {
    Variance variance = values_[branch.source];
    for (std::size_t m = 0; m < network_.segments[branch.segment].size(); ++m) {
      const LaneMatrix& matrix = *squared_[branch.segment][m];
      if (!variance.empty()) {
        Variance after(matrix.rows() * kLanes, 0);
        matrix.add_product(variance, after);
        variance = std::move(after);
      }
      enter(points_.map(branch.segment, m), matrix.rows(), variance);
    }
    return variance;
  }

  /// Errors enter here, or come by.
  void enter(std::size_t point, std::size_t elements, Variance& variance) {
    if (const auto lane = lane_of(point + 1)) set_lane(variance, *lane, std::vector<double>(elements, 1));
    if (variance.empty()) return;
    std::array<double, kLanes> sums{};
    for (std::size_t i = 0; i < variance.size(); ++i) sums[i % kLanes] += variance[i];
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      amplification_[lane][point] = sums[lane] / static_cast<double>(elements);
    }
  }

  Variance activation(std::size_t k, const Variance& x) {
    const MonicActivation& a = network_.activations[k];
    const SquaredDerivatives& derivatives = statistics_.derivatives[k];
    Variance y;
    const auto through = [&](const std::vector<double>& slope, std::size_t point) {
      y = x.empty() ? Variance() : times_elements(x, slope);
      enter(point, a.elements, y);
    };
    // Of an error that enters at a place within the activation.
    const auto inner = [&](std::size_t point, std::initializer_list<std::size_t> seen) {
      const auto lane = lane_of(point + 1);
      if (!lane) return;
      set_lane(y, *lane, derivatives.inner);
      for (const std::size_t p : seen) amplification_[*lane][p] = mean(derivatives.inner);
    };
    through(derivatives.square, points_.square(k));
    if (!is_compound(a)) return y;
    if (a.approximation) {
      through(derivatives.result, points_.result(k));
      inner(points_.square(k), {points_.result(k)});
      return y;
    }
    through(derivatives.shifted, points_.shifted(k));
    through(derivatives.outer, points_.outer_square(k));
    through(derivatives.result, points_.result(k));
    inner(points_.shifted(k), {points_.outer_square(k), points_.result(k)});
    return y;
  }

  const MonicNetwork& network_;
  const LaneMaps& squared_;
  const Statistics& statistics_;
  Points points_;
  std::size_t first_;
  std::vector<std::vector<double>> amplification_;  ///< by lane and point
  std::vector<Variance> values_;
};

/// Gradients that are taken in all, of each image at least one and at most kLanes.
constexpr std::size_t kGradients = 512;

/// What an error of variance 1 in every element of a place (as above) does to the logits' mean variance, for all places
/// at once: from the output back, for each of a few images.
class Backward {
 public:
  /// `transposed`: of the network's maps. `inputs`: of so many images.
  Backward(const MonicNetwork& network, const LaneMaps& transposed, Arguments inputs, std::size_t lanes)
      : network_(network), points_(network), transposed_(transposed), lanes_(lanes) {
    amplification_.assign(points_.count() + 1, {});
    for (std::size_t k = 0; k < inputs.of_activations.size(); ++k) {
      const MonicActivation& a = network.activations[k];
      const std::vector<double>& x = inputs.of_activations[k];
      derivatives_.emplace_back();
      if (a.approximation && !is_compound(a)) {
        derivatives_.back().whole = std::move(inputs.slopes[k]);
        continue;
      }
      for (std::size_t i = 0; i < x.size(); ++i) {
        const Derivatives at = derivatives(a, i / kLanes, x[i]);
        derivatives_.back().whole.push_back(is_compound(a) ? at.result : at.square);
        if (is_compound(a)) derivatives_.back().inner.push_back(at.inner);
      }
    }
    factors_ = std::move(inputs.of_products);
  }

  /// Adds up, by place and image, over the classes. Signs are those of row (lane + turn) of a Hadamard matrix, each
  /// class's times one at random: with kLanes turns and as many classes at most the mean is exact.
  void run(std::size_t turn, std::mt19937& random) {
    const std::size_t classes = network_.segments.back().back().matrix.rows;
    gradients_.assign(network_.junctions.size() + 1, {});
    for (std::size_t c = 0; c < classes; ++c) {
      const double own = random() & 1 ? 1 : -1;
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        gradients_.back().push_back(std::popcount((lane + turn) % kLanes & c) % 2 == 0 ? own : -own);
      }
    }
    for (std::size_t j = network_.junctions.size(); j-- > 0;) {
      const Junction& junction = network_.junctions[j];
      Gradient x = std::move(gradients_[j + 1]);
      if (x.empty()) continue;  // nobody reads it
      if (junction.activation) x = activation(*junction.activation, std::move(x));
      if (junction.branches.size() > 1) add(points_.sum(j) + 1, x);
      if (is_product(junction)) {
        product(j, x);
      } else {
        for (const Branch& b : junction.branches) branch(b, x);
      }
    }
    add(0, gradients_[0]);
  }
  using ByImage = std::array<double, kLanes>;
  const std::vector<ByImage>& amplification() const { return amplification_; }

 private:
  /// By [element * kLanes + lane].
  using Gradient = std::vector<double>;

  void add(std::size_t place, const Gradient& gradient) {
    for (std::size_t i = 0; i < gradient.size(); i += kLanes) {
      for (std::size_t lane = 0; lane < lanes_; ++lane) {
        amplification_[place][lane] += gradient[i + lane] * gradient[i + lane];
      }
    }
  }

  void product(std::size_t j, const Gradient& y) {
    for (std::size_t f = 0; f < 2; ++f) {
      const Gradient x = times(y, factors_[j][1 - f]);
      add(points_.factor(j, f) + 1, x);
      for (const Branch& b : network_.junctions[j].branches) {
        if (b.factor == (f == 1)) branch(b, x);
      }
    }
  }

  void branch(const Branch& branch, Gradient y) {
    const Segment& segment = network_.segments[branch.segment];
    for (std::size_t m = segment.size(); m-- > 0;) {
      add(points_.map(branch.segment, m) + 1, y);
      const LaneMatrix& matrix = *transposed_[branch.segment][m];
      Gradient x(matrix.rows() * kLanes, 0);
      matrix.add_product(y, x);
      y = std::move(x);
    }
    Gradient& source = gradients_[branch.source];
    if (source.empty()) source.assign(y.size(), 0);
    for (std::size_t i = 0; i < y.size(); ++i) source[i] += y[i];
  }

  Gradient activation(std::size_t k, Gradient y) {
    const MonicActivation& a = network_.activations[k];
    add(points_.result(k) + 1, y);
    const std::size_t inner = a.approximation ? points_.square(k) : points_.shifted(k);
    if (is_compound(a)) add(inner + 1, times(y, derivatives_[k].inner));
    return times(y, derivatives_[k].whole);
  }

  const MonicNetwork& network_;
  Points points_;
  const LaneMaps& transposed_;
  std::size_t lanes_;
  struct Slope {
    Gradient whole, inner;  ///< of what an activation gives by its argument, and by what it squares or multiplies last
  };
  std::vector<Slope> derivatives_;                ///< by activation
  std::vector<std::array<Gradient, 2>> factors_;  ///< by junction: of a product, its two sums
  std::vector<ByImage> amplification_;
  std::vector<Gradient> gradients_;
};

}  // namespace

OutputGains::OutputGains(const MonicNetwork& network, const LaneMaps& maps, std::size_t images)
    : network_(network),
      transposed_(maps),
      images_(images),
      turns_(std::clamp<std::size_t>(kGradients / images, 1, kLanes)),
      parts_((images + kLanes - 1) / kLanes) {
  for (auto& segment : transposed_) {
    for (auto& map : segment) map = std::make_shared<const LaneMatrix>(map->transposed());
  }
}

void OutputGains::take(std::size_t batch, Arguments arguments) {
  Backward backward(network_, transposed_, std::move(arguments), std::min(kLanes, images_ - batch * kLanes));
  std::mt19937 random(static_cast<std::uint32_t>(batch));
  for (std::size_t turn = 0; turn < turns_; ++turn) backward.run(turn, random);
  parts_[batch] = backward.amplification();
}

OutputGains::Gain OutputGains::at(std::size_t place) const {
  double sum = 0, most = 0;
  for (const auto& part : parts_) {
    for (const double one : part[place]) {
      sum += one;
      most = std::max(most, one);
    }
  }
  const double mean = sum / static_cast<double>(images_);
  const std::size_t classes = network_.segments.back().back().matrix.rows;
  return {mean / static_cast<double>(turns_ * classes), mean > 0 ? std::sqrt(most / mean) : 1};
}

namespace {

OutputGains gains_of(const MonicNetwork& network, const Images& images) {
  const LaneMaps maps = lane_maps(network);
  OutputGains gains(network, maps, images.count());
  measure(network, maps, images, [&](std::size_t batch, Arguments own) { gains.take(batch, std::move(own)); });
  return gains;
}

}  // namespace

ErrorAmplification::ErrorAmplification(const MonicNetwork& network, const LaneMaps& maps, const Statistics& statistics,
                                       const OutputGains& gains)
    : amplification_(Points(network).count() + 1) {
  LaneMaps squared = maps;
  for (auto& segment : squared) {
    for (auto& map : segment) map = std::make_shared<const LaneMatrix>(map->squared());
  }
  base::parallel_for((amplification_.size() + kLanes - 1) / kLanes, [&](std::size_t group) {
    auto found = Follower(network, squared, statistics, group * kLanes).run();
    for (std::size_t lane = 0; lane < kLanes && group * kLanes + lane < amplification_.size(); ++lane) {
      amplification_[group * kLanes + lane] = std::move(found[lane]);
    }
  });
  const std::size_t output = Points(network).output();
  for (std::size_t place = 0; place < amplification_.size(); ++place) {
    const OutputGains::Gain gain = gains.at(place);
    amplification_[place][output] = gain.mean;
    growth_ = std::max(growth_, gain.growth);
  }
}

ErrorAmplification::ErrorAmplification(const MonicNetwork& network, const Statistics& statistics, const Images& images)
    : ErrorAmplification(network, lane_maps(network), statistics, gains_of(network, images)) {}

}  // namespace obscura::compile
