// SPDX-License-Identifier: Apache-2.0
/// The noise model against many keys and encryptions: deviations, tails, and a chain of operations as a network has it.
#include "ckks/noise.h"

#include "tests/ckks/fixture.h"

namespace obscura::ckks {
namespace {

/// Errors of one operation over many keys, in predicted deviations.
class Errors {
 public:
  explicit Errors(RingType ring) : ring_(ring) {}
  void add(const World& world, const Ciphertext& x, double predicted,
           const std::function<double(std::size_t)>& expected) {
    const std::vector<double> got = secret::decrypt(*world.context, world.secret, x);
    for (std::size_t j = 0; j < got.size(); ++j) {
      const double error = (got[j] - expected(j)) / predicted;
      sum_ += error;
      squares_ += error * error;
      beyond_six_ += std::fabs(error) > 6 ? 1 : 0;
      largest_ = std::max(largest_, std::fabs(error));
      ++count_;
    }
  }

  void expect_as_predicted(const char* what) const {
    const auto count = static_cast<double>(count_);
    const double deviation = std::sqrt(squares_ / count);
    EXPECT_GT(deviation, 0.5) << what;
    EXPECT_LT(deviation, 2.0) << what;
    // The mean of independent errors: 6 of its deviations.
    EXPECT_LT(std::fabs(sum_ / count), 6 * deviation / std::sqrt(count)) << what;
    // As many beyond six deviations as the model's tail says, and six deviations of that count.
    const double expected = count * tail_of_error(6, ring_);
    EXPECT_LE(beyond_six_, expected + 6 * std::sqrt(expected)) << what;
    // So far out that all of the slots together have a chance of one in a million.
    EXPECT_GT(count * tail_of_error(largest_, ring_), 1e-6) << what << ": " << largest_ << " deviations";
  }

 private:
  RingType ring_;
  double sum_ = 0, squares_ = 0, largest_ = 0;
  std::size_t count_ = 0, beyond_six_ = 0;
};

class Noise : public testing::TestWithParam<RingType> {
 protected:
  static std::uint64_t all() { return GetParam() == RingType::standard ? 2048 : 4096; }
};

INSTANTIATE_TEST_SUITE_P(Rings, Noise, testing::Values(RingType::standard, RingType::conjugate_invariant),
                         [](const auto& test) { return test.param == RingType::standard ? "Standard" : "Invariant"; });

TEST_P(Noise, EveryOperationIsAsPredictedOverManyKeys) {
  const Errors none(GetParam());
  Errors fresh = none, by_public_key = none, product = none, relinearized = none, rotated = none, linear = none;
  constexpr double kScale = 0x1p28;
  for (unsigned seed = 0; seed < 24; ++seed) {
    World world(make_params(12, 35, 2, 1, 1, GetParam()));
    const Context& context = *world.context;
    const Params& params = context.params();
    // All slots at +-1, so that a product's error has one deviation in all of them.
    std::vector<double> a = world.random_slots(1, seed);
    for (double& x : a) x = x < 0 ? -1 : 1;
    const auto value = [&](std::size_t j) { return a[j]; };
    const auto square = [](std::size_t) { return 1.0; };
    const double one = noise_of_encryption(params) / kScale;
    const Ciphertext x = world.encrypt(a, kScale, 2);
    fresh.add(world, x, one, value);
    const PublicKey key = secret::make_public_key(context, world.secret);
    by_public_key.add(world, secret::encrypt_public(context, key, a, kScale, 2),
                      noise_of_public_encryption(params) / kScale, value);
    const Ciphertext z = multiply(context, x, x);
    product.add(world, z, 2 * one, square);
    const Ciphertext w = relinearize(context, world.keys, z, 1);
    relinearized.add(world, w, std::hypot(2 * one, noise_of_rounding(params, 2) / w.scale), square);
    const std::uint64_t element = context.galois_element(1);
    world.keys.galois.emplace(element, secret::make_galois_key(context, world.secret, element));
    rotated.add(
        world, rotate(context, world.keys, x, 1),
        std::hypot(std::hypot(noise_of_encryption(params), noise_of_switch(params, 2)), noise_of_rounding(params, 2)) /
            kScale,
        [&](std::size_t j) { return a[(j + 1) % a.size()]; });
    const PreparedMap map({1, 1, {{1, 1, {-57}}}, {{0, {0}, {0}}}});
    linear.add(world, apply(context, map, 64, std::vector<double>{0.5}, std::span(&x, 1)).front(), 57.0 / 64 * one,
               [&](std::size_t j) { return -57.0 / 64 * a[j] + 0.5; });
  }
  fresh.expect_as_predicted("fresh");
  by_public_key.expect_as_predicted("public key");
  product.expect_as_predicted("product");
  relinearized.expect_as_predicted("relinearized and rescaled");
  rotated.expect_as_predicted("rotated");
  linear.expect_as_predicted("linear");
}

TEST_P(Noise, DigitsOfSeveralLimbsAddNoMoreThanPredicted) {
  // Digits as large as P: the key switch itself dominates over its rounding.
  Errors errors(GetParam());
  for (unsigned seed = 0; seed < 6; ++seed) {
    ParamsLiteral literal;
    literal.log2_degree = 13;
    literal.digit_limbs = 2;
    literal.ring = GetParam();
    literal.chain = make_primes(13, 40, 5, {}, GetParam()).value();
    literal.special = {literal.chain[3], literal.chain[4]};
    literal.chain.resize(3);
    const World world(Params::make(literal).value());
    const Params& params = world.context->params();
    const auto a = world.random_slots(1, seed);
    const Ciphertext x = world.encrypt(a, 0x1p38, 3);
    const Ciphertext z = multiply(*world.context, x, x);
    const double fresh = 2 * std::sqrt(1.0 / 3) * noise_of_encryption(params) / 0x1p38;
    const double switched = std::hypot(noise_of_switch(params, 3), noise_of_rounding(params, 2)) / z.scale;
    errors.add(world, relinearize(*world.context, world.keys, z, 0), std::hypot(fresh, switched),
               [&](std::size_t j) { return a[j] * a[j]; });
  }
  errors.expect_as_predicted("digits of two limbs");
}

/// Of the encoding of `count` random numbers in random slots, repeated with a period, many times over: their error as
/// it is, and as the model has it.
void expect_lost_as_predicted(RingType ring, std::size_t count, std::uint64_t period, double scale) {
  SCOPED_TRACE(fmt::format("{} numbers in {} slots at 2^{}", count, period, std::log2(scale)));
  const auto context = Context::make(make_params(12, 35, 2, 1, 1, ring));
  const std::size_t slots = context->params().slots();
  std::mt19937_64 random(count);
  std::uniform_real_distribution<double> uniform(0.25, 1);
  double measured = 0, predicted = 0;
  for (int trial = 0; trial < 50; ++trial) {
    DiagonalNumbers numbers;
    numbers.period = static_cast<double>(period);
    std::vector<double> vector(slots, 0);
    for (std::size_t k = 0; k < count; ++k) {
      const double w = uniform(random);
      std::uint64_t at = random() % period;
      while (vector[at] != 0) at = random() % period;
      for (std::size_t j = at; j < slots; j += period) vector[j] = w;
      numbers.square += w * w;
      if (count <= kFewNumbers) numbers.few.push_back(w);
    }
    const std::vector<double> got = context->encoder().decode(context->encoder().encode(vector, scale, 1), scale);
    for (std::size_t j = 0; j < period; ++j) {
      if (vector[j] != 0) measured += (got[j] - vector[j]) * (got[j] - vector[j]);
    }
    // A real slot of the coefficients that are not 0.
    const double noise = std::sqrt(static_cast<double>(period) * 2 / 12) / scale;
    predicted += static_cast<double>(count) * noise * noise + square_of_lost(numbers, scale);
  }
  expect_predicted(std::sqrt(measured), std::sqrt(predicted));
}

TEST_P(Noise, OneNumberInManySlotsIsLostAtASmallScale) {
  // The last: so high that the harmonics of one wave fold into noise. Between, where few reach the order of the roots,
  // up to 0.4 bits less is lost than predicted, in either ring.
  const double high = GetParam() == RingType::standard ? 0x1p24 : 0x1p28;
  for (const double scale : {0x1p9, 0x1p12, 0x1p14, 0x1p17, high})
    expect_lost_as_predicted(GetParam(), 1, all(), scale);
}

TEST_P(Noise, FewNumbersAreLostToEachOther) {
  for (const double scale : {0x1p10, 0x1p11, 0x1p13, 0x1p16}) expect_lost_as_predicted(GetParam(), 3, all(), scale);
}

TEST_P(Noise, ManyNumbersAreLostWhereCoefficientsAreBelowOne) {
  for (const double scale : {0x1p7, 0x1p8, 0x1p12}) expect_lost_as_predicted(GetParam(), 200, all(), scale);
}

TEST_P(Noise, NumbersThatRepeatAreLostAsInFewerSlots) {
  for (const double scale : {0x1p7, 0x1p12}) expect_lost_as_predicted(GetParam(), 2, all() / 8, scale);
}

}  // namespace
}  // namespace obscura::ckks
