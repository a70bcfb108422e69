// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.h"
#include "ckks/noise.h"
#include "tests/compile/batch_trial.h"
#include "tests/compile/networks.h"

namespace obscura::compile {
namespace {

using ::testing::ElementsAre;
using Kind = Operation::Kind;

/// conv, degree 4, [pool,] dense: 2 x 8 x 8 elements in the activation.
MonicNetwork network(bool pooled) {
  Net net({1, 10, 10});
  const ValueId x = net.conv(0, 1, 2, 3);
  const ValueId x2 = net.square(x);
  ValueId y = net.sum(net.square(x2), net.times(x, 3));
  Attributes pool;
  pool.kernel = {2, 2};
  pool.strides = {2, 2};
  if (pooled) y = net.node(Op::average_pool, {y}, pool);
  net.dense(net.square(net.conv(y, 2, 64, 1)), pooled ? 64 * 16 : 64 * 64, 3);
  return make_monic(fuse(net.finished()).value()).value();
}

TEST(Schedule, MergesEachRescaleIntoARelinearization) {
  const MonicNetwork net = network(false);
  const BatchTrial s(net, {1, 1, 0});
  EXPECT_THAT(s.kinds(), ElementsAre(Kind::linear, Kind::square, Kind::relinearize, Kind::square, Kind::combine,
                                     Kind::relinearize, Kind::linear, Kind::square, Kind::linear, Kind::relinearize))
      << "x^4 + r x needs no combination inside: p = q = 0";
  EXPECT_EQ(s.limbs(0), 4u);
  EXPECT_EQ(s.limbs(10), 2u);
  EXPECT_EQ(s.parts(10), 2u);
}

TEST(Schedule, KeepsThreePartsThroughPoolingAndThroughTheLastLayer) {
  const MonicNetwork net = network(true);
  const BatchTrial s(net, {1, 1, 0});
  EXPECT_THAT(s.kinds(),
              ElementsAre(Kind::linear, Kind::square, Kind::relinearize, Kind::square, Kind::combine, Kind::linear,
                          Kind::relinearize, Kind::linear, Kind::square, Kind::linear, Kind::relinearize));
  EXPECT_EQ(s.parts(6), 3u);
  EXPECT_EQ(s.operations()[6].ciphertexts, 32u) << "a quarter of the key switches";
}

TEST(Schedule, ScalesGoBackFromTheLogitsAndForwardExactly) {
  const MonicNetwork net = network(true);
  BatchTrial trial(net, {1, 1, 0});
  const auto& chain = trial.params().literal().chain;
  const Schedule s = trial.solve({{64}, {4, 128}, {256}}, 0x1p80);
  EXPECT_NEAR(s.values.back().scale / 0x1p80, 1, 1e-12);
  const double x = s.input_scale * 64;
  EXPECT_DOUBLE_EQ(s.values[0].scale, x);
  const double v = x * x / static_cast<double>(chain[3]);
  EXPECT_DOUBLE_EQ(s.values[2].scale, v);
  EXPECT_DOUBLE_EQ(s.values[6].scale, v * v * 4 / static_cast<double>(chain[2]));
}

TEST(Schedule, PredictedErrorIsThatOfASimulation) {
  // The model adds variances through measured derivatives; a simulation adds Gaussian errors of the same sizes at the
  // same places to real values. They agree to the 10 % that 32 images x 3 logits x 64 draws and derivatives taken as
  // independent of one another allow.
  const MonicNetwork net = network(false);
  const std::vector<float> images = probe_images(net.input);
  const Statistics statistics = measure(net, {images, 100});
  BatchTrial trial(net, {1, 1, 0});
  const ckks::Params& params = trial.params();
  Schedule s = trial.solve({{64}, {128}, {256}}, 0x1p78);
  trial.predict(statistics, ErrorAmplification(net, statistics, {images, 100}), {}, s);
  const double fresh = ckks::noise_of_encryption(params) / s.input_scale;
  const auto switch_error = [&](std::size_t action, std::size_t limbs) {
    const double before = ckks::noise_of_switch(params, limbs) / s.values[action - 1].scale;
    const double after = ckks::noise_of_rounding(params, 2) / s.values[action].scale;
    return std::hypot(before, after);
  };
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  const auto noisy = [&](std::vector<double> x, double size) {
    for (double& v : x) v += size * normal(random);
    return x;
  };
  const auto run = [&](std::span<const float> image, double on) {
    std::vector<double> x = noisy({image.begin(), image.end()}, on * fresh);
    const auto map = [&](std::size_t segment) {
      const LinearMap& m = net.segments[segment][0];
      x = multiply(m.matrix, x);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += m.bias[i];
    };
    const auto square = [](std::vector<double> v) {
      for (double& e : v) e *= e;
      return v;
    };
    map(0);
    std::vector<double> y = square(noisy(square(x), on * switch_error(2, 4)));
    for (std::size_t i = 0; i < x.size(); ++i) y[i] += element(net.activations[0].r, i) * x[i];
    x = noisy(y, on * switch_error(5, 3));
    map(1);
    x = square(x);
    map(2);
    return noisy(x, on * switch_error(9, 2));
  };
  double total = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    const auto image = std::span<const float>(images).subspan(i * 100, 100);
    const auto exact = run(image, 0);
    for (int draw = 0; draw < 64; ++draw) {
      const auto y = run(image, 1);
      for (std::size_t c = 0; c < 3; ++c) total += (y[c] - exact[c]) * (y[c] - exact[c]) / (32 * 64 * 3);
    }
  }
  EXPECT_NEAR(s.values.back().error_std / std::sqrt(total), 1, 0.1);
  EXPECT_NEAR(s.noise_std / std::sqrt(total), 1, 0.1);
}

TEST(Schedule, RoundingIsErrorButNotNoise) {
  const MonicNetwork net = network(true);
  const std::vector<float> images = probe_images(net.input);
  const Statistics statistics = measure(net, {images, 100});
  const ErrorAmplification amplification(net, statistics, {images, 100});
  BatchTrial trial(net, {1, 1, 0});
  Schedule s = trial.solve({{64}, {4, 128}, {256}}, 0x1p78);
  trial.predict(statistics, amplification, {}, s);
  const double noise = s.noise_std;
  const double error = s.values.back().error_std;
  EXPECT_GT(noise, 0);
  // The coefficients of x are rounded even where the weights are not.
  EXPECT_LT(noise, error);
  trial.predict(statistics, amplification, std::vector<double>(Points(net).count(), 1), s);
  EXPECT_EQ(s.noise_std, noise);
  EXPECT_DOUBLE_EQ(s.values.back().error_std, std::hypot(1, error));
}

/// What a small perturbation at one place does to the outputs of the map after the activation.
class Perturbation {
 public:
  explicit Perturbation(const MonicNetwork& net) : net_(net) {}

  /// Mean squared change for perturbations of variance 1, which a small number stands for.
  double measure(const std::vector<float>& images, const std::string& place) {
    constexpr double kSmall = 1e-6;
    constexpr int kDraws = 100;
    double total = 0;
    std::size_t count = 0;
    const std::size_t elements = net_.segments[0][0].matrix.cols;
    for (std::size_t i = 0; i + elements <= images.size(); i += elements) {
      const std::vector<double> image(images.begin() + static_cast<std::ptrdiff_t>(i),
                                      images.begin() + static_cast<std::ptrdiff_t>(i + elements));
      const auto exact = run(image, place, 0);
      for (int draw = 0; draw < kDraws; ++draw) {
        const auto changed = run(image, place, kSmall);
        for (std::size_t c = 0; c < exact.size(); ++c, ++count) total += std::pow((changed[c] - exact[c]) / kSmall, 2);
      }
    }
    return total / static_cast<double>(count);
  }

 private:
  std::vector<double> run(std::vector<double> x, const std::string& place, double size) {
    const auto at = [&](const char* here, std::vector<double> v) {
      if (place == here) {
        for (double& e : v) e += size * normal_(random_);
      }
      return v;
    };
    const auto apply = [](const LinearMap& map, const std::vector<double>& v) {
      std::vector<double> y = multiply(map.matrix, v);
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += map.bias[i];
      return y;
    };
    x = at("map", apply(net_.segments[0][0], at("input", x)));
    const MonicActivation& a = net_.activations[0];
    std::vector<double> v = x;
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = x[i] * x[i] + element(a.p, i) * x[i] + element(a.q, i);
    v = at("shifted", v);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = v[i] * v[i] + element(a.r, i) * x[i];
    return apply(net_.segments[1][0], at("result", v));
  }

  const MonicNetwork& net_;
  std::mt19937 random_{13};
  std::normal_distribution<double> normal_;
};

TEST(ErrorAmplification, AreThoseOfSmallPerturbations) {
  Net net({1, 6, 6});
  const ValueId x = net.conv(0, 1, 2, 3);
  const ValueId x2 = net.square(x);
  const ValueId x3 = net.product(x2, x);
  const ValueId y = net.sum(net.sum(net.square(x2), net.times(x3, 2)), net.sum(net.times(x2, -3), net.times(x, 4)));
  net.dense(y, 32, 12);
  const MonicNetwork monic = make_monic(fuse(net.finished()).value()).value();
  ASSERT_NE(monic.activations[0].p[0], 0);
  ASSERT_NE(monic.activations[0].r[0], 0);
  const std::vector<float> images = random_images(net.finished(), 30);
  const ErrorAmplification amplification(monic, measure(monic, {images, 36}), {images, 36});
  const Points points(monic);
  const std::size_t end = points.map(1, 0);
  Perturbation simulated(monic);
  // 30 images x 100 draws x 12 outputs that share their errors: 36,000 squares, good to some percent.
  // An input's error comes back through overlapping windows, where the model takes the parts as independent.
  EXPECT_NEAR(amplification.from_input(end) / simulated.measure(images, "input"), 1, 0.15);
  EXPECT_NEAR(amplification.from(points.map(0, 0), end) / simulated.measure(images, "map"), 1, 0.06);
  EXPECT_NEAR(amplification.from(points.shifted(0), end) / simulated.measure(images, "shifted"), 1, 0.06);
  EXPECT_NEAR(amplification.from(points.result(0), end) / simulated.measure(images, "result"), 1, 0.06);
  EXPECT_EQ(amplification.from(end, points.result(0)), 0) << "errors do not go backwards";
  EXPECT_EQ(amplification.from(end, end), 1);
}

/// Of errors of variance 1 in what a map gives: its bias is moved at random.
double simulated_gain(const MonicNetwork& network, LinearMap& map, const Images& images) {
  constexpr double kSmall = 1e-5;
  constexpr int kDraws = 300;
  const std::vector<double> exact = evaluate(network, images), bias = map.bias;
  std::mt19937 random(13);
  std::normal_distribution<double> normal;
  double total = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    for (std::size_t i = 0; i < bias.size(); ++i) map.bias[i] = bias[i] + kSmall * normal(random);
    const std::vector<double> changed = evaluate(network, images);
    for (std::size_t i = 0; i < exact.size(); ++i) total += std::pow((changed[i] - exact[i]) / kSmall, 2);
  }
  map.bias = bias;
  return total / kDraws / static_cast<double>(exact.size());
}

TEST(ErrorAmplification, GoThroughProductsAndApproximationsTimesTheirInput) {
  Net net({1, 5, 5});
  const ValueId x =
      net.node(Op::function, {net.conv(0, 1, 2, 2)}, {.function = approx::default_of(approx::Function::Kind::swish)});
  net.dense(net.product(net.conv(x, 2, 3, 2), net.conv(0, 1, 3, 3)), 27, 4);
  Approximations approximations;
  approximations[1] = exact_form({0.5, 0.2, -0.01, 0.02}, 4);
  approximations[1].times_input = true;
  MonicNetwork monic = make_monic(fuse(net.finished(), approximations).value(), Quartics::plain).value();
  ASSERT_TRUE(is_compound(monic.activations[0]));
  const std::vector<float> data = random_images(net.graph(), 8);
  const Images images{data, 25};
  const ErrorAmplification amplification(monic, measure(monic, images), images);
  const Points points(monic);
  const std::size_t product = 1;
  ASSERT_TRUE(is_product(monic.junctions[product]));
  for (const Junction& junction : monic.junctions) {
    for (const Branch& branch : junction.branches) {
      LinearMap& map = monic.segments[branch.segment].back();
      const double expected = simulated_gain(monic, map, images);
      EXPECT_NEAR(amplification.from(points.map(branch.segment, 0), points.output()) / expected, 1, 0.1) << map.origin;
    }
  }
  // One after the other, as values inside of the network have it.
  const double through = amplification.from(points.square(0), points.result(0)) *
                         amplification.from(points.result(0), points.sum(product));
  EXPECT_NEAR(amplification.from(points.square(0), points.sum(product)) / through, 1, 0.2);
  EXPECT_NEAR(amplification.from(points.factor(product, 0), points.sum(product)),
              measure(monic, images).mean_square[points.factor(product, 1)], 1e-9);
}

TEST(ErrorAmplification, AtTheOutputFollowEachImageAndWhatWindowsShare) {
  Net net({1, 12, 12});
  const auto blur = [&](ValueId x, std::int64_t side) {  // weights of one sign: neighbours share their errors
    Attributes a;
    a.kernel = {side, side};
    return net.node(Op::conv, {x, net.numbers({1, 1, side, side}, 0.05, 0.1), net.numbers({1}, 0, 0.1)}, a);
  };
  const ValueId x = net.square(blur(net.square(blur(0, 3)), 3));
  Attributes pool;
  pool.kernel = {8, 8};
  pool.strides = {8, 8};
  net.dense(net.node(Op::average_pool, {x}, pool), 1, 4);
  const nn::Graph& graph = net.finished();
  const MonicNetwork monic = make_monic(fuse(graph).value()).value();
  std::vector<float> data = random_images(graph, 24);
  for (std::size_t i = 0; i < 3 * 144; ++i) data[i] *= 3;  // steeper than the others in both layers
  const Images images{data, 144};
  const std::vector<double> exact = evaluate(monic, images);
  std::mt19937 random(13);
  std::normal_distribution<float> normal(0, 1e-3F);
  constexpr int kDraws = 100;
  double total = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::vector<float> changed = data;
    for (float& v : changed) v += normal(random);
    const std::vector<double> logits = evaluate(monic, {changed, 144});
    for (std::size_t i = 0; i < exact.size(); ++i) total += std::pow((logits[i] - exact[i]) / 1e-3, 2);
  }
  const double measured = total / static_cast<double>(kDraws * exact.size());
  const ErrorAmplification amplification(monic, measure(monic, images), images);
  EXPECT_NEAR(amplification.from_input(Points(monic).output()) / measured, 1, 0.1);
}

TEST(Statistics, RoundingErrorsAreMeansOverTheImagesGiven) {
  const MonicNetwork net = network(true);
  const std::vector<float> images = probe_images(net.input);
  const LaneMaps exact = lane_maps(net);
  LaneMaps rounded = exact;
  for (auto& segment : rounded) {
    for (auto& map : segment) map = std::make_shared<const LaneMatrix>(map->rounded(64));
  }
  const Images all{images, 100};
  const std::vector<double> together = rounding_errors(net, exact, {rounded}, all.first(3))[0];
  std::vector<double> mean(together.size(), 0);
  for (std::size_t i = 0; i < 3; ++i) {
    const Images one{std::span<const float>(images).subspan(i * 100, 100), 100};
    const auto alone = rounding_errors(net, exact, {rounded}, one)[0];
    for (std::size_t p = 0; p < mean.size(); ++p) mean[p] += alone[p] / 3;
  }
  for (std::size_t p = 0; p < mean.size(); ++p) EXPECT_NEAR(together[p], mean[p], 1e-12 * mean[p]) << "point " << p;
  EXPECT_GT(together.back(), 0);
}

TEST(Statistics, DoNotDependOnTheNumberOfThreads) {
  const MonicNetwork net = network(true);
  const std::vector<float> images = probe_images(net.input);
  const Statistics many = measure(net, {images, 100});
  const base::ThreadLimit one(1);
  const Statistics single = measure(net, {images, 100});
  EXPECT_EQ(many.logit_deviation, single.logit_deviation);
  EXPECT_EQ(many.max_abs, single.max_abs);
  EXPECT_EQ(many.derivatives[0].result, single.derivatives[0].result);
}

TEST(Cost, GrowsWithEveryArgument) {
  const CostModel cost;
  EXPECT_GT(cost.relinearize(14, 48, 5, 1, 1), cost.relinearize(13, 48, 5, 1, 1));
  EXPECT_GT(cost.relinearize(14, 48, 6, 1, 1), cost.relinearize(14, 48, 5, 1, 1));
  EXPECT_GT(cost.relinearize(14, 49, 5, 1, 1), cost.relinearize(14, 48, 5, 1, 1));
  EXPECT_GT(cost.linear(14, 5, 3, 1000, 10, 10), cost.linear(14, 5, 2, 1000, 10, 10));
  CostModel two;
  two.threads = 2;
  EXPECT_DOUBLE_EQ(two.relinearize(14, 48, 5, 2, 1) * 2, cost.relinearize(14, 48, 5, 2, 1));
}

TEST(Statistics, APoolingBeforeAMapMovesWithoutItsBias) {
  // x^2 - 3 x: its square stands around -9/4, which the pooling's bias makes up for.
  Net net({1, 4, 4});
  const ValueId x = net.conv(0, 1, 2, 1);
  const ValueId y = net.sum(net.square(x), net.times(x, -3));
  net.dense(net.node(Op::global_average_pool, {y}), 2, 3);
  MonicNetwork network = make_monic(fuse(net.finished()).value()).value();
  ASSERT_EQ(network.segments[1].size(), 2u);
  const std::vector<float> images = random_images(net.graph(), 20);
  const Statistics with = measure(network, {images, 16});
  for (double& bias : network.segments[1][0].bias) bias = 0;
  const Statistics without = measure(network, {images, 16});
  const std::size_t pooled = Points(network).map(1, 0);
  EXPECT_GT(std::abs(with.max_abs[pooled] - without.max_abs[pooled]), 0.5);
  EXPECT_NEAR(with.max_moving[pooled], without.max_abs[pooled], 1e-12);
  EXPECT_NEAR(with.mean_square[pooled], without.mean_square[pooled], 1e-12);
}

}  // namespace
}  // namespace obscura::compile
