// SPDX-License-Identifier: Apache-2.0
/// One alpha for all.
#include "approx/bent.h"
#include "calibrate/chooser.h"
#include "tests/calibrate/networks.h"

namespace obscura::calibrate {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kGrid = 20001;

/// max |y - f| on a dense grid over [low, high].
double error_on_grid(const approx::Activation& activation, double low, double high, double (*f)(double)) {
  double worst = 0;
  for (int i = 0; i < kGrid; ++i) {
    const double x = low + (high - low) * i / (kGrid - 1);
    worst = std::max(worst, std::abs(evaluate(activation, x) - f(x)));
  }
  return worst;
}

double relu(double x) { return std::max(x, 0.0); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(Alike, KeepsEveryActivationWithinItsBoundTimesTwoToTheMinusAlpha) {
  Stack stack(6, {Kind::relu, Kind::leaky_relu, Kind::sigmoid, Kind::gelu});
  const Calibration calibration = calibration_of(stack.graph(), 60);
  for (const int alpha : {4, 7, 11}) {
    const Choice choice = choose_alike(stack.graph(), calibration, {}, alpha, 0.5).value();
    ASSERT_EQ(choice.chosen.size(), 4U);
    EXPECT_EQ(choice.logit_error, 0) << "nothing is predicted without sensitivities";
    for (std::size_t i = 0; i < 4; ++i) {
      const Chosen& one = choice.chosen[i];
      const Range& range = calibration.ranges[i];
      const auto& certificate = one.activation.certificate;
      EXPECT_EQ(one.node, range.node);
      EXPECT_LE(certificate.low, range.low - 0.5 * range.largest());
      EXPECT_GE(certificate.high, range.high + 0.5 * range.largest());
      const double allowed = std::ldexp(i < 2 ? 1.5 * range.largest() : range.largest(), -alpha);
      EXPECT_LE(certificate.max_error, allowed * (1 + 1e-12));
    }
    const auto& first = choice.chosen[0].activation;
    EXPECT_LE(error_on_grid(first, first.certificate.low, first.certificate.high, relu),
              first.certificate.max_error * (1 + 1e-9));
    const auto& third = choice.chosen[2].activation;
    EXPECT_LE(error_on_grid(third, third.certificate.low, third.certificate.high, sigmoid),
              third.certificate.max_error * (1 + 1e-6));
  }
}

TEST(Automatic, TakesTheCheapestWithinTheLoss) {
  Stack stack(6, {Kind::relu, Kind::tanh, Kind::gelu});
  constexpr std::size_t kImages = 700;  // several of the blocks that choices are tried on
  const auto images = Numbers(4).normal(kImages * 6);
  auto chooser = Chooser::make(stack.graph(), images, 0.5).value();
  const auto run = [&](const eval::Substitution& substitution) {
    return eval::Network::make(stack.graph(), substitution)->run(images, kImages)->logits;
  };
  const auto label = [](const std::vector<float>& logits, std::size_t i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(6 * i);
    return std::max_element(row, row + 6) - row;
  };
  const std::vector<float> exact = run({});
  int before = 0;
  for (const double loss : {0.2, 0.02, 0.002}) {
    const Choice choice = chooser.automatic(loss).value();
    const std::vector<float> actual = run(choice.substitution());
    double differ = 0;
    for (std::size_t i = 0; i < kImages; ++i) differ += label(actual, i) == label(exact, i) ? 0 : 1;
    EXPECT_LE(differ, loss * kImages);
    EXPECT_GT(choice.depth(), before) << "less loss takes more levels";
    before = choice.depth();
  }
  // A calibration that was read has no logits: they are computed.
  Calibration calibration = chooser.calibration();
  calibration.logits.clear();
  EXPECT_EQ(Chooser::make(stack.graph(), images, 0.5, calibration)->automatic(0.002)->depth(), before);
}

TEST(Automatic, SaysWhatTheMostPrecisePolynomialsReach) {
  // Logits that are the same but for a hair: any polynomial changes which is the largest.
  Builder builder({1, 1, 2});
  const auto at = builder.function(approx::default_of(Kind::relu), builder.flatten(0));
  builder.node(Op::gemm, {at, builder.constant({2, 2}, {1, 1, 1, 1.0000001F})});
  ASSERT_TRUE(nn::infer_shapes(builder.graph()).ok());
  const auto images = Numbers(4).normal(300 * 2);
  auto chooser = Chooser::make(builder.graph(), images, 0.5).value();
  EXPECT_THAT(chooser.automatic(0.01).error().message,
              AllOf(HasSubstr("of 300 training images; 3 of them are allowed"),
                    HasSubstr("the most precise polynomials of at most 15 levels")));
}

TEST(Automatic, TakesTheMostPreciseWhereNothingIsAskedAndNoneIsWithinTheDefault) {
  Stack stack(6, {Kind::relu, Kind::relu});
  constexpr std::size_t kImages = 700;
  const auto images = Numbers(4).normal(kImages * 6);
  const auto automatic = [&](int most_levels, std::optional<double> max_loss) {
    return Chooser::make(stack.graph(), images, 0.5, {}, {}, Measured::everything, most_levels)
        .value()
        .automatic(max_loss);
  };
  // What these levels change: more than 0.2 %, and not surely more than 1 %.
  constexpr int kLevels = 11;
  const Choice choice = automatic(kLevels, {}).value();
  EXPECT_EQ(choice.tried->images, kImages);
  EXPECT_GT(choice.tried->differing, 1U);
  EXPECT_LE(choice.tried->differing, 12U);
  for (const Chosen& one : choice.chosen) EXPECT_LE(one.activation.certificate.depth, kLevels);
  const double share = choice.tried->share();
  EXPECT_TRUE(automatic(kLevels, share).ok());
  const std::string refusal = automatic(kLevels, share - 1.0 / kImages).error().message;
  EXPECT_THAT(refusal, AllOf(HasSubstr("of at most 11 levels an activation"), HasSubstr("of them are allowed"),
                             HasSubstr(fmt::format("{:.2f} % of 700", 100 * share))));
  EXPECT_THAT(automatic(3, {}).error().message, HasSubstr("12 of them are allowed"));
}

TEST(Alike, ChoosesTheSameByExtremesAlone) {
  Stack stack(6, {Kind::relu, Kind::leaky_relu, Kind::sigmoid, Kind::gelu});
  const auto images = Numbers(4).normal(60 * 6);
  const auto chosen = [&](Measured what) {
    return Chooser::make(stack.graph(), images, 0.5, {}, {}, what).value().alike(9).value();
  };
  const Choice all = chosen(Measured::everything), some = chosen(Measured::extremes);
  ASSERT_EQ(all.chosen.size(), some.chosen.size());
  for (std::size_t i = 0; i < all.chosen.size(); ++i) {
    const auto& one = all.chosen[i].activation;
    const auto& other = some.chosen[i].activation;
    EXPECT_EQ(one.certificate.high, other.certificate.high) << i;
    ASSERT_EQ(one.composite.stages.size(), other.composite.stages.size()) << i;
    for (std::size_t s = 0; s < one.composite.stages.size(); ++s) {
      EXPECT_EQ(one.composite.stages[s].coefficients, other.composite.stages[s].coefficients) << i;
    }
  }
  EXPECT_GT(all.logit_error, 0);
  EXPECT_EQ(some.logit_error, 0) << "nothing is predicted without histograms";
}

/// A function on arguments that reach from -largest to largest.
struct Alone {
  Alone(const approx::Function& function, double largest) : builder({1, 1, 4}) {
    builder.function(function, builder.flatten(0));
    EXPECT_TRUE(nn::infer_shapes(builder.graph()).ok());
    auto images = Numbers(4).uniform(400, -static_cast<float>(largest), static_cast<float>(largest));
    images[0] = -static_cast<float>(largest);
    calibration = measure_ranges(builder.graph(), images, 100).value();
  }
  Result<Choice> choose(int alpha) { return choose_alike(builder.graph(), calibration, {}, alpha, 0.25); }
  Builder builder;
  Calibration calibration;
};

TEST(Alike, AFunctionOfBendsIsWithinTheBoundTimesTwoToTheMinusAlpha) {
  for (const approx::FunctionRow& row : approx::functions()) {
    const approx::Function function = approx::default_of(row.kind);
    if (!approx::bent_line(function)) continue;
    Alone alone(function, 8);
    for (const int alpha : {3, 6, 10}) {
      const Chosen one = alone.choose(alpha).value().chosen[0];
      const auto& certificate = one.activation.certificate;
      const double allowed = std::ldexp(10, -alpha);
      EXPECT_LE(certificate.max_error, allowed * (1 + 1e-9)) << row.name;
      EXPECT_LE(certificate.low, -10);
      EXPECT_GT(certificate.high, 9.5);
      const approx::Replacement replacement(function, one.activation);
      for (double x = certificate.low; x <= certificate.high; x += 1.0 / 64) {
        ASSERT_NEAR(replacement(x), approx::value(function, x), allowed * (1 + 1e-9)) << row.name << " " << x;
      }
    }
  }
}

TEST(Alike, AFunctionOfBendsTakesWhicheverFormHasFewerLevels) {
  Alone clip(approx::default_of(Kind::clip), 8);
  EXPECT_EQ(clip.choose(3)->chosen[0].activation.form, approx::Activation::Form::direct);
  const Chosen deep = clip.choose(10)->chosen[0];
  EXPECT_EQ(deep.activation.form, approx::Activation::Form::relu) << "a polynomial would have a degree of hundreds";
  EXPECT_EQ(deep.depth, deep.activation.certificate.depth);
}

TEST(Alike, AnErrorThatNoCompositionReachesIsRefusedWithTheWayOut) {
  const auto refused = Alone(approx::default_of(Kind::hard_swish), 500).choose(16);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::infeasible);
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr("node n1 (HardSwish)"), HasSubstr("at most 16"), HasSubstr("a smaller --alpha")));
}

TEST(Alike, TakesEveryFunctionOnTheRangeThatItsArgumentsHad) {
  constexpr std::size_t kImages = 300;
  for (const approx::FunctionRow& one : approx::functions()) {
    if (one.kind == Kind::thresholded_relu) continue;  // it jumps: no polynomial is near it on both sides
    Builder builder({1, 1, 4});
    const bool everywhere = check_domain(approx::default_of(one.kind), -6, 6).ok();
    nn::ValueId at = builder.flatten(0);
    if (!everywhere) at = builder.node(Op::add, {at, builder.constant({4}, {2, 2, 2, 2})});
    builder.function(one.kind, at);
    ASSERT_TRUE(nn::infer_shapes(builder.graph()).ok());
    const std::vector<float> images =
        everywhere ? Numbers(4).normal(4 * kImages) : Numbers(4).uniform(4 * kImages, -1, 4);
    const Calibration calibration = measure_ranges(builder.graph(), images, kImages).value();
    const auto sensitivities = measure_sensitivities(builder.graph(), calibration, images, kImages).value();
    const auto chosen = choose_alike(builder.graph(), calibration, sensitivities, 5, 0.5);
    ASSERT_TRUE(chosen.ok()) << chosen.error().message;
    EXPECT_LE(chosen->chosen[0].activation.certificate.low, calibration.ranges[0].low);
    EXPECT_GT(chosen->chosen[0].activation.certificate.high, calibration.ranges[0].high);
    const auto exact = eval::Network::make(builder.graph(), {})->run(images, kImages)->logits;
    const auto near = eval::Network::make(builder.graph(), chosen->substitution())->run(images, kImages)->logits;
    double squares = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) squares += std::pow(static_cast<double>(near[i]) - exact[i], 2);
    // The logits are the activation's: what was predicted from the histogram is what is measured.
    EXPECT_NEAR(std::sqrt(squares / kImages), chosen->logit_error, 0.05 * chosen->logit_error) << one.name;
  }
}

TEST(Alike, SaysWhereAFunctionIsNotDefinedOnItsArguments) {
  Builder builder({1, 1, 4});
  builder.function(Kind::reciprocal, builder.flatten(0));
  ASSERT_TRUE(nn::infer_shapes(builder.graph()).ok());
  const Calibration calibration = calibration_of(builder.graph(), 20);
  EXPECT_THAT(choose_alike(builder.graph(), calibration, {}, 5).error().message,
              AllOf(HasSubstr("node n1 (Reciprocal)"), HasSubstr("one side of 0")));
}

TEST(Alike, AddsUpDepthAndProducts) {
  Stack stack(6, {Kind::relu, Kind::relu});
  const Choice choice = choose_alike(stack.graph(), calibration_of(stack.graph(), 20), {}, 9).value();
  const auto unit = approx::relu(9, 1).value().certificate;
  EXPECT_EQ(choice.depth(), 2 * unit.depth);
  EXPECT_EQ(choice.products(), 2 * 6 * unit.multiplications) << "six values a layer";
  EXPECT_EQ(choice.substitution().size(), 2U);
  EXPECT_TRUE(choice.substitution().contains(4));
}

TEST(Alike, CountsTheWholeTreeOfAMaximum) {
  Builder builder({2, 6, 6});
  Attributes attributes;
  attributes.kernel = {3, 3};
  attributes.strides = {3, 3};
  builder.flatten(builder.node(Op::max_pool, {0}, attributes));
  ASSERT_TRUE(nn::infer_shapes(builder.graph()).ok());
  const Choice choice = choose_alike(builder.graph(), calibration_of(builder.graph(), 20), {}, 8).value();
  const auto unit = approx::relu(8, 1).value().certificate;
  EXPECT_EQ(choice.depth(), 4 * unit.depth) << "two levels of maxima across, two down";
  EXPECT_EQ(choice.products(), 8.0 * 8 * unit.multiplications) << "eight maxima for each of 2x2x2 values";
}

TEST(Alike, PredictsTheErrorOfTheLogits) {
  Stack stack(16, {Kind::relu, Kind::relu});
  constexpr std::size_t kImages = 400;
  const Calibration calibration = calibration_of(stack.graph(), kImages);
  const std::vector<float> images = Numbers(4).normal(kImages * 16);
  const auto sensitivities = measure_sensitivities(stack.graph(), calibration, images, kImages).value();
  const Choice choice = choose_alike(stack.graph(), calibration, sensitivities, 7).value();
  const auto exact = eval::Network::make(stack.graph(), {})->run(images, kImages)->logits;
  const auto actual = eval::Network::make(stack.graph(), choice.substitution())->run(images, kImages)->logits;
  double sum = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) sum += std::pow(static_cast<double>(actual[i]) - exact[i], 2);
  const double measured = std::sqrt(sum / kImages);
  // The model takes errors of different values to be independent; they are not, but not far from it.
  EXPECT_GT(choice.logit_error, measured / 2);
  EXPECT_LT(choice.logit_error, measured * 2);
}

TEST(Alike, RefusesMarginsPrecisionsAndBoundsOutOfReach) {
  Stack stack(4, {Kind::relu});
  Calibration calibration = calibration_of(stack.graph(), 10);
  const auto refusal = [&](int alpha, double margin) {
    return choose_alike(stack.graph(), calibration, {}, alpha, margin).error().message;
  };
  EXPECT_THAT(refusal(0, 0.25), HasSubstr("alpha 0"));
  EXPECT_THAT(refusal(17, 0.25), HasSubstr("alpha 17"));
  for (const double margin : {-0.1, 10.1, std::nan(""), HUGE_VAL}) {
    EXPECT_THAT(refusal(7, margin), AllOf(HasSubstr("margin"), HasSubstr("0 to 10")));
  }
  EXPECT_TRUE(choose_alike(stack.graph(), calibration, {}, 7, 0).ok());
  EXPECT_TRUE(choose_alike(stack.graph(), calibration, {}, 7, 10).ok());
  calibration.ranges[0].high = 1e6;
  EXPECT_TRUE(choose_alike(stack.graph(), calibration, {}, 7, 0).ok());
  EXPECT_THAT(refusal(7, 0.25), AllOf(HasSubstr("node n2"), HasSubstr("1.25e+06"), HasSubstr("at most 1048576")));
  EXPECT_THAT(LayerwiseChooser::make(stack.graph(), calibration, {1}, 0.25).error().message, HasSubstr("node n2"));
  EXPECT_THAT(LayerwiseChooser::make(stack.graph(), calibration, {1}, -1).error().message, HasSubstr("margin"));
}

}  // namespace
}  // namespace obscura::calibrate
