// SPDX-License-Identifier: Apache-2.0
#include "residual.h"

#include "compile/compile.h"
#include "compile/measure/rounding.h"
#include "plan/verify.h"
#include "tests/compile/batch_trial.h"

namespace obscura::compile {
namespace {

FusedNetwork fused(Net& net) {
  auto result = fuse(net.finished());
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
  return result.ok() ? std::move(result).value() : FusedNetwork{};
}

TEST(Residual, EveryFormOfShortcutComputesTheNetwork) {
  for (const ResidualCase& c : residual_cases()) {
    SCOPED_TRACE(c.name);
    ResidualNet net({2, 4, 4});
    c.build(net);
    const auto monic = make_monic(fused(net));
    ASSERT_TRUE(monic.ok()) << monic.error().message;
    EXPECT_LT(monic_difference(net.graph(), *monic), kFloat);
  }
}

std::vector<std::size_t> branches(const FusedNetwork& network) {
  std::vector<std::size_t> out;
  for (const Junction& junction : network.junctions) out.push_back(junction.branches.size());
  return out;
}

const ResidualCase& named(const std::string& name) {
  return *std::find_if(residual_cases().begin(), residual_cases().end(),
                       [&](const ResidualCase& c) { return c.name == name; });
}

FusedNetwork fused_case(const std::string& name) {
  ResidualNet net({2, 4, 4});
  named(name).build(net);
  return fused(net);
}

using ::testing::ElementsAre;

TEST(Residual, AnActivationTakesTheSumBeforeIt) {
  const FusedNetwork network = fused_case("Identity");
  EXPECT_THAT(branches(network), ElementsAre(1, 1, 2, 1));
  EXPECT_EQ(network.activations.size(), 3U);
  const MonicNetwork monic = make_monic(network).value();
  EXPECT_FALSE(monic.junctions[2].branches[0].diagonal);
  EXPECT_TRUE(monic.junctions[2].branches[1].diagonal) << "the shortcut needs no map of its own";
  EXPECT_EQ(monic.junctions[2].branches[1].source, 1U);
  EXPECT_FALSE(network.junctions[2].origin.empty()) << "names the Add";
}

TEST(Residual, ConvolutionsAfterAConcatGoToItsParts) {
  const FusedNetwork network = fused_case("ConcatOfTwoBranches");
  EXPECT_THAT(branches(network), ElementsAre(1, 1, 2, 1));
}

TEST(Residual, ASumThatSeveralReadIsAValueOfItsOwn) {
  const FusedNetwork network = fused_case("SumsThatSeveralRead");
  // quadratic(x); y; quadratic(y); quadratic(y + ...); dense
  EXPECT_THAT(branches(network), ElementsAre(1, 2, 1, 2, 1));
  EXPECT_FALSE(network.junctions[1].activation.has_value());
}

MonicNetwork monic_case(const std::string& name) { return make_monic(fused_case(name)).value(); }

using Kind = Operation::Kind;

TEST(ResidualSchedule, RelinearizesOnceWhatSeveralRead) {
  const MonicNetwork network = monic_case("Identity");
  const BatchTrial s(network, {1, 1, 0});
  EXPECT_THAT(s.kinds(),
              ElementsAre(Kind::linear, Kind::square, Kind::relinearize, Kind::linear, Kind::square, Kind::relinearize,
                          Kind::linear, Kind::sum, Kind::square, Kind::linear, Kind::relinearize, Kind::linear));
  const Operation& sum = s.operations()[7];
  ASSERT_EQ(sum.addends.size(), 1U);
  EXPECT_EQ(sum.addends[0].value, 3U) << "the block's input as the convolution reads it";
  EXPECT_EQ(s.limbs(8), 2U) << "those of the longer path";
}

TEST(ResidualSchedule, LimbsFollowTheSquaresOnTheLongestPath) {
  const MonicNetwork network = monic_case("BranchesOfTwoDepthsWithDegreeFour");
  EXPECT_THAT(squares_before(network), ElementsAre(0, 1, 2, 3, 4, 4));
  const BatchTrial s(network, {1, 1, 1, 0});
  EXPECT_EQ(s.limbs(0), 5U);
  for (std::size_t k = 0; k < s.operations().size(); ++k) {
    const Operation& sum = s.operations()[k];
    if (sum.kind != Kind::sum) continue;
    EXPECT_EQ(s.limbs(sum.input), 2U);
    EXPECT_EQ(s.limbs(sum.addends[0].value), 3U);
    EXPECT_EQ(s.limbs(static_cast<plan::ValueId>(k + 1)), 2U);
  }
}

TEST(ResidualSchedule, EveryBranchReachesTheScaleOfItsSum) {
  for (const ResidualCase& c : residual_cases()) {
    SCOPED_TRACE(c.name);
    const MonicNetwork network = monic_case(c.name);
    const std::size_t squares = squares_before(network).back();
    std::vector<std::uint32_t> drops(squares, 1);
    drops.back() = 0;
    BatchTrial trial(network, drops);
    const std::vector<float> images = probe_images(network.input);
    const Rounding rounding = Rounding::measure(network, Images{images, 32}.first(16)).value();
    const WeightScales largest = rounding.scales(rounding.uniform(8));
    const Schedule s = trial.solve(largest, 0x1p80);
    EXPECT_NEAR(s.values.back().scale / 0x1p80, 1, 1e-9);
    const auto scale = [&](plan::ValueId id) { return s.values[id - 1].scale; };
    for (std::size_t k = 0; k < s.values.size(); ++k) {
      const Operation& operation = trial.operations()[k];
      if (operation.scale_matched) {
        const double times = scale(operation.other) / s.values[k].scale;
        EXPECT_NEAR(times, std::round(times), 1e-9 * times) << "added a whole number of times";
        EXPECT_LE(s.weight_scales[operation.segment][operation.map], largest[operation.segment][operation.map]);
      }
      for (const Operation::Addend& addend : operation.addends) {
        if (!addend.diagonal) continue;
        EXPECT_EQ(s.weight_scales[*addend.diagonal][0], s.values[k].scale / scale(addend.value));
      }
    }
  }
}

/// Mean squared change of the outputs for changes of variance 1 of a value, which a small one stands for: its readers'
/// biases take it over.
double measured_gain(const MonicNetwork& network, std::size_t value, std::size_t elements, const Images& images) {
  constexpr double kSmall = 1e-6;
  constexpr int kDraws = 300;
  std::mt19937 random(13);
  std::normal_distribution<double> normal;
  const std::vector<double> exact = evaluate(network, images);
  double total = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::vector<double> change(elements);
    for (double& v : change) v = kSmall * normal(random);
    MonicNetwork changed = network;
    for (const Junction& junction : network.junctions) {
      for (const Branch& branch : junction.branches) {
        if (branch.source != value) continue;
        LinearMap& map = changed.segments[branch.segment][0];
        const std::vector<double> shift = multiply(map.matrix, change);
        for (std::size_t i = 0; i < shift.size(); ++i) map.bias[i] += shift[i];
      }
    }
    const std::vector<double> actual = evaluate(changed, images);
    for (std::size_t i = 0; i < actual.size(); ++i) total += std::pow((actual[i] - exact[i]) / kSmall, 2);
  }
  return total / static_cast<double>(kDraws * exact.size());
}

TEST(ResidualGains, ErrorsOfAValueGoThroughAllWhoReadIt) {
  ResidualNet net({4, 6, 6});
  const ValueId x = net.quadratic(net.conv_norm(0, 4, 8), 8);
  net.dense(net.block(x, 8, 8, 1, x), 288, 12);
  const MonicNetwork network = make_monic(fused(net)).value();
  const std::vector<float> data = random_images(net.graph(), 16);
  const Images images{data, 144};
  const ErrorAmplification amplification(network, measure(network, images), images);
  const Points points(network);
  const double through_both = measured_gain(network, 1, 288, images);
  // The two paths are taken as independent; what they share through the middle of the kernel has either sign.
  EXPECT_NEAR(amplification.from(points.square(0), points.output()) / through_both, 1, 0.15);
  const double through_one = measured_gain(network, 2, 288, images);
  EXPECT_NEAR(amplification.from(points.square(1), points.output()) / through_one, 1, 0.15);
  EXPECT_EQ(amplification.from(points.square(1), points.square(0)), 0) << "errors do not go backwards";
}

/// rms difference between the clear integers of a plan and the reference.
TEST(Residual, PlansAreAsPreciseAsTheyPredict) {
  for (const ResidualCase& c : residual_cases()) {
    SCOPED_TRACE(c.name);
    ResidualNet net({2, 4, 4});
    c.build(net);
    const nn::Graph& graph = net.finished();
    const std::vector<float> images = random_images(graph, 100);
    Options options;
    options.calibration = images;
    const auto plan = compile(graph, options);
    ASSERT_TRUE(plan.ok()) << plan.error().message;
    EXPECT_TRUE(plan::verify(*plan).ok());
    const std::vector<float> expected = nn::run_reference(graph, images, 100);
    double total = 0;
    for (std::size_t i = 0; i < 100; ++i) {
      const auto actual = interpret(*plan, std::span(images).subspan(i * 32, 32));
      for (std::size_t k = 0; k < 4; ++k) total += std::pow(actual[k] - expected[i * 4 + k], 2) / 400;
    }
    EXPECT_LE(std::sqrt(total), plan->output.error_std);
    EXPECT_GT(std::sqrt(total), 0);
  }
}

}  // namespace
}  // namespace obscura::compile
