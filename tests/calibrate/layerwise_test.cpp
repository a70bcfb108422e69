// SPDX-License-Identifier: Apache-2.0
/// Degrees for each layer.
#include "tests/calibrate/networks.h"

namespace obscura::calibrate {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Of = Budget::Of;

/// The choices that a network of one of its activations alone has, by trying every depth.
struct Candidate {
  int depth;
  double products;
  double square;  ///< predicted, of the logits
};

std::vector<Candidate> candidates_of(const Graph& graph, const Range& range, double sensitivity) {
  Calibration alone;
  alone.images = 1;
  alone.ranges = {range};
  const auto chooser = LayerwiseChooser::make(graph, alone, {sensitivity}).value();
  std::vector<Candidate> out;
  for (int depth = 1; depth <= 16; ++depth) {
    const auto choice = chooser.choose({Of::depth, static_cast<double>(depth)});
    if (!choice) continue;
    const Candidate next{choice->depth(), choice->products(), choice->logit_error * choice->logit_error};
    if (out.empty() || out.back().depth != next.depth) out.push_back(next);
  }
  return out;
}

/// The same histograms over a range `factor` times as wide.
void widen(Calibration& calibration, double factor) {
  for (Range& range : calibration.ranges) {
    for (double* end : {&range.low, &range.high, &range.inputs.low, &range.inputs.high}) *end *= factor;
  }
}

/// Four smooth activations on ranges so wide that each of their five candidates is better than the one before.
class Smooth : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    Stack stack(6, {Kind::sigmoid, Kind::tanh, Kind::gelu, Kind::softplus});
    Calibration calibration = calibration_of(stack.graph(), 80);
    widen(calibration, 10);
    const std::vector<double> sensitivities{1, 100, 0.01, 30};
    for (std::size_t i = 0; i < 4; ++i) {
      candidates_.push_back(candidates_of(stack.graph(), calibration.ranges[i], sensitivities[i]));
      EXPECT_EQ(candidates_.back().size(), 5U) << "degrees 3, 7, 15, 31 and 63 of " << i;
    }
    chooser_ = LayerwiseChooser::make(stack.graph(), calibration, sensitivities).value();
  }
  static void TearDownTestSuite() { candidates_.clear(); }
  /// Calls visit(depth, products, square) for each of the 625 combinations.
  template <class Visit>
  void each(Visit visit) const {
    for (const auto& a : candidates_[0]) {
      for (const auto& b : candidates_[1]) {
        for (const auto& c : candidates_[2]) {
          for (const auto& d : candidates_[3]) {
            visit(a.depth + b.depth + c.depth + d.depth, a.products + b.products + c.products + d.products,
                  a.square + b.square + c.square + d.square);
          }
        }
      }
    }
  }
  static inline std::vector<std::vector<Candidate>> candidates_;
  static inline LayerwiseChooser chooser_;
};

TEST_F(Smooth, TakesTheBestOfAllCombinationsForEachDepth) {
  int budgets = 0;
  for (int depth = 8; depth <= 26; ++depth) {
    double best = INFINITY;
    each([&](int levels, double, double square) { best = levels <= depth ? std::min(best, square) : best; });
    const auto choice = chooser_.choose({Of::depth, static_cast<double>(depth)});
    ASSERT_TRUE(choice.ok()) << choice.error().message;
    EXPECT_LE(choice->depth(), depth);
    EXPECT_NEAR(choice->logit_error * choice->logit_error, best, 1e-9 * best) << depth << " levels";
    budgets += best < INFINITY ? 1 : 0;
  }
  EXPECT_EQ(budgets, 19);
}

TEST_F(Smooth, TakesTheBestOfAllCombinationsForProducts) {
  double least = INFINITY, most = 0;
  each([&](int, double products, double) {
    least = std::min(least, products);
    most = std::max(most, products);
  });
  for (const double share : {0.0, 0.1, 0.37, 0.5, 0.8, 1.0}) {
    const double limit = least + share * (most - least);
    // Each of four layers rounds up by less than one of 16000 steps of what is left.
    const double surely = limit - 4 * (limit - least) / 16000;
    double best = INFINITY, sure = INFINITY;
    each([&](int, double products, double square) {
      if (products <= limit) best = std::min(best, square);
      if (products <= (share == 1 ? limit : surely)) sure = std::min(sure, square);
    });
    const auto choice = chooser_.choose({Of::products, limit});
    ASSERT_TRUE(choice.ok()) << choice.error().message;
    EXPECT_LE(choice->products(), limit);
    const double square = choice->logit_error * choice->logit_error;
    EXPECT_GE(square, best * (1 - 1e-9));
    EXPECT_LE(square, sure * (1 + 1e-9)) << share;
  }
}

TEST_F(Smooth, SpendsNoMoreThanItsErrorAsks) {
  for (const double error : {1.0, 0.1, 1e-3}) {
    int least = 1000;
    each([&](int levels, double, double square) { least = square <= error * error ? std::min(least, levels) : least; });
    const auto choice = chooser_.choose_within(error, Of::depth);
    ASSERT_EQ(choice.ok(), least < 1000) << error;
    if (!choice) continue;
    EXPECT_EQ(choice->depth(), least) << error;
    EXPECT_LE(choice->logit_error, error);
    const auto cheap = chooser_.choose_within(error, Of::products);
    ASSERT_TRUE(cheap.ok());
    EXPECT_LE(cheap->logit_error, error);
    EXPECT_LE(cheap->products(), choice->products() * 1.001);
  }
}

TEST_F(Smooth, ReachesItsMostPreciseChoiceByEitherMeasure) {
  double best = INFINITY;
  each([&](int, double, double square) { best = std::min(best, square); });
  for (const Of of : {Of::depth, Of::products}) {
    const auto choice = chooser_.choose_within(std::sqrt(best) * (1 + 1e-9), of);
    ASSERT_TRUE(choice.ok()) << choice.error().message;
    EXPECT_NEAR(chooser_.choose({of, 1e300})->logit_error, std::sqrt(best), 1e-9 * std::sqrt(best));
    EXPECT_THAT(chooser_.choose_within(std::sqrt(best) / 2, of).error().message, HasSubstr("the candidates reach"));
  }
}

TEST_F(Smooth, SaysTheLeastThatABudgetMustBe) {
  EXPECT_THAT(chooser_.choose({Of::depth, 7}).error().message, AllOf(HasSubstr("7 levels"), HasSubstr("at least 8")));
  EXPECT_TRUE(chooser_.choose({Of::depth, 8}).ok());
  EXPECT_TRUE(chooser_.choose({Of::depth, 8.9}).ok());
  for (const double limit : {0.0, -3.0, std::nan("")}) {
    EXPECT_EQ(chooser_.choose({Of::depth, limit}).error().code, Code::infeasible);
    EXPECT_THAT(chooser_.choose({Of::products, limit}).error().message, HasSubstr("at least"));
  }
}

TEST(Layerwise, IsNeverWorseThanOneAlphaForAll) {
  Stack stack(8, {Kind::relu, Kind::relu, Kind::leaky_relu});
  const Calibration calibration = calibration_of(stack.graph(), 100);
  const std::vector<double> sensitivities{3, 0.2, 1};
  const auto chooser = LayerwiseChooser::make(stack.graph(), calibration, sensitivities).value();
  for (const int alpha : {5, 8, 11}) {
    const Choice alike = choose_alike(stack.graph(), calibration, sensitivities, alpha).value();
    ASSERT_GT(alike.logit_error, 0);
    // The front that candidates come from keeps precisions to 0.01 bits.
    const double slack = std::exp2(0.02);
    const auto same = chooser.choose({Of::depth, static_cast<double>(alike.depth())});
    ASSERT_TRUE(same.ok());
    EXPECT_LE(same->logit_error, alike.logit_error * slack);
    const auto cheaper = chooser.choose_within(alike.logit_error * slack, Of::depth);
    ASSERT_TRUE(cheaper.ok());
    EXPECT_LE(cheaper->depth(), alike.depth());
  }
}

TEST(Layerwise, GivesDepthToTheLayerThatMattersMore) {
  Stack stack(8, {Kind::sigmoid, Kind::sigmoid});
  Calibration calibration = calibration_of(stack.graph(), 100);
  calibration.ranges[1].inputs = calibration.ranges[0].inputs;
  calibration.ranges[1].low = calibration.ranges[0].low;
  calibration.ranges[1].high = calibration.ranges[0].high;
  widen(calibration, 10);
  const auto chooser = LayerwiseChooser::make(stack.graph(), calibration, {1e-6, 1e6}).value();
  const Choice choice = chooser.choose({Of::depth, 8}).value();
  EXPECT_EQ(choice.chosen[0].depth, 2);
  EXPECT_EQ(choice.chosen[1].depth, 6);
}

TEST(Layerwise, TakesNoMoreLevelsForAnActivationThanAreAllowed) {
  Stack stack(8, {Kind::relu, Kind::hard_swish, Kind::leaky_relu, Kind::sigmoid});
  const Calibration calibration = calibration_of(stack.graph(), 100);
  const std::vector<double> sensitivities{1, 1, 1, 1};
  const auto deepest = [&](int most_levels) {
    const auto chooser = LayerwiseChooser::make(stack.graph(), calibration, sensitivities, 0.25, most_levels).value();
    int most = 0;
    const Choice choice = chooser.choose({Of::depth, 1e300}).value();
    for (const Chosen& one : choice.chosen) most = std::max(most, one.activation.certificate.depth);
    return most;
  };
  for (const int levels : {2, 5, 9, 14}) EXPECT_EQ(deepest(levels), levels);
  // Where nothing is said, HardSwish alone has its product besides.
  EXPECT_EQ(deepest(kMostLevels), kMostLevels);
}

TEST(Layerwise, OfNoActivationsIsNothing) {
  Stack stack(4, {});
  const auto chooser = LayerwiseChooser::make(stack.graph(), {}, {}).value();
  EXPECT_TRUE(chooser.choose({Of::depth, 0})->chosen.empty());
  EXPECT_TRUE(chooser.choose({Of::products, 5})->chosen.empty());
  EXPECT_TRUE(chooser.choose_within(0, Of::depth)->chosen.empty());
}

}  // namespace
}  // namespace obscura::calibrate
