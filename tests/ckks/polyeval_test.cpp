// SPDX-License-Identifier: Apache-2.0
#include "ckks/polyeval.h"

#include "approx/cost.h"
#include "approx/polynomial.h"
#include "approx/sign.h"
#include "tests/ckks/fixture.h"

namespace obscura::ckks {
namespace {

constexpr int kBits = 45;
constexpr double kScale = 0x1p45;

Params toy(int log2_degree, std::size_t limbs, int bits = kBits) {
  ParamsLiteral literal;
  literal.log2_degree = log2_degree;
  literal.special = make_primes(log2_degree, 50, 2, {}).value();
  literal.chain = make_primes(log2_degree, bits, limbs, literal.special).value();
  literal.digit_limbs = 2;
  return Params::insecure_for_tests(literal).value();
}

enum class Kind { any, odd, even };

/// Random coefficients of a parity, of magnitudes that sum to 1.
std::vector<double> random_coefficients(std::size_t degree, Kind kind, unsigned seed) {
  std::mt19937_64 generator(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> c(degree + 1);
  double sum = 0;
  for (std::size_t k = 0; k <= degree; ++k) {
    if (k > 1 && ((kind == Kind::odd && k % 2 == 0) || (kind == Kind::even && k % 2 == 1))) continue;
    c[k] = uniform(generator) + (k == degree ? 2 : 0);
    sum += std::fabs(c[k]);
  }
  for (double& x : c) x /= sum;
  return c;
}

PolynomialForm on(double low, double high, std::span<const double> c,
                  PolynomialBasis basis = PolynomialBasis::chebyshev) {
  return {low, high, basis, c};
}

double value_of(const PolynomialForm& form, double x) {
  if (form.basis == PolynomialBasis::chebyshev) {
    return approx::evaluate(
        approx::Polynomial{form.low, form.high, {form.coefficients.begin(), form.coefficients.end()}}, x);
  }
  const double t = (2 * x - form.low - form.high) / (form.high - form.low);
  double y = 0;
  for (std::size_t k = form.coefficients.size(); k-- > 0;) y = y * t + form.coefficients[k];
  return y;
}

/// Encrypts, evaluates, and holds limbs, scale and error to the plan, its plaintext simulator and the noise model.
template <class Plan>
void expect_as_planned(const World& world, const Plan& plan, double low, double high,
                       const std::function<double(double)>& expected, double exactness) {
  std::vector<double> x = world.random_slots(1, 7);
  for (double& slot : x) slot = low + (high - low) * (slot + 1) / 2;
  const Ciphertext in = world.encrypt(x, plan.input_scale, plan.limbs);
  const Ciphertext out = evaluate(*world.context, world.keys, plan, in);
  EXPECT_EQ(out.limbs(), plan.output_limbs());
  const std::vector<double> clear = evaluate_clear(plan, x);
  const Params& params = world.context->params();
  const double fresh = noise_of_encryption(params) / plan.input_scale;
  const std::vector<double> predicted = predict_error(params, plan, x, fresh);
  const std::vector<double> got = secret::decrypt(*world.context, world.secret, out);
  double squares = 0;  // of errors in predicted deviations: steep slots count as much as flat ones
  for (std::size_t j = 0; j < x.size(); ++j) squares += std::pow((got[j] - clear[j]) / predicted[j], 2);
  expect_predicted(std::sqrt(squares / static_cast<double>(x.size())), 1);
  for (std::size_t j = 0; j < x.size(); ++j) ASSERT_NEAR(clear[j], expected(x[j]), exactness) << x[j];
}

class PolynomialsOfEveryDegree : public testing::TestWithParam<std::size_t> {};

TEST_P(PolynomialsOfEveryDegree, EvaluateWithinThePredictedError) {
  static const World world(toy(12, 8));
  for (const Kind kind : {Kind::any, Kind::odd, Kind::even}) {
    const std::size_t degree = GetParam();
    if ((kind == Kind::odd && degree % 2 == 0) || (kind == Kind::even && degree % 2 == 1)) continue;
    const std::vector<double> c = random_coefficients(degree, kind, static_cast<unsigned>(degree));
    const PolynomialForm form = on(-1, 1, c);
    const auto& chain = world.context->params().literal().chain;
    const PolynomialPlan plan = plan_polynomial(chain, form, {8, kScale, 0x1p44}).value();
    EXPECT_NEAR(plan.output_scale() / 0x1p44, 1, 1e-12);
    // Constants are rounded to integers at 2^45: as many as there are terms in all.
    expect_as_planned(
        world, plan, -1, 1, [&](double x) { return value_of(form, x); }, 0x1p-36);
  }
}

TEST_P(PolynomialsOfEveryDegree, CostWhatTheFormulasSay) {
  const auto chain = toy(10, 8).literal().chain;
  const auto degree = static_cast<int>(GetParam());
  for (const Kind kind : {Kind::any, Kind::odd, Kind::even}) {
    if ((kind == Kind::odd && degree % 2 == 0) || (kind == Kind::even && degree % 2 == 1)) continue;
    const auto c = random_coefficients(GetParam(), kind, 3);
    const PolynomialPlan plan = plan_polynomial(chain, on(-1, 1, c), {8, kScale, kScale}).value();
    const auto parity = kind == Kind::any   ? approx::Parity::none
                        : kind == Kind::odd ? approx::Parity::odd
                                            : approx::Parity::even;
    EXPECT_EQ(plan.depth(), static_cast<std::size_t>(approx::depth_of(degree)));
    const PolynomialLevelCost total = plan.total();
    EXPECT_EQ(total.multiplications, static_cast<std::size_t>(approx::multiplications_of(degree, parity)));
    EXPECT_LE(total.relinearizations, total.multiplications);
    EXPECT_EQ(total.relinearizations + total.rescales, plan.steps.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Degrees, PolynomialsOfEveryDegree, testing::Range<std::size_t>(2, 64));

TEST(Polynomial, ScalesAreExactlyAsTheStepsImply) {
  const auto chain = toy(10, 8).literal().chain;
  const auto c = random_coefficients(63, Kind::any, 1);
  const PolynomialPlan plan = plan_polynomial(chain, on(-1, 1, c), {8, kScale, 0x1p43}).value();
  for (const PolynomialStep& step : plan.steps) {
    EXPECT_DOUBLE_EQ(step.scale * static_cast<double>(chain[step.limbs - 1]), step.sum_scale);
    for (const auto& p : step.products) {
      const double product = plan.scale_of(p.a) * plan.scale_of(p.b) * step.multiplier;
      // A Chebyshev step doubles its product; a giant step lands on the sum's scale.
      const double doubled = step.multiplier == 1 ? 1 : 2;
      EXPECT_NEAR(product / step.sum_scale / doubled, 1, 0x1p-50);
      EXPECT_GE(plan.limbs_of(p.a), step.limbs);
      EXPECT_GE(plan.limbs_of(p.b), step.limbs);
    }
    for (const auto& term : step.terms) {
      EXPECT_EQ(term.factor, std::nearbyint(term.factor));
      EXPECT_GE(plan.limbs_of(term.value), step.limbs);
    }
  }
}

TEST(Polynomial, LazySumsShareRelinearizations) {
  const auto chain = toy(10, 8).literal().chain;
  const auto c = random_coefficients(31, Kind::any, 1);
  const PolynomialLevelCost total = plan_polynomial(chain, on(-1, 1, c), {8, kScale, kScale}).value().total();
  EXPECT_LT(total.relinearizations, total.multiplications);
}

TEST(Polynomial, SparsePolynomialsSkipWhatIsZero) {
  const auto chain = toy(10, 8).literal().chain;
  std::vector<double> c(33);
  c[32] = 1;  // T_32: five squarings
  const PolynomialLevelCost total = plan_polynomial(chain, on(-1, 1, c), {8, kScale, kScale}).value().total();
  EXPECT_EQ(total.multiplications, 5U);
}

TEST(Polynomial, IntervalsAreFolded) {
  const World world(toy(12, 5));
  const auto c = random_coefficients(7, Kind::any, 5);
  const auto& chain = world.context->params().literal().chain;
  const PolynomialForm form = on(-3, 5, c);
  const PolynomialPlan plan = plan_polynomial(chain, form, {5, 0x1p43, kScale}).value();
  EXPECT_EQ(plan.depth(), 3U);
  expect_as_planned(
      world, plan, -3, 5, [&](double x) { return value_of(form, x); }, 0x1p-38);
}

TEST(Polynomial, MonomialsUpToDegreeFour) {
  const World world(toy(12, 5));
  const auto& chain = world.context->params().literal().chain;
  for (std::size_t degree = 1; degree <= kMaxMonomialDegree; ++degree) {
    const auto c = random_coefficients(degree, Kind::any, 5);
    const PolynomialForm form = on(-1, 1, c, PolynomialBasis::monomial);
    const PolynomialPlan plan = plan_polynomial(chain, form, {5, kScale, kScale}).value();
    EXPECT_EQ(plan.depth(), static_cast<std::size_t>(approx::depth_of(static_cast<int>(degree))));
    expect_as_planned(
        world, plan, -1, 1, [&](double x) { return value_of(form, x); }, 0x1p-40);
  }
  const std::vector<double> quintic(6, 1);
  EXPECT_EQ(plan_polynomial(chain, on(-1, 1, quintic, PolynomialBasis::monomial), {5, kScale, kScale}).error().code,
            Code::wrong_params);
}

TEST(Polynomial, TwoPrimesALevelGiveTheirBits) {
  const World world(toy(12, 9, 30));
  const auto& chain = world.context->params().literal().chain;
  const auto c = random_coefficients(15, Kind::any, 5);
  const PolynomialForm form = on(-1, 1, c);
  const PolynomialPlan plan = plan_polynomial(chain, form, {9, 0x1p50, 0x1p27, 2}).value();
  EXPECT_EQ(plan.depth(), 4U);
  EXPECT_EQ(plan.output_limbs(), 1U);
  for (std::size_t i = 0; i + 1 < plan.steps.size(); ++i) EXPECT_GT(plan.steps[i].sum_scale, 0x1p80);
  // Powers are at 2^60 and the last sum at 2^87: its constants are multiples of 2^-27.
  expect_as_planned(
      world, plan, -1, 1, [&](double x) { return value_of(form, x); }, 0x1p-24);
}

TEST(Polynomial, SmallInputScalesAreRaisedToThePrimes) {
  const auto chain = toy(10, 8).literal().chain;
  const auto c = random_coefficients(63, Kind::any, 1);
  const PolynomialPlan plan = plan_polynomial(chain, on(-1, 1, c), {8, 0x1p35, kScale}).value();
  for (const PolynomialStep& step : plan.steps) EXPECT_NEAR(std::log2(step.scale), kBits, 0.5);
}

TEST(Polynomial, SecureParametersEvaluateWithinThePredictedError) {
  const World world(make_params(13, 40, 4, 1, 1));
  const auto& chain = world.context->params().literal().chain;
  const auto c = random_coefficients(7, Kind::any, 5);
  const PolynomialForm form = on(-1, 1, c);
  const PolynomialPlan plan = plan_polynomial(chain, form, {4, 0x1p40, 0x1p30}).value();
  expect_as_planned(
      world, plan, -1, 1, [&](double x) { return value_of(form, x); }, 0x1p-28);
}

TEST(Polynomial, MissingRelinearizationKeyIsRefused) {
  World world(toy(12, 4));
  const auto& chain = world.context->params().literal().chain;
  const auto c = random_coefficients(3, Kind::any, 5);
  const PolynomialPlan plan = plan_polynomial(chain, on(-1, 1, c), {4, kScale, kScale}).value();
  const Ciphertext x = world.encrypt(world.random_slots(1, 1), kScale, 4);
  world.keys.relinearization.clear();
  EXPECT_THROW((void)evaluate(*world.context, world.keys, plan, x), ContractError);
}

TEST(Polynomial, InputsOtherThanPlannedAreRefused) {
  const World world(toy(12, 4));
  const auto& chain = world.context->params().literal().chain;
  const auto c = random_coefficients(3, Kind::any, 5);
  const PolynomialPlan plan = plan_polynomial(chain, on(-1, 1, c), {4, kScale, kScale}).value();
  EXPECT_THROW((void)evaluate(*world.context, world.keys, plan, world.encrypt({}, kScale * 1.0001, 4)), ContractError);
  EXPECT_THROW((void)evaluate(*world.context, world.keys, plan, world.encrypt({}, kScale, 3)), ContractError);
}

TEST(Polynomial, WhatCannotBePlannedIsRefused) {
  const auto chain = toy(10, 5).literal().chain;
  const auto code = [&](const std::vector<double>& c, double low, double high, const PolynomialPlace& place) {
    return plan_polynomial(chain, on(low, high, c), place).error().code;
  };
  const std::vector<double> cubic = {0, 1, 0, 1};
  EXPECT_EQ(code(std::vector<double>(65, 1), -1, 1, {5, kScale, kScale}), Code::wrong_params);
  EXPECT_EQ(code({1}, -1, 1, {5, kScale, kScale}), Code::wrong_params);
  EXPECT_EQ(code({1, NAN}, -1, 1, {5, kScale, kScale}), Code::wrong_params);
  EXPECT_EQ(code(cubic, 1, 1, {5, kScale, kScale}), Code::wrong_params);
  EXPECT_EQ(code(cubic, -1, 1, {5, kScale, kScale, 4}), Code::wrong_params);
  EXPECT_EQ(code(cubic, -1, 1, {5, 0, kScale}), Code::wrong_params);
  EXPECT_EQ(code(cubic, -1, 1, {2, kScale, kScale}), Code::infeasible);
  EXPECT_EQ(code(cubic, -1, 1, {6, kScale, kScale}), Code::infeasible);
  EXPECT_EQ(code(cubic, -1, 1, {3, kScale, 0x1p44}), Code::infeasible);  // one limb holds 2^43
  // x in +-2^20 at scale 2^45 is t at 2^65: its powers outgrow the sums' scale.
  EXPECT_EQ(code(cubic, -0x1p20, 0x1p20, {5, kScale, 0x1p40}), Code::infeasible);
}

TEST(Composite, AReluOfThreeStagesIsEvaluatedAsPlanned) {
  const World world(toy(12, 14));
  const auto& chain = world.context->params().literal().chain;
  const approx::Activation relu = approx::relu(10, 8).value();
  std::vector<PolynomialForm> stages;
  for (const approx::Polynomial& stage : relu.composite.stages) {
    stages.push_back(on(stage.low, stage.high, stage.coefficients));
  }
  stages[0].low *= relu.bound, stages[0].high *= relu.bound;  // x / bound folds into the first interval
  const CompositePlan plan = plan_relu(chain, stages, {14, 0x1p42, kScale}).value();
  EXPECT_EQ(plan.depth(), static_cast<std::size_t>(relu.certificate.depth));
  EXPECT_EQ(plan.total().multiplications, static_cast<std::size_t>(relu.certificate.multiplications));
  expect_as_planned(
      world, plan, -8, 8, [&](double x) { return approx::evaluate(relu, x); }, 0x1p-30);
}

TEST(Composite, StagesWithoutAProductAreChained) {
  const World world(toy(12, 8));
  const auto& chain = world.context->params().literal().chain;
  const std::vector<double> inner = {0, 0.9, 0, 0.1}, outer = {0.1, 0.2, 0.3};
  const std::vector<PolynomialForm> stages = {on(-1, 1, inner), on(-1, 1, outer)};
  const CompositePlan plan = plan_composite(chain, stages, {8, kScale, kScale}).value();
  EXPECT_EQ(plan.depth(), 4U);
  expect_as_planned(
      world, plan, -1, 1, [&](double x) { return value_of(stages[1], value_of(stages[0], x)); }, 0x1p-40);
  EXPECT_EQ(plan_composite(chain, {}, {8, kScale, kScale}).error().code, Code::wrong_params);
}

}  // namespace
}  // namespace obscura::ckks
